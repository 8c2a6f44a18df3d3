import type { Broker, Reader } from '../../core/index.ts'
import { StreamError } from '../../core/index.ts'
import type { SourceOffset, SourcePartition } from '../connect-record.ts'
import { decodeOffsetKey, decodeOffsetValue } from './offset-codec.ts'
import { partitionIdentity } from './submitted-offsets.ts'

export interface OffsetReaderOptions {
  readonly broker: Broker
  readonly topic: string
  readonly connector: string
  readonly signal: AbortSignal
}

/**
 * Committed source offsets of one connector, read from the offsets topic up to its end at the time of asking. What was read
 * before is kept, so that asking again costs only what is new. Offsets of transactions that did not commit are not seen.
 */
export class OffsetReader {
  readonly #options: OffsetReaderOptions
  readonly #offsets = new Map<string, readonly [SourcePartition, SourceOffset]>()
  #reader: Promise<Reader> | undefined
  #isClosed = false

  constructor(options: OffsetReaderOptions) {
    this.#options = options
  }

  /** In the order asked. @throws UNKNOWN_TOPIC_OR_PARTITION when the offsets topic is missing */
  async offsets(partitions: readonly SourcePartition[]): Promise<readonly (SourceOffset | undefined)[]> {
    await this.#readToEnd()
    return partitions.map((partition) => this.#offsets.get(partitionIdentity(partition))?.[1])
  }

  /** Every source partition that has an offset. */
  async all(): Promise<readonly (readonly [SourcePartition, SourceOffset])[]> {
    await this.#readToEnd()
    return [...this.#offsets.values()]
  }

  /** Also while somebody reads: a task that is left behind may be just about to. */
  async close(): Promise<void> {
    this.#isClosed = true
    const reader = await this.#reader?.catch(() => undefined)
    await reader?.close()
  }

  async #readToEnd(): Promise<void> {
    const { broker, topic, signal } = this.#options
    const reader = await this.#opened()
    const positions = reader.positions()
    // the high watermark, not the last stable offset: just after a commit its markers may not be in the partitions yet, and a
    // read-committed read waits for them
    const ends = await broker.topics.listOffsets(positions.map(({ partition }) => ({ topic, partition, at: 'latest' })), { isolation: 'read-uncommitted' })
    const isBehind = () => reader.positions().some(({ partition, offset }) => offset < ends.find((end) => end.partition === partition)!.offset)
    while (isBehind() && !signal.aborted) {
      const { partitions } = await reader.read({ isolation: 'read-committed', maxWaitMs: 500, signal })
      for (const { batches } of partitions) for (const batch of batches) batch.forEach((record) => this.#apply(record.key, record.value))
    }
  }

  #opened(): Promise<Reader> {
    if (this.#isClosed) throw new StreamError('CLOSED', `the reader of the offsets of ${this.#options.connector} is closed`)
    this.#reader ??= this.#open().catch((error: unknown) => {
      this.#reader = undefined
      throw error
    })
    return this.#reader
  }

  async #open(): Promise<Reader> {
    const { broker, topic } = this.#options
    const [description] = await broker.topics.describe([topic])
    const reader = await broker.openReader({ clientId: `connect-offsets-${this.#options.connector}` })
    reader.assign(description!.partitions.map(({ partition, logStartOffset }) => ({ topic, partition, offset: logStartOffset })))
    return reader
  }

  #apply(keyBytes: Uint8Array | null, valueBytes: Uint8Array | null): void {
    const key = decodeOffsetKey(keyBytes)
    const value = decodeOffsetValue(valueBytes)
    if (key?.connector !== this.#options.connector || value === undefined) return
    const identity = partitionIdentity(key.partition)
    if (value === null) this.#offsets.delete(identity)
    else this.#offsets.set(identity, [key.partition, value])
  }
}
