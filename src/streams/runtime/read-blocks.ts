import type { ReadBlock, ReadIntoOptions, ReadMemory } from '../../core/index.ts'

const readBytes = 1024 * 1024

/** How a thread reads its inputs. `signal` fires when it stops. */
export function inputReads(signal: AbortSignal): ReadIntoOptions {
  return { maxBytes: readBytes, isolation: 'read-committed', signal, memory: new ReadBlocks() }
}

/**
 * Blocks that inputs are read into, used again when their records are processed. Otherwise each would be garbage of a thread that makes little else, and V8
 * would mark the heap again and again because of them.
 * ```
 *   take ──▶ read into, processed ──giveBack──▶ spare ──take──▶ …
 *               └──(isShared) giveBack, or never given back──▶ garbage
 * ```
 */
export class ReadBlocks implements ReadMemory {
  /** The one that came last is the last: it is in the processor's cache. */
  readonly #spare: Uint8Array[] = []
  #spareBytes = 0

  take(bytes: number): ReadBlock {
    const memory = this.#takeSpare(bytes) ?? Buffer.allocUnsafeSlow(bytes)
    return new Block(memory.length === bytes ? memory : memory.subarray(0, bytes), () => this.#keep(memory))
  }

  /** Not one that would be nearly empty: what keeps a view of it keeps all of it. */
  #takeSpare(bytes: number): Uint8Array | null {
    const at = this.#spare.findLastIndex(({ length }) => length >= bytes && length <= 2 * bytes)
    if (at < 0) return null
    const [memory] = this.#spare.splice(at, 1)
    this.#spareBytes -= memory!.length
    return memory!
  }

  #keep(memory: Uint8Array): void {
    if (memory.length < leastKeptBytes) return
    this.#spare.push(memory)
    this.#spareBytes += memory.length
    while (this.#spareBytes > mostSpareBytes) this.#spareBytes -= this.#spare.shift()!.length
  }
}

class Block implements ReadBlock {
  readonly bytes: Uint8Array
  isShared = false
  #keep: (() => void) | null

  constructor(bytes: Uint8Array, keep: () => void) {
    this.bytes = bytes
    this.#keep = keep
  }

  giveBack(): void {
    if (!this.isShared) this.#keep?.()
    this.#keep = null
  }
}

const leastKeptBytes = 16 * 1024
const mostSpareBytes = 4 * 1024 * 1024
