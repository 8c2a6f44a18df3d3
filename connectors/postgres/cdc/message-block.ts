/** Messages in one piece of memory, with what stood between them. */
export class MessageBlock {
  bytes: Buffer = Buffer.allocUnsafe(65_536)
  length = 0
  /** Where each message starts and ends, one behind the other. */
  readonly spans: number[] = []

  get messageCount(): number {
    return this.spans.length / 2
  }

  /** Copies: whoever received the bytes uses their memory again. @returns where they begin here */
  add(bytes: Buffer, start: number, end: number): number {
    const from = this.length
    const length = from + end - start
    if (length > this.bytes.length) {
      const larger = Buffer.allocUnsafe(length <= usualBytes ? usualBytes : Math.max(2 * this.bytes.length, length))
      larger.set(this.bytes.subarray(0, from))
      this.bytes = larger
    }
    bytes.copy(this.bytes, from, start, end)
    this.length = length
    return from
  }

  /** A message among the bytes that were added. */
  mark(start: number, end: number): void {
    this.spans.push(start, end)
  }

  clear(): void {
    this.length = 0
    this.spans.length = 0
    if (this.bytes.length > largestKept) this.bytes = Buffer.allocUnsafe(65_536)
  }
}

/** A full block of a busy stream, and what a socket gives at a time: doubling would take twice what is queued. */
const usualBytes = 131_072 + 65_536
/** One huge message must not cost its memory for ever. */
const largestKept = 4 * 1_048_576
