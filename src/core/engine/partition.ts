import type { Clock, Timer } from '../clock.ts'
import type { AppendResult } from '../log/log-read.ts'
import type { PartitionLog } from '../log/partition-log.ts'
import type { TransactionMarker } from '../log/control-batch.ts'
import type { TopicPartition } from '../record.ts'
import type { Acknowledge } from './engine-api.ts'
import type { FlushPolicy } from './log-config-of.ts'
import { TurnBudget } from './turn-budget.ts'

/** How long records of an open transaction may stay unseen by those who read uncommitted. */
const uncommittedDelayMs = 100
/** Appends that wait for the disk go on that many bytes at a time. */
const bytesPerTurn = 256 * 1024
/** Beyond it a timer of Node fires at once. */
const longestTimerMs = 2 ** 31 - 1

/** A partition's log, and those who wait for news of it. */
export class Partition implements TopicPartition {
  readonly topic: string
  readonly partition: number
  readonly log: PartitionLog
  /** Since the directory was opened. */
  readonly traffic = { recordsIn: 0, bytesIn: 0, bytesOut: 0 }
  /** All that ever became visible, for counting how much news there is. */
  visibleBytes = 0
  /** Counts what everybody waiting has to look at, however little it is: ends of transactions, the end of the partition. */
  turns = 0
  readonly #clock: Clock
  readonly #listeners = new Set<() => void>()
  #later: Timer | null = null
  #laterBytes = 0
  flushPolicy: FlushPolicy
  /** Everything before is durable. */
  #flushedEnd: number
  #flushTimer: Timer | null = null
  readonly #turn = new TurnBudget(bytesPerTurn)

  constructor(target: TopicPartition, log: PartitionLog, options: { readonly clock: Clock; readonly flushPolicy: FlushPolicy }) {
    this.#clock = options.clock
    this.flushPolicy = options.flushPolicy
    this.#flushedEnd = log.logEndOffset
    this.topic = target.topic
    this.partition = target.partition
    this.log = log
  }

  /**
   * Makes what was appended before the call durable, or merely visible, and tells those who wait. `bytes`: how much it was. Calls of
   * one mode end in their order: producers go by that.
   */
  async acknowledge(mode: Acknowledge, bytes: number): Promise<void> {
    const laterBytes = this.#takeLater()
    if (mode === 'durable') await this.#flush()
    else {
      this.log.publishWritten()
      this.#flushByPolicy()
    }
    const turn = this.#show(mode, bytes + laterBytes)
    if (turn !== undefined) await turn
  }

  /** As appending and `acknowledge('durable')` in one, for batches of which many may be under way. @throws as `PartitionLog.appendDurably` */
  append(batch: Uint8Array): Promise<AppendResult> {
    const appending = this.log.appendDurably(batch)
    this.#stopFlushTimer()
    return this.#acknowledgeAppended(appending, batch.length + this.#takeLater())
  }

  async #acknowledgeAppended(appending: Promise<AppendResult>, bytes: number): Promise<AppendResult> {
    const result = await appending
    this.#noteFlushed(result.lastOffset + 1)
    const turn = this.#show('durable', bytes)
    if (turn !== undefined) await turn
    return result
  }

  #takeLater(): number {
    const laterBytes = this.#laterBytes
    this.#laterBytes = 0
    this.#later?.cancel()
    this.#later = null
    return laterBytes
  }

  /** Tells those who wait; undefined, or when whoever appended goes on. */
  #show(mode: Acknowledge, bytes: number): Promise<void> | undefined {
    this.visibleBytes += bytes
    this.announce()
    return mode === 'durable' ? this.#turn.spend(bytes) : undefined
  }

  /** What was only written becomes durable when there is enough of it, or after a while. Nobody waits: a disk that fails then refuses the next append. */
  #flushByPolicy(): void {
    const { records, ms } = this.flushPolicy
    const flush = () => void this.#flush().catch(() => undefined)
    if (this.log.logEndOffset - this.#flushedEnd >= records) flush()
    else if (ms !== Infinity) this.#flushTimer ??= this.#clock.setTimer(Math.min(ms, longestTimerMs), flush)
  }

  async #flush(): Promise<void> {
    this.#stopFlushTimer()
    const end = this.log.logEndOffset
    await this.log.sync()
    this.#noteFlushed(end)
  }

  #stopFlushTimer(): void {
    this.#flushTimer?.cancel()
    this.#flushTimer = null
  }

  #noteFlushed(end: number): void {
    this.#flushedEnd = Math.max(this.#flushedEnd, end)
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
    this.#flushTimer?.cancel()
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
