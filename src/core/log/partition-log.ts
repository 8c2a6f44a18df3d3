import type { Isolation } from '../broker.ts'
import { unhurriedNow } from '../clock.ts'
import type { Clock } from '../clock.ts'
import { StreamError } from '../errors.ts'
import { hasRoom, repeatedResult, resultOf, storedBatch } from './append-decisions.ts'
import type { RunLength } from './append-decisions.ts'
import type { AppendOrigin } from './append-validation.ts'
import { applyBatch } from './apply-batch.ts'
import { encodeMarker } from './control-batch.ts'
import type { TransactionMarker } from './control-batch.ts'
import { DurableEnd } from './durable-end.ts'
import type { LogEnd } from './durable-end.ts'
import type { FileSystem } from './file-system.ts'
import { GatheredAppends } from './gathered-appends.ts'
import { GroupCommit } from './group-commit.ts'
import { closedLog, notDeletable, notOnDisk, outOfRange } from './log-errors.ts'
import { writeLeaderEpochCheckpoint } from './leader-epoch-checkpoint.ts'
import { CheckpointFile } from './log-checkpoint.ts'
import type { LogCheckpoint } from './log-checkpoint.ts'
import type { LogConfig } from './log-config.ts'
import type { AppendResult, LogRead, LogReadRequest } from './log-read.ts'
import { encodeSnapshot, removeSnapshots, writeSnapshot } from './producer-snapshot.ts'
import type { CompletedTransaction, ProducerEntry, ProducerState } from './producer-state.ts'
import { ReadHandles } from './read-handles.ts'
import { patchOffset, RecordBatchView } from './record-batch.ts'
import { closingOnFailure, recoverLog } from './recovery.ts'
import type { RecoveredLog } from './recovery.ts'
import { countExpired, removeSegmentsBefore, retainedSegment } from './retention.ts'
import { RolledSegments } from './rolled-segments.ts'
import type { RolledSegment } from './rolled-segments.ts'
import { SegmentList } from './segment-list.ts'
import { Segment } from './segment.ts'
import type { JournalledLog, UnsyncedBytes } from './sync-journal.ts'
import { findMaxTimestamp, findTimestamp } from './timestamp-search.ts'
import type { TimestampedOffset } from './timestamp-search.ts'

export interface PartitionLogOptions {
  /** Of this partition alone. */
  readonly directory: string
  /** For errors, such as `orders-0`. */
  readonly name: string
  /** Tells a topic from one of the same name that was removed. */
  readonly topicId?: string
  readonly fileSystem: FileSystem
  readonly clock: Clock
  readonly config: LogConfig
  /** Shared among partitions, so that all of them together keep few files open. Default: one of its own. */
  readonly handles?: ReadHandles
  /** After so many appended bytes the log vouches for what it has, so that opening it after a kill looks at no more. Default 64 MiB. */
  readonly checkpointIntervalBytes?: number
  /** Keys that one pass of compaction remembers. Default a million. */
  readonly maxKeys?: number
  /** Called when the high watermark or the last stable offset has moved. */
  readonly onAdvance?: () => void
  /** After each sync that the disk did not fail: how long it took. */
  readonly onSync?: (ms: number) => void
}

const leaderEpoch = 0
const nothingBefore: RunLength = { batches: 0, bytes: 0, offsets: 0 }
const defaultCheckpointIntervalBytes = 64 * 1024 * 1024

/**
 * The log of one partition: segments on disk, the producers' state, and three offsets that only grow:
 * ```
 *   log start offset ≤ last stable offset ≤ high watermark ≤ log end offset
 *                      (first open            (on disk:        (next to be
 *                       transaction)           visible)         assigned)
 * ```
 * Life: `open` recovers; `append` writes into the page cache and assigns offsets; `sync` makes what was appended durable and
 * visible; `close` leaves a mark that makes the next open quick. After a failed sync the log takes nothing more: what the
 * disk holds is not known until it is opened again. One object per directory, used from one thread.
 */
