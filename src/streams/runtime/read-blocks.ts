import { SpareMemory } from '../../core/index.ts'
import type { BlockAhead, ReadBlock, ReadIntoOptions, ReadMemory } from '../../core/index.ts'

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
 * Some are read into before anybody asks for them (`ahead`).
 */
export class ReadBlocks implements ReadMemory {
  readonly #memory = new SpareMemory()
  readonly ahead = new Map<object, BlockAhead>()

  /** Never one that would be nearly empty: what keeps a view of it keeps all of it. */
  take(bytes: number): ReadBlock {
    const memory = this.#memory.take(bytes, 2 * bytes)
    return new Block(Buffer.from(memory, 0, bytes), () => this.#memory.giveBack(memory))
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
