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
export function splitLines(bytes: Buffer, from: number, to: number, maxLineBytes: number, spans: SpanArena, ends: LineEnds): Split {
  const readable = bytes.subarray(0, to)
  let next = from
  for (;;) {
    const at = ends.find(readable, next)
    if (at < 0) return { next }
    const end = ends.withoutReturn(readable, next, at)
    if (end - next > maxLineBytes) return { next, overlongEnd: at }
    spans.add(next, end)
    next = at + ends.width
  }
}

/** How lines end in an encoding. Positions are those of the first byte of a character. */
export interface LineEnds {
  /** Bytes of a newline. */
  readonly width: 1 | 2
  /** The next newline in `bytes` at or after `from`, which is where a character begins; -1: none. */
  find(bytes: Buffer, from: number): number
  /** Where a line ends whose newline stands at `at`: there, or before a carriage return. */
  withoutReturn(bytes: Buffer, begin: number, at: number): number
}

export const narrowEnds: LineEnds = {
  width: 1,
  find: (bytes, from) => bytes.indexOf(newline, from),
  withoutReturn: (bytes, begin, at) => (at > begin && bytes[at - 1] === carriageReturn ? at - 1 : at),
}

/** UTF-16: a byte 10 is half of many characters, so both bytes and the alignment count. `low`: where in a pair the low byte stands. */
function wideEnds(low: 0 | 1): LineEnds {
  const high = 1 - low
  return {
    width: 2,
    find(bytes, from) {
      for (let at = bytes.indexOf(newline, from); at >= 0; at = bytes.indexOf(newline, at + 1)) {
        const begin = at - low
        if ((begin - from) % 2 === 0 && begin >= from && begin + 1 < bytes.length && bytes[begin + high] === 0) return begin
      }
      return -1
    },
    withoutReturn: (bytes, begin, at) => (at - 2 >= begin && bytes[at - 2 + low] === carriageReturn && bytes[at - 2 + high] === 0 ? at - 2 : at),
  }
}

export const littleEndianEnds = wideEnds(0)
export const bigEndianEnds = wideEnds(1)

/** The longest beginning of at most `maxBytes` that does not cut a character of UTF-8, or of UTF-16, in two. */
export function cutText(bytes: Buffer, maxBytes: number, { width }: LineEnds): Buffer {
  if (bytes.length <= maxBytes) return bytes
  if (width === 2) return bytes.subarray(0, maxBytes - (maxBytes % 2))
  let end = maxBytes
  while (end > maxBytes - 4 && end > 0 && (bytes[end]! & 0xc0) === 0x80) end--
  return bytes.subarray(0, end)
}