export class PartitionLog implements JournalledLog {
  readonly name: string
  /** Set when the log can only be read: a failed sync, or damage that was found when it was opened. */
  failure: StreamError | null = null
  readonly #options: PartitionLogOptions
  readonly #handles: ReadHandles
  readonly #segments: SegmentList
  readonly #producers: ProducerState
  /** For everything that is done because something is old. */
  readonly #unhurriedNow: () => number
  readonly #commit = new GroupCommit(() => this.#syncDirty())
  readonly #gathered = new GatheredAppends({
    stored: (bytes) => this.#stored(bytes, 'builder'),
    repeated: (batch) => repeatedResult(batch, 'builder', this.#producers),
    fits: (batch, before) => hasRoom(this.#segments.active, batch, before, this.#config, this.#logEndOffset),
    append: (bytes) => this.append(bytes, 'builder'),
    appendRun: (batches) => this.#write(this.#segments.active, batches),
  })
  #config: LogConfig
  #logStartOffset: number
  readonly #checkpointFile: CheckpointFile
  #logEndOffset: number
  #highWatermark: number
  readonly #durable: DurableEnd
  /** Ended by a marker that is not yet on disk: they hold the last stable offset back until it is. */
  #endedTransactions: CompletedTransaction[] = []
  readonly #rolled = new RolledSegments()
  #directoryIsDirty = true
  #bytesSinceCheckpoint = 0
  #maintenance: Promise<unknown> = Promise.resolve()
  /** Everything before was compacted. */
  #cleanedOffset: number
  #isCompacting = false
  #closed = false

  private constructor(options: PartitionLogOptions, handles: ReadHandles, recovered: RecoveredLog) {
    this.name = options.name
    this.#options = options
    this.#handles = handles
    this.#config = options.config
    this.#segments = new SegmentList(recovered.segments)
    this.#producers = recovered.producers
    this.#unhurriedNow = unhurriedNow(options.clock)
    this.#logStartOffset = recovered.logStartOffset
    this.#checkpointFile = new CheckpointFile(options, recovered.checkpoint)
    this.#logEndOffset = this.#highWatermark = recovered.logEndOffset
    this.#durable = new DurableEnd(this.#end)
    this.#cleanedOffset = recovered.cleanedOffset
    this.failure = recovered.damage
  }

  /**
   * Opens or creates. Everything that is in the log afterwards is on disk. A torn write is cut; damage elsewhere leaves the
   * log readable up to it, with `failure` set.
   * @throws STORAGE_CORRUPT when files are missing, STORAGE_ERROR, STORAGE_FULL
   */
  static async open(options: PartitionLogOptions): Promise<PartitionLog> {
    const { fileSystem, directory } = options
    const isNew = fileSystem.stat(directory) === null
    if (isNew) fileSystem.makeDirectory(directory)
    const handles = options.handles ?? new ReadHandles(fileSystem)
    const recovered = await recoverLog({ fileSystem, directory, handles, indexIntervalBytes: options.config.indexIntervalBytes })
    const log = new PartitionLog(options, handles, recovered)
    if (log.failure !== null) return log
    return closingOnFailure(recovered.segments, async () => {
      writeLeaderEpochCheckpoint(fileSystem, directory, recovered.logStartOffset)
      log.#directoryIsDirty = !isNew
      if (isNew) await log.#checkpointFile.begin()
      else if (recovered.scanned) await log.#exclusively(() => log.#checkpoint())
      return log
    })
  }

