import type { PartitionLog } from '../log/partition-log.ts'
import type { TransactionMarker } from '../log/control-batch.ts'
import type { TopicPartition } from '../record.ts'
import type { Acknowledge } from './engine-api.ts'

/** A partition's log, and those who wait for news of it. */
export class Partition implements TopicPartition {
  readonly topic: string
  readonly partition: number
  readonly log: PartitionLog
  /** All that ever became visible, for counting how much news there is. */
  visibleBytes = 0
  /** Counts what everybody waiting has to look at, however little it is: ends of transactions, the end of the partition. */
  turns = 0
  readonly #listeners = new Set<() => void>()

  constructor(target: TopicPartition, log: PartitionLog) {
    this.topic = target.topic
    this.partition = target.partition
    this.log = log
  }

  /** Makes what was appended before the call durable, or merely visible, and tells those who wait. `bytes`: how much it was. */
  async acknowledge(mode: Acknowledge, bytes: number): Promise<void> {
    if (mode === 'durable') await this.log.sync()
    else this.log.publishWritten()
    this.visibleBytes += bytes
    this.announce()
  }

  /** Ends a producer's transaction here, unless it has none open (any more). Followed by `acknowledge`. */
  appendMarker(marker: TransactionMarker): void {
    if (!this.log.hasOpenTransaction(marker.producerId)) return
    this.log.appendMarker(marker)
    this.turns++
  }

  /** The partition is removed or closed: who waits for it shall find that out now. */
  announceEnd(): void {
    this.turns++
    this.announce()
  }

  onNews(listener: () => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  announce(): void {
    for (const listener of this.#listeners) listener()
  }
}
