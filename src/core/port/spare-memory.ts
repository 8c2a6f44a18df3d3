/** The smallest block, and by how much they differ: so one fits the next batch that is a little longer. */
const stepBytes = 16 * 1024
const mostKeptBytes = 4 * 1024 * 1024

/**
 * Memory for copies of batches that go to the other side and come back with the answer. Left there, each would be garbage of a thread that makes
 * little of it: V8 lets 32 MB of such memory lie before it looks.
 */
export class SpareMemory {
  /** The one that came last is the last: its pages are in the processor's cache. */
  readonly #blocks: ArrayBuffer[] = []
  #bytes = 0

  copyOf(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
    if (bytes.length < stepBytes) return bytes.slice()
    const copy = new Uint8Array(this.#take(bytes.length) ?? uninitialised(bytes.length), 0, bytes.length)
    copy.set(bytes)
    return copy
  }

  giveBack(block: ArrayBuffer): void {
    this.#blocks.push(block)
    this.#bytes += block.byteLength
    while (this.#bytes > mostKeptBytes) this.#bytes -= this.#blocks.shift()!.byteLength
  }

  #take(bytes: number): ArrayBuffer | undefined {
    const at = this.#blocks.findLastIndex(({ byteLength }) => byteLength >= bytes)
    if (at < 0) return undefined
    const [block] = this.#blocks.splice(at, 1)
    this.#bytes -= block!.byteLength
    return block
  }
}

/** What went as a copy, if it is worth sending back. */
export function blockOf({ buffer }: Uint8Array): ArrayBuffer | null {
  return buffer instanceof ArrayBuffer && buffer.byteLength >= stepBytes ? buffer : null
}

function uninitialised(bytes: number): ArrayBuffer {
  return Buffer.allocUnsafeSlow(Math.ceil(bytes / stepBytes) * stepBytes).buffer
}
