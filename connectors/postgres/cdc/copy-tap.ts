/**
 * Takes the data of a COPY out of what the server sends, before pg makes an object and an event of each piece of it. Everything else goes on to pg.
 *
 *   socket ──► whole messages ──► copy data, as many as stand behind each other ──► take()
 *                              └► anything else ──► pg's own listener
 */
import type { Duplex } from 'node:stream'

/** Each piece of copy data begins with `d` and four bytes of its length, which counts itself. */
export const copyHeaderBytes = 5

/** Is given whole pieces of copy data, one behind the other with their headers, from `start` to `end`. The bytes are good during the call. */
export type TakeCopyData = (bytes: Buffer, start: number, end: number) => void

type Listener = (chunk: Buffer) => void

const copyDataTag = 0x64
/** The server's own limit. */
const mostMessageBytes = 1_073_741_824
/** One huge message must not cost its memory for ever. */
const largestKept = 1_048_576

export interface CopyTap {
  /** From the next message on all goes to pg. */
  close(): void
}

/** To be called between two messages: when a statement is sent on a connection that does nothing else. */
export function tapCopyData(stream: Duplex, take: TakeCopyData): CopyTap {
  return new Tap(stream, take)
}

class Tap implements CopyTap {
  readonly #stream: Duplex
  readonly #take: TakeCopyData
  readonly #others: readonly Listener[]
  readonly #listener: Listener = (chunk) => this.#receive(chunk)
  /** The beginning of a message whose rest is still to come. */
  #torn: Buffer = Buffer.allocUnsafe(256)
  #tornLength = 0
  #isOpen = true

  constructor(stream: Duplex, take: TakeCopyData) {
    this.#stream = stream
    this.#take = take
    this.#others = stream.listeners('data') as Listener[]
    stream.on('data', this.#listener)
    for (const other of this.#others) stream.removeListener('data', other)
  }

  close(): void {
    if (!this.#isOpen) return
    this.#isOpen = false
    for (const other of this.#others) this.#stream.on('data', other)
    this.#stream.removeListener('data', this.#listener)
  }

  #receive(chunk: Buffer): void {
    let at = 0
    while (this.#tornLength > 0 && at < chunk.length) at = this.#complete(chunk, at)
    let start = at
    let isCopyData = chunk[at] === copyDataTag
    while (this.#isOpen && chunk.length - at >= copyHeaderBytes) {
      const end = at + this.#messageBytes(chunk, at)
      if (end > chunk.length) break
      if ((chunk[at] === copyDataTag) !== isCopyData) {
        this.#give(isCopyData, chunk, start, at)
        start = at
        isCopyData = !isCopyData
        continue
      }
      at = end
    }
    if (at > start) this.#give(isCopyData, chunk, start, at)
    if (at === chunk.length) return
    if (this.#isOpen) this.#keep(chunk, at, chunk.length)
    else this.#pass(chunk.subarray(at))
  }

  #give(isCopyData: boolean, bytes: Buffer, start: number, end: number): void {
    if (isCopyData) this.#take(bytes, start, end)
    else this.#pass(bytes.subarray(start, end))
  }

  #pass(bytes: Buffer): void {
    for (const other of this.#others) other(bytes)
  }

  /** Adds to the torn message what belongs to it. @returns where the chunk goes on */
  #complete(chunk: Buffer, at: number): number {
    const wanted = this.#tornLength < copyHeaderBytes ? copyHeaderBytes : this.#messageBytes(this.#torn, 0)
    const end = Math.min(chunk.length, at + wanted - this.#tornLength)
    this.#keep(chunk, at, end)
    if (this.#tornLength < copyHeaderBytes || this.#tornLength < this.#messageBytes(this.#torn, 0)) return end
    const whole = this.#torn
    const length = this.#tornLength
    this.#tornLength = 0
    const isCopyData = whole[0] === copyDataTag
    // pg may keep what it is given.
    if (!isCopyData || whole.length > largestKept) this.#torn = Buffer.allocUnsafe(256)
    this.#give(isCopyData, whole, 0, length)
    return end
  }

  /** Memory is taken as bytes come, whatever length the message says it has. */
  #keep(chunk: Buffer, start: number, end: number): void {
    const length = this.#tornLength + end - start
    if (length > this.#torn.length) {
      const larger = Buffer.allocUnsafe(Math.max(2 * this.#torn.length, length))
      larger.set(this.#torn.subarray(0, this.#tornLength))
      this.#torn = larger
    }
    chunk.copy(this.#torn, this.#tornLength, start, end)
    this.#tornLength = length
  }

  /** With its tag. What cannot be a length ends the connection. */
  #messageBytes(bytes: Buffer, at: number): number {
    const length = bytes.readUInt32BE(at + 1)
    if (length >= 4 && length <= mostMessageBytes) return 1 + length
    this.#stream.destroy(new Error(`the server sent a message of ${length} bytes: this is not PostgreSQL's protocol, or bytes were lost`))
    return Number.POSITIVE_INFINITY
  }
}
