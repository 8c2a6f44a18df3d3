const newline = 10
const carriageReturn = 13

/** Begin and end of many lines as pairs of numbers, in memory that is used again for each poll. */
export class SpanArena {
  #spans = new Uint32Array(8192)
  #length = 0

  get length(): number {
    return this.#length
  }

  add(begin: number, end: number): void {
    if (this.#length === this.#spans.length) this.#grow()
    this.#spans[this.#length++] = begin
    this.#spans[this.#length++] = end
  }

  /** The pairs added since `from`; stays valid until `clear`. */
  since(from: number): Uint32Array {
    return this.#spans.subarray(from, this.#length)
  }

  clear(): void {
    this.#length = 0
  }

  #grow(): void {
    const larger = new Uint32Array(this.#spans.length * 2)
    larger.set(this.#spans)
    this.#spans = larger
  }
}

export interface Split {
  /** Index after the last newline that was taken; where it began when none was. */
  readonly next: number
  /** Set when splitting stopped before a line longer than allowed: the index of its newline. */
  readonly overlongEnd?: number
}

/** Adds every complete line of `bytes[from … to)` without its `\n` or `\r\n`, up to the first that is longer than `maxLineBytes`. */
export function splitLines(bytes: Buffer, from: number, to: number, maxLineBytes: number, spans: SpanArena): Split {
  const readable = bytes.subarray(0, to)
  let next = from
  for (;;) {
    const at = readable.indexOf(newline, next)
    if (at < 0) return { next }
    const end = at > next && readable[at - 1] === carriageReturn ? at - 1 : at
    if (end - next > maxLineBytes) return { next, overlongEnd: at }
    spans.add(next, end)
    next = at + 1
  }
}

/** The longest beginning of at most `maxBytes` that does not cut a UTF-8 character in two. */
export function cutText(bytes: Buffer, maxBytes: number): Buffer {
  if (bytes.length <= maxBytes) return bytes
  let end = maxBytes
  while (end > maxBytes - 4 && end > 0 && (bytes[end]! & 0xc0) === 0x80) end--
  return bytes.subarray(0, end)
}
