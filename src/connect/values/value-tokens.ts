/** Cuts text into tokens at the delimiters of arrays, maps and strings, as upstream's Values.Parser: a backslash hides a delimiter. */
export class ValueTokens {
  readonly original: string
  #at = 0
  #next: string | undefined
  #nextStart = 0
  #previous = ''

  constructor(original: string) {
    this.original = original
  }

  get hasNext(): boolean {
    return this.#next !== undefined || this.#at < this.original.length
  }

  get previous(): string {
    return this.#previous
  }

  /** Where `rewind` gets back to. */
  mark(): number {
    return this.#next === undefined ? this.#at : this.#nextStart
  }

  rewind(mark: number): void {
    this.#at = mark
    this.#next = undefined
  }

  next(): string {
    this.#previous = this.#next ?? this.#cut()
    this.#next = undefined
    return this.#previous
  }

  /** The text of the next `count` tokens, or undefined, and nothing taken, when there are not so many. */
  nextText(count: number): string | undefined {
    const start = this.mark()
    for (let taken = 0; taken < count; taken++) {
      if (!this.hasNext) {
        this.rewind(start)
        return undefined
      }
      this.next()
    }
    return this.original.slice(start, this.#at)
  }

  /** Takes the next token if it is this one, blanks around it aside. */
  take(expected: string): boolean {
    if (!this.hasNext) return false
    this.#next ??= this.#cut()
    while (javaTrim(this.#next) === '' && this.#at < this.original.length) this.#next = this.#cut()
    if (javaTrim(this.#next) !== expected) return false
    this.#previous = expected
    this.#next = undefined
    return true
  }

  #cut(): string {
    const start = (this.#nextStart = this.#at)
    let escaped = false
    for (; this.#at < this.original.length; this.#at++) {
      const each = this.original[this.#at]!
      if (each === '\\') escaped = !escaped
      else if (!escaped && ':,{}[]"'.includes(each)) break
      else escaped = false
    }
    if (this.#at === start && this.#at < this.original.length) this.#at++
    return this.original.slice(start, this.#at)
  }
}

/** As Java's `String.trim`: characters up to the blank, and no other kind of white space. */
export function javaTrim(text: string): string {
  let [begin, end] = [0, text.length]
  while (begin < end && text[begin]! <= ' ') begin++
  while (end > begin && text[end - 1]! <= ' ') end--
  return text.slice(begin, end)
}