  get directory(): string { return this.#options.directory }
  get topicId(): string { return this.#options.topicId ?? '' }
  get config(): LogConfig { return this.#config }
  get logStartOffset(): number { return this.#logStartOffset }
  get logEndOffset(): number { return this.#logEndOffset }
  get highWatermark(): number { return this.#highWatermark }
  /** Bytes of all segments. */
  get sizeBytes(): number { return this.#segments.sizeBytes }

  get lastStableOffset(): number {
    const open = this.#producers.firstOpenOffset
    let stable = open < 0 ? this.#highWatermark : Math.min(open, this.#highWatermark)
    for (const { firstOffset } of this.#endedTransactions) if (firstOffset < stable) stable = firstOffset
    return Math.max(stable, this.#logStartOffset)
  }

  /** For appends and rolls from now on. */
  updateConfig(config: LogConfig): void {
    this.#config = config
  }

  openTransactions(): readonly { readonly producerId: number; readonly producerEpoch: number; readonly firstOffset: number }[] {
    return this.#producers.openTransactions()
  }

  /** What is known of each producer, for descriptions. */
  producers(): Iterable<Readonly<ProducerEntry>> { return this.#producers.entries() }

  hasOpenTransaction(producerId: number): boolean { return this.openTransactionOffset(producerId) >= 0 }
  /** Where the producer's open transaction begins here; -1: it has none. */
  openTransactionOffset(producerId: number): number { return this.#producers.get(producerId)?.transactionFirstOffset ?? -1 }

  // ---------------------------------------------------------------------------------------------------- appending

  /**
   * Appends the one batch in `bytes`, which belong to the log from now on (offsets are written into them). Into the page
   * cache only: `sync` makes it durable. What throws has changed nothing.
   * @throws RECORD_TOO_LARGE, INVALID_RECORD, CORRUPT_RECORD, INVALID_TIMESTAMP, UNSUPPORTED_COMPRESSION_TYPE: the batch is bad;
   *   OUT_OF_ORDER_SEQUENCE, INVALID_PRODUCER_EPOCH, INVALID_TXN_STATE: its producer is;
   *   STORAGE_FULL (retriable), STORAGE_ERROR, STORAGE_CORRUPT (`failure` is set), CLOSED
   */
  append(bytes: Uint8Array, origin: AppendOrigin): AppendResult {
    this.#ensureWritable()
    const batch = this.#stored(bytes, origin)
    const before = repeatedResult(batch, origin, this.#producers)
    if (before !== null) return before
    return this.#write(this.#segmentFor(batch), [batch])[0]!
  }

  /**
   * Appends the one batch in `bytes`, made by a builder, and resolves when it is durable. While the disk is busy such batches are gathered
   * and written together. Batches of a producer keep their order among themselves. @throws as `append` and `sync`
   */
  appendDurably(bytes: Uint8Array): Promise<AppendResult> {
    this.#ensureWritable()
    if (!this.#commit.isBusy) {
      const result = this.append(bytes, 'builder')
      return this.sync().then(() => result)
    }
    const append = this.#gathered.add(bytes)
    return this.#commit.commit().then(() => {
      if (append.result === null) throw append.error
      return append.result
    })
  }

  /**
   * Ends the producer's transaction in this partition; without one it only fences older epochs.
   * @throws INVALID_PRODUCER_EPOCH, INVALID_TXN_STATE, and as `append` for the disk
   */
  appendMarker(marker: TransactionMarker): AppendResult {
    this.#ensureWritable()
    this.#producers.checkMarker(marker.producerId, marker.producerEpoch, marker.coordinatorEpoch)
    const batch = new RecordBatchView(encodeMarker(marker))
    return this.#write(this.#segmentFor(batch), [batch])[0]!
  }

  #write(segment: Segment, batches: readonly RecordBatchView[]): readonly AppendResult[] {
    let offset = this.#logEndOffset
    for (const batch of batches) {
      patchOffset(batch.bytes, offset, leaderEpoch)
      offset = batch.nextOffset
    }
    segment.append(batches, this.#config.indexIntervalBytes)
    this.#logEndOffset = offset
    for (const batch of batches) {
      this.#bytesSinceCheckpoint += batch.sizeBytes
      const ended = applyBatch(batch, this.#producers, segment.transactionIndex)
      if (ended !== null) this.#endedTransactions.push(ended)
    }
    return batches.map(resultOf)
  }

  #stored(bytes: Uint8Array, origin: AppendOrigin): RecordBatchView {
    return storedBatch(bytes, origin, this.#config, this.#options.clock.now())
  }

  #segmentFor(batch: RecordBatchView): Segment {
    const { active } = this.#segments
    return hasRoom(active, batch, nothingBefore, this.#config, this.#logEndOffset) ? active : this.#roll()
  }

  #roll(): Segment {
    const { fileSystem, directory } = this.#options
    const segment = this.#segments.active
    const next = Segment.create({ fileSystem, directory, handles: this.#handles, baseOffset: this.#logEndOffset, indexIntervalBytes: this.#config.indexIntervalBytes })
    this.#rolled.add({ segment, nextBaseOffset: this.#logEndOffset, snapshot: encodeSnapshot(this.#producers) })
    this.#segments.push(next)
    this.#directoryIsDirty = true
    return next
  }

  #ensureWritable(): void {
    if (this.#closed) throw closedLog(this.name)
    if (this.failure !== null) throw this.failure
  }

  // ---------------------------------------------------------------------------------------------------- durability

  /**
   * Resolves when everything appended before the call is on disk, and visible: the high watermark has passed it. Calls share
   * disk syncs, so calling it for each append costs little.
   * @throws STORAGE_ERROR when the disk failed: the log takes nothing more, and what it holds is known after the next `open`
   */
  sync(): Promise<void> {
    if (this.failure !== null) return Promise.reject(this.failure)
    if (this.#closed) return Promise.reject(closedLog(this.name))
    return this.#durable.offset === this.#logEndOffset && !this.#directoryIsDirty ? Promise.resolve() : this.#commit.commit()
  }

  /** As `sync`, for what must be on disk in the log's own files; resolves at once when the log is closed. */
  syncFiles(): Promise<void> {
    if (this.failure !== null) return Promise.reject(this.failure)
    const isSynced = this.#durable.syncedOffset === this.#logEndOffset && !this.#directoryIsDirty
    return this.#closed || isSynced ? Promise.resolve() : this.#commit.commit()
  }

  get #end(): LogEnd {
    return { offset: this.#logEndOffset, segment: this.#segments.active, position: this.#segments.active.sizeBytes }
  }

  unsyncedBytes(): UnsyncedBytes | null {
    return this.failure !== null || this.#closed || this.#directoryIsDirty ? null : this.#durable.unsynced(this.#end)
  }

  readUnsynced({ position }: UnsyncedBytes, into: Uint8Array): void {
    this.#segments.active.readAppended(into, position)
  }

  markJournalled(range: UnsyncedBytes): void {
    this.#durable.journalled(range)
    this.#advance(range.endOffset)
  }

  /** Makes everything appended visible without waiting for the disk: a power cut may take back what was read. */
  publishWritten(): void {
    this.#advance(this.#logEndOffset)
  }

  async #syncDirty(): Promise<void> {
    // For those who waited while a sync failed: the next one would answer that all is well.
    if (this.failure !== null) {
      this.#gathered.clear()
      throw this.failure
    }
    this.#gathered.write()
    const target = this.#end
    const rolled = this.#rolled.unsynced()
    const startedAt = this.#options.clock.monotonic()
    try {
      if (rolled.length === 0 && !this.#directoryIsDirty) await this.#segments.active.sync()
      else await this.#syncWithRolled(rolled)
    } catch (error) {
      throw this.#fail(error)
    }
    this.#options.onSync?.(this.#options.clock.monotonic() - startedAt)
    this.#durable.synced(target)
    this.#advance(target.offset)
    if (this.#bytesSinceCheckpoint > (this.#options.checkpointIntervalBytes ?? defaultCheckpointIntervalBytes)) this.#inBackground(() => this.#checkpoint())
    else if (rolled.length > 0) this.#inBackground(() => this.#sealRolled())
  }

  async #syncWithRolled(rolled: readonly RolledSegment[]): Promise<void> {
    const { fileSystem, directory } = this.#options
    this.#directoryIsDirty = false
    await Promise.all([...rolled.map(({ segment }) => segment.sync()), this.#segments.active.sync(), fileSystem.syncDirectory(directory)])
    this.#rolled.noteSynced(rolled)
  }

  #advance(offset: number): void {
    this.#highWatermark = Math.max(this.#highWatermark, offset)
    if (this.#endedTransactions.length > 0) this.#endedTransactions = this.#endedTransactions.filter(({ lastOffset }) => lastOffset >= this.#highWatermark)
    this.#options.onAdvance?.()
  }

  /** What was appended since the last good sync may or may not be on disk; asking again would not tell (the kernel drops the error with the page). */
  #fail(cause: unknown): StreamError {
    this.failure ??= notOnDisk(this.name, { path: this.#options.directory, offset: this.#durable.offset }, cause)
    return this.failure
  }

  /** What cannot be done now (on a full disk) is tried again at the next occasion, at the latest when the log is closed. */
  #inBackground(run: () => Promise<void>): void {
    this.#bytesSinceCheckpoint = 0
    void this.#exclusively(async () => {
      if (!this.#closed) await run()
    }).catch(() => undefined)
  }

  /** Maintenance replaces the same small files, so there is one at a time. */
  #exclusively<T>(run: () => Promise<T>): Promise<T> {
    const result = this.#maintenance.then(run)
    this.#maintenance = result.catch(() => undefined)
    return result
  }

  /** Snapshot and indexes to disk, then the checkpoint that vouches for them, then memory and descriptors back. */
  #sealRolled(): Promise<void> {
    return this.#rolled.seal(async ({ segment, nextBaseOffset, snapshot }) => {
      await writeSnapshot(this.#options, nextBaseOffset, snapshot)
      await segment.flushIndexes({ sync: true })
      await this.#writeCheckpoint({ recoveryOffset: nextBaseOffset, segmentBaseOffset: nextBaseOffset, position: 0, offsetEntries: 0, timeEntries: 0, transactionEntries: 0 })
    })
  }

  /**
   * Vouches for everything appended so far, so that opening the log again reads no batch of it:
   * 1. Note where the log ends and who its producers are; appends may go on meanwhile.
   * 2. Bring the batches to disk, and seal the segments before.
   * 3. Bring snapshot and indexes to disk, then the checkpoint.
   */
  async #checkpoint(): Promise<void> {
    const { active } = this.#segments
    active.markTime()
    const position = { recoveryOffset: this.#logEndOffset, segmentBaseOffset: active.baseOffset, position: active.sizeBytes, ...active.entries }
    const snapshot = encodeSnapshot(this.#producers)
    await this.syncFiles()
    await this.#sealRolled()
    // Rolled meanwhile: once it is sealed it may be compacted, and no position in it holds any more.
    if (active !== this.#segments.active) return this.#checkpoint()
    await writeSnapshot(this.#options, position.recoveryOffset, snapshot)
    await active.flushIndexes({ sync: true })
    await this.#writeCheckpoint(position)
    // Kept are those at the base of a segment and that of the checkpoint.
    const wanted = new Set([position.recoveryOffset, ...Array.from(this.#segments, ({ baseOffset }) => baseOffset)])
    removeSnapshots(this.#options.fileSystem, this.#options.directory, (offset) => !wanted.has(offset))
  }

  async #writeCheckpoint(position: Omit<LogCheckpoint, 'logStartOffset' | 'cleanedOffset'>): Promise<void> {
    await this.#checkpointFile.write({ logStartOffset: this.#logStartOffset, cleanedOffset: this.#cleanedOffset, ...position })
  }

  // ---------------------------------------------------------------------------------------------------- reading

  /**
   * Batches from the one that holds the offset on, up to the high watermark or, read-committed, the last stable offset; none at
   * the end. Verified against their checksums. Ends at a segment's end: the next read goes on.
   * @throws OFFSET_OUT_OF_RANGE before the log start offset or beyond the log end offset, STORAGE_CORRUPT, STORAGE_ERROR, CLOSED
   */
  read(request: LogReadRequest): LogRead {
    const { offset, maxBytes, isolation, memory } = request
    this.#ensureReadable(offset)
    const limitOffset = isolation === 'read-committed' ? this.lastStableOffset : this.#highWatermark
    const { batches, nextOffset } = offset < limitOffset ? this.#segments.read({ offset, limitOffset, maxBytes, memory }) : { batches: [], nextOffset: offset }
    const abortedTransactions = isolation === 'read-committed' && batches.length > 0 ? this.#segments.abortedIn(offset, nextOffset) : []
    return {
      batches, nextOffset, abortedTransactions,
      logStartOffset: this.#logStartOffset, highWatermark: this.#highWatermark, lastStableOffset: this.lastStableOffset,
    }
  }

  #ensureReadable(offset: number): void {
    if (this.#closed) throw closedLog(this.name)
    if (offset >= this.#logEndOffset && this.failure?.code === 'STORAGE_CORRUPT') throw this.failure
    if (offset >= this.#logStartOffset && offset <= this.#logEndOffset) return
    throw outOfRange(this.name, { offset, logStartOffset: this.#logStartOffset, logEndOffset: this.#logEndOffset })
  }

  /** The first record, in the order of offsets, with at least this timestamp; null when none is that young. @throws STORAGE_CORRUPT, CLOSED */
  offsetForTimestamp(timestamp: number, isolation: Isolation = 'read-uncommitted'): TimestampedOffset | null {
    this.#ensureReadable(this.#logStartOffset)
    const limitOffset = isolation === 'read-committed' ? this.lastStableOffset : this.#highWatermark
    return findTimestamp({ segments: this.#segments, timestamp, fromOffset: this.#logStartOffset, limitOffset })
  }

  /** The first record with the largest timestamp; timestamp -1 in a log without any; null in an empty one. @throws STORAGE_CORRUPT, CLOSED */
  maxTimestamp(): TimestampedOffset | null {
    this.#ensureReadable(this.#logStartOffset)
    return findMaxTimestamp(this.#segments, this.#highWatermark)
  }

  // ---------------------------------------------------------------------------------------------------- deleting

  /**
   * Moves the log start offset forward (never back), durably, and deletes the segments that are wholly before it; -1 means the
   * high watermark. Resolves to the log start offset. @throws OFFSET_OUT_OF_RANGE beyond the high watermark
   */
  async deleteRecordsBefore(offset: number): Promise<number> {
    this.#ensureWritable()
    const target = offset === -1 ? this.#highWatermark : offset
    if (target > this.#highWatermark || target < 0) throw notDeletable(this.name, { offset, highWatermark: this.#highWatermark })
    // An earlier move that could not be brought to disk is not answered as done.
    if (target <= this.#checkpointFile.logStartOffset) return this.#logStartOffset
    this.#logStartOffset = Math.max(this.#logStartOffset, target)
    await this.#exclusively(async () => {
      await this.#checkpoint()
      await removeSegmentsBefore(this.#logStartOffset, this.#segments, this.#options)
    })
    return this.#logStartOffset
  }

  /**
   * Deletes the segments that the topic's retention lets go; when that is all of them, the active one is rolled first. One pass of
   * the engine's background work; appends and reads go on. Resolves to the number of segments deleted.
   * @throws STORAGE_CORRUPT when a segment cannot tell its age
   */
  async applyRetention(): Promise<number> {
    this.#ensureWritable()
    const count = countExpired({
      segments: Array.from(this.#segments, (segment) => retainedSegment(segment, this.#options.fileSystem, this.#logEndOffset)), config: this.#config, nowMs: this.#unhurriedNow(),
      logStartOffset: this.#logStartOffset, highWatermark: this.#highWatermark,
    })
    if (count === 0) return 0
    const removed = this.#segments.at(count - 1)
    const isAll = count === this.#segments.count
    if (isAll && removed.sizeBytes === 0) return this.#removeUpTo(removed.baseOffset, count - 1)
    if (isAll) this.#roll()
    // Before the wait: meanwhile a deletion may take segments away, and compaction make one of several.
    const { endOffset } = removed
    await this.syncFiles()
    return this.#removeUpTo(endOffset, count)
  }

  async #removeUpTo(logStartOffset: number, count: number): Promise<number> {
    this.#logStartOffset = Math.max(this.#logStartOffset, logStartOffset)
    await this.#exclusively(async () => {
      // Removed meanwhile, its directory may be that of the next topic of its name.
      this.#ensureWritable()
      await this.#sealRolled()
      await removeSegmentsBefore(this.#logStartOffset, this.#segments, this.#options)
    })
    return count
  }

  /** Forgets idempotent producers that appended nothing for so long (Kafka: producer.id.expiration.ms, 1 day); one in a transaction never. Returns how many. */
  expireProducers(idleMs: number): number {
    return this.#producers.expireBefore(this.#unhurriedNow() - idleMs)
  }

  /**
   * One pass of compaction (see `Compaction`), when enough is new: keeps the last record of each key and deletes older ones, of
   * sealed segments before the last stable offset. Appends and reads go on between its steps; a crash leaves old or new segments.
   * `pause` lets others work. Resolves to the bytes saved; 0 when there was nothing to do, or when one runs already.
   * @throws STORAGE_FULL, STORAGE_ERROR, STORAGE_CORRUPT: the log is as it was; CLOSED when it was closed meanwhile
   */
  async compact(pause: () => Promise<void>): Promise<number> {
    const { compactSegments } = await import('./compact-segments.ts')
    this.#ensureWritable()
    if (this.#isCompacting) return 0
    this.#isCompacting = true
    const sizeBefore = this.sizeBytes
    try {
      this.#cleanedOffset = await compactSegments({
        ...this.#options, handles: this.#handles, config: this.#config, nowMs: this.#unhurriedNow(), segments: this.#segments,
        dirtyFrom: this.#cleanedOffset, lastStableOffset: this.lastStableOffset, producers: this.#producers, exclusively: (run) => this.#exclusively(() => (this.#closed ? Promise.reject(closedLog(this.name)) : run())),
        pause: async () => {
          await pause()
          this.#ensureWritable()
        },
      })
      return sizeBefore - this.sizeBytes
    } finally {
      this.#isCompacting = false
    }
  }

  // ---------------------------------------------------------------------------------------------------- the end

  /** Makes everything durable and leaves the mark of a clean close; after a failure it only gives the files back. Safe to call twice. */
  async close(): Promise<void> {
    if (this.#closed) return
    try {
      if (this.failure === null) {
        this.#gathered.write()
        const isVouchedFor = () => this.#checkpointFile.vouchesFor(this, this.#cleanedOffset, this.#segments.active.baseOffset)
        await this.#exclusively(() => (isVouchedFor() ? Promise.resolve() : this.#checkpoint()))
      }
    } finally {
      this.#closed = true
      await this.#commit.idle()
      // Whoever opens the directory next must not find its files being replaced.
      await this.#maintenance
      for (const segment of this.#segments) segment.close()
    }
  }

  /** Closes without bringing anything to disk, and deletes the directory. */
  async remove(): Promise<void> {
    this.#closed = true
    await this.#commit.idle()
    await this.#maintenance
    for (const segment of this.#segments) segment.close()
    this.#options.fileSystem.removeDirectory(this.#options.directory)
  }
}
