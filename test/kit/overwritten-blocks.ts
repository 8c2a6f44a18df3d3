/** Memory for reads that is overwritten as soon as it is given back: what looks at it too late sees what no record has. */
import type { BlockAhead, Broker, GroupMember, GroupOptions, ReadBlock, ReadIntoOptions, ReadMemory } from '../../src/core/index.ts'
import { RecordBatchView } from '../../src/core/log/record-batch.ts'
import { withMethods } from './with-methods.ts'

class OverwrittenBlock implements ReadBlock {
  readonly bytes: Uint8Array
  readonly #onBack: () => void
  isShared = false

  constructor(bytes: Uint8Array, onBack: () => void) {
    this.bytes = bytes
    this.#onBack = onBack
  }

  giveBack(): void {
    if (this.isShared) return
    this.bytes.fill(0xff)
    this.#onBack()
  }
}

export class OverwrittenMemory implements ReadMemory {
  readonly ahead = new Map<object, BlockAhead>()
  taken = 0
  overwritten = 0

  take(bytes: number): ReadBlock {
    return this.of(new Uint8Array(bytes))
  }

  of(bytes: Uint8Array): ReadBlock {
    this.taken++
    return new OverwrittenBlock(bytes, () => { this.overwritten++ })
  }

  /** Copies of the batches, each with its offsets, so many to a block. */
  batches(batches: readonly Uint8Array[], perBlock: number): readonly RecordBatchView[] {
    const views: RecordBatchView[] = []
    for (let from = 0; from < batches.length; from += perBlock) {
      const block = this.of(new Uint8Array(Buffer.concat(batches.slice(from, from + perBlock))))
      for (let at = 0; at < block.bytes.length;) {
        const view = new RecordBatchView(block.bytes, at, -Infinity, block)
        views.push(view)
        at += view.sizeBytes
      }
    }
    return views
  }
}

/** The broker, whose group members read a little at a time, into such memory where they read into any. */
export function withOverwrittenBlocks(broker: Broker, memory: OverwrittenMemory, maxBytes: number): Broker {
  const readInto = (member: GroupMember) => (options: ReadIntoOptions = {}) => {
    const read: ReadIntoOptions = { ...options, maxBytes, ...(options.memory && { memory }) }
    return member.read(read)
  }
  const joinGroup = async (options: GroupOptions) => {
    const member = await broker.joinGroup(options)
    return withMethods(member, { read: readInto(member) })
  }
  return withMethods(broker, { joinGroup })
}
