import type { Clock, Timer } from '../clock.ts'
import type { PartitionLog } from '../log/partition-log.ts'
import type { TransactionMarker } from '../log/control-batch.ts'
import type { TopicPartition } from '../record.ts'
import type { Acknowledge } from './engine-api.ts'

/** How long records of an open transaction may stay unseen by those who read uncommitted. */
const uncommittedDelayMs = 100

/** A partition's log, and those who wait for news of it. */
export class Partition implements TopicPartition {
  readonly topic: string
  readonly partition: number
  readonly log: PartitionLog
  /** All that ever became visible, for counting how much news there is. */
  visibleBytes = 0
  /** Counts what everybody waiting has to look at, however little it is: ends of transactions, the end of the partition. */
  turns = 0
  readonly #clock: Clock
  readonly #listeners = new Set<() => void>()
  #later: Timer | null = null
  #laterBytes = 0

  constructor(target: TopicPartition, log: PartitionLog, clock: Clock) {
    this.#clock = clock
    this.topic = target.topic
    this.partition = target.partition
    this.log = log
  }

  /** Makes what was appended before the call durable, or merely visible, and tells those who wait. `bytes`: how much it was. */
  async acknowledge(mode: Acknowledge, bytes: number): Promise<void> {
    const laterBytes = this.#laterBytes
    this.#laterBytes = 0
    this.#later?.cancel()
    this.#later = null
    if (mode === 'durable') await this.log.sync()
    else this.log.publishWritten()
    this.visibleBytes += bytes + laterBytes
    this.announce()
  }

  /**
   * For records of an open transaction: its end makes them durable, so nobody waits for a sync now. Those who read
   * uncommitted records see them before long all the same.
   */
  acknowledgeLater(bytes: number): void {
    this.#laterBytes += bytes
    this.#later ??= this.#clock.setTimer(uncommittedDelayMs, () => {
      this.#later = null
      this.acknowledge('durable', 0).catch(() => undefined)
    })
  }

  /** Ends a producer's transaction here, unless it has none open (any more). Followed by `acknowledge`. */
  appendMarker(marker: TransactionMarker): void {
    if (!this.log.hasOpenTransaction(marker.producerId)) return
    this.log.appendMarker(marker)
    this.turns++
  }

  /** The partition is removed or closed: who waits for it shall find that out now. */
  announceEnd(): void {
    this.#later?.cancel()
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
