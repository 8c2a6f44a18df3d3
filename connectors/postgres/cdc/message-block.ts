/** Messages, one behind the other in one piece of memory. */
export class MessageBlock {
  bytes: Buffer = Buffer.allocUnsafe(65_536)
  length = 0
  /** Message `i` ends here; it begins where the one before it ends. */
  readonly ends: number[] = []

  get messageCount(): number {
    return this.ends.length
  }

  /** Copies: whoever received the bytes uses their memory again. */
  add(bytes: Buffer, start: number): void {
    const size = bytes.length - start
    if (this.length + size > this.bytes.length) {
      const larger = Buffer.allocUnsafe(Math.max(2 * this.bytes.length, this.length + size))
      larger.set(this.bytes.subarray(0, this.length))
      this.bytes = larger
    }
    bytes.copy(this.bytes, this.length, start)
    this.length += size
    this.ends.push(this.length)
  }

  clear(): void {
    this.length = 0
    this.ends.length = 0
    if (this.bytes.length > largestKept) this.bytes = Buffer.allocUnsafe(65_536)
  }
}

/** One huge message must not cost its memory for ever. */
const largestKept = 4 * 1_048_576
