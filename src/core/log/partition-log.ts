import { dirname, join } from 'node:path'
import type { Isolation } from '../broker.ts'
import { unhurriedNow } from '../clock.ts'
import type { Clock } from '../clock.ts'
import { StreamError } from '../errors.ts'
import type { AppendOrigin } from './append-validation.ts'
import { singleBatch, validateBatch } from './append-validation.ts'
import { applyBatch } from './apply-batch.ts'
import { encodeMarker } from './control-batch.ts'
import type { TransactionMarker } from './control-batch.ts'
import { DurableEnd } from './durable-end.ts'
import type { LogEnd } from './durable-end.ts'
import { segmentFileName } from './file-names.ts'
import { replaceFile } from './file-system.ts'
import type { FileSystem } from './file-system.ts'
import { GroupCommit } from './group-commit.ts'
import { notOnDisk, outOfRange } from './log-errors.ts'
import { writeLeaderEpochCheckpoint } from './leader-epoch-checkpoint.ts'
import { writeCheckpoint } from './log-checkpoint.ts'
import type { LogCheckpoint } from './log-checkpoint.ts'
import type { LogConfig } from './log-config.ts'
import type { AppendResult, LogRead, LogReadRequest } from './log-read.ts'
import { encodeSnapshot, removeSnapshots } from './producer-snapshot.ts'
import type { CompletedTransaction, ProducerEntry, ProducerState } from './producer-state.ts'
import { ReadHandles } from './read-handles.ts'
import { patchOffset, RecordBatchView } from './record-batch.ts'
import { recompressed } from './recompress.ts'
import { recoverLog } from './recovery.ts'
import type { RecoveredLog } from './recovery.ts'
import { countExpired } from './retention.ts'
import type { RetainedSegment } from './retention.ts'
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
  /** Called when the high watermark or the last stable offset has moved. */
  readonly onAdvance?: () => void
  /** After each sync that the disk did not fail: how long it took. */
  readonly onSync?: (ms: number) => void
}

interface RolledSegment {
  readonly segment: Segment
  readonly nextBaseOffset: number
  /** The producers as they were at the roll. */
  readonly snapshot: Uint8Array
  isDurable: boolean
}

const leaderEpoch = 0
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
  #config: LogConfig
  #logStartOffset: number
  /** As the checkpoint on disk has it. */
  #durableLogStart: number
  #logEndOffset: number
  #highWatermark: number
  readonly #durable: DurableEnd
  /** Ended by a marker that is not yet on disk: they hold the last stable offset back until it is. */
  #endedTransactions: CompletedTransaction[] = []
  /** In order: rolled and not yet sealed. */
  readonly #rolled: RolledSegment[] = []
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
    this.#logStartOffset = this.#durableLogStart = recovered.logStartOffset
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
    if (fileSystem.stat(directory) === null) {
      fileSystem.makeDirectory(directory)
      await fileSystem.syncDirectory(dirname(directory))
    }
    const handles = options.handles ?? new ReadHandles(fileSystem)
    const recovered = await recoverLog({ fileSystem, directory, handles, indexIntervalBytes: options.config.indexIntervalBytes })
    const log = new PartitionLog(options, handles, recovered)
    if (log.failure !== null) return log
    writeLeaderEpochCheckpoint(fileSystem, directory, recovered.logStartOffset)
    if (recovered.scanned) await log.#exclusively(() => log.#checkpoint())
    return log
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

  hasOpenTransaction(producerId: number): boolean {
    return (this.#producers.get(producerId)?.transactionFirstOffset ?? -1) >= 0
  }

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
    const sent = origin === 'client' ? singleBatch(bytes) : new RecordBatchView(bytes)
    validateBatch(sent, origin, this.#config, this.#options.clock.now())
    const batch = origin === 'coordinator' ? sent : recompressed(sent, this.#config)
    if (batch.producerId >= 0) {
      const sequenced = origin !== 'coordinator'
      const original = sequenced ? this.#producers.findDuplicate(batch) : null
      if (original !== null) return { baseOffset: original.lastOffset - original.offsetDelta, lastOffset: original.lastOffset, logAppendTime: original.timestamp, duplicate: true }
      this.#producers.check(batch, sequenced)
    }
    this.#write(batch)
    return { baseOffset: batch.baseOffset, lastOffset: batch.lastOffset, logAppendTime: batch.isLogAppendTime ? batch.maxTimestamp : -1, duplicate: false }
  }

  /**
   * Ends the producer's transaction in this partition; without one it only fences older epochs.
   * @throws INVALID_PRODUCER_EPOCH, INVALID_TXN_STATE, and as `append` for the disk
   */
  appendMarker(marker: TransactionMarker): AppendResult {
    this.#ensureWritable()
    this.#producers.checkMarker(marker.producerId, marker.producerEpoch, marker.coordinatorEpoch)
    const batch = new RecordBatchView(encodeMarker(marker))
    this.#write(batch)
    return { baseOffset: batch.baseOffset, lastOffset: batch.lastOffset, logAppendTime: -1, duplicate: false }
  }

  #write(batch: RecordBatchView): void {
    const segment = this.#segmentFor(batch)
    patchOffset(batch.bytes, this.#logEndOffset, leaderEpoch)
    segment.append(batch, this.#config.indexIntervalBytes)
    this.#logEndOffset = batch.nextOffset
    this.#bytesSinceCheckpoint += batch.sizeBytes
    const ended = applyBatch(batch, this.#producers, segment.transactionIndex)
    if (ended !== null) this.#endedTransactions.push(ended)
  }

  #segmentFor(batch: RecordBatchView): Segment {
    const active = this.#segments.active
    if (active.sizeBytes === 0) return active
    const { segmentBytes, segmentMs, segmentIndexBytes, maxCompactionLagMs, cleanup } = this.#config
    const isFull = active.sizeBytes + batch.sizeBytes > segmentBytes || active.hasFullIndex(segmentIndexBytes) || !active.canHold(batch.sizeBytes, this.#logEndOffset + batch.lastOffsetDelta)
    const maxAgeMs = cleanup.compact ? Math.min(segmentMs, maxCompactionLagMs) : segmentMs
    const { firstTimestamp } = active
    const isOld = firstTimestamp !== null && batch.maxTimestamp - firstTimestamp > maxAgeMs
    return isFull || isOld ? this.#roll() : active
  }

  #roll(): Segment {
    const { fileSystem, directory } = this.#options
    const segment = this.#segments.active
    const next = Segment.create({ fileSystem, directory, handles: this.#handles, baseOffset: this.#logEndOffset, indexIntervalBytes: this.#config.indexIntervalBytes })
    this.#rolled.push({ segment, nextBaseOffset: this.#logEndOffset, snapshot: encodeSnapshot(this.#producers), isDurable: false })
    this.#segments.push(next)
    this.#directoryIsDirty = true
    return next
  }

  #ensureWritable(): void {
    if (this.#closed) throw new StreamError('CLOSED', `the log of ${this.name} is closed`)
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
    if (this.#closed) return Promise.reject(new StreamError('CLOSED', `the log of ${this.name} is closed`))
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
    if (this.failure !== null) throw this.failure
    const target = this.#end
    const rolled = this.#rolled.filter(({ isDurable }) => !isDurable)
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
    for (const entry of rolled) entry.isDurable = true
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
    void this.#exclusively(run).catch(() => undefined)
  }

  /** Maintenance replaces the same small files, so there is one at a time. */
  #exclusively<T>(run: () => Promise<T>): Promise<T> {
    const result = this.#maintenance.then(run)
    this.#maintenance = result.catch(() => undefined)
    return result
  }

  /** Snapshot and indexes to disk, then the checkpoint that vouches for them, then memory and descriptors back. */
  async #sealRolled(): Promise<void> {
    for (let entry; (entry = this.#rolled[0])?.isDurable; this.#rolled.shift()) {
      const { segment, nextBaseOffset, snapshot } = entry
      await this.#writeSnapshot(nextBaseOffset, snapshot)
      await segment.flushIndexes({ sync: true })
      await this.#writeCheckpoint({ recoveryOffset: nextBaseOffset, segmentBaseOffset: nextBaseOffset, position: 0, offsetEntries: 0, timeEntries: 0, transactionEntries: 0 })
      segment.seal()
    }
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
    await this.#writeSnapshot(position.recoveryOffset, snapshot)
    await active.flushIndexes({ sync: true })
    await this.#writeCheckpoint(position)
    // Kept are those at the base of a segment and that of the checkpoint.
    const wanted = new Set([position.recoveryOffset, ...Array.from(this.#segments, ({ baseOffset }) => baseOffset)])
    removeSnapshots(this.#options.fileSystem, this.#options.directory, (offset) => !wanted.has(offset))
  }

  #writeSnapshot(offset: number, snapshot: Uint8Array): Promise<void> {
    return replaceFile(this.#options.fileSystem, join(this.#options.directory, segmentFileName(offset, 'snapshot')), snapshot)
  }

  async #writeCheckpoint(position: Omit<LogCheckpoint, 'logStartOffset' | 'cleanedOffset'>): Promise<void> {
    const logStartOffset = this.#logStartOffset
    await writeCheckpoint(this.#options.fileSystem, this.#options.directory, { logStartOffset, cleanedOffset: this.#cleanedOffset, ...position })
    this.#durableLogStart = logStartOffset
  }

  // ---------------------------------------------------------------------------------------------------- reading

  /**
   * Batches from the one that holds the offset on, up to the high watermark or, read-committed, the last stable offset; none at
   * the end. Verified against their checksums. Ends at a segment's end: the next read goes on.
   * @throws OFFSET_OUT_OF_RANGE before the log start offset or beyond the log end offset, STORAGE_CORRUPT, STORAGE_ERROR, CLOSED
   */
  read(request: LogReadRequest): LogRead {
    const { offset, maxBytes, isolation } = request
    this.#ensureReadable(offset)
    const limitOffset = isolation === 'read-committed' ? this.lastStableOffset : this.#highWatermark
    const { batches, nextOffset } = offset < limitOffset ? this.#segments.read({ offset, limitOffset, maxBytes }) : { batches: [], nextOffset: offset }
    const abortedTransactions = isolation === 'read-committed' && batches.length > 0 ? this.#segments.abortedIn(offset, nextOffset) : []
    return {
      batches, nextOffset, abortedTransactions,
      logStartOffset: this.#logStartOffset, highWatermark: this.#highWatermark, lastStableOffset: this.lastStableOffset,
    }
  }

  #ensureReadable(offset: number): void {
    if (this.#closed) throw new StreamError('CLOSED', `the log of ${this.name} is closed`)
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
    if (target > this.#highWatermark || target < 0) {
      throw new StreamError('OFFSET_OUT_OF_RANGE', `${this.name}: records can be deleted up to the high watermark ${this.#highWatermark}, not up to ${offset}`, { details: { offset } })
    }
    // An earlier move that could not be brought to disk is not answered as done.
    if (target <= this.#durableLogStart) return this.#logStartOffset
    this.#logStartOffset = Math.max(this.#logStartOffset, target)
    await this.#exclusively(async () => {
      await this.#checkpoint()
      await this.#removeOldSegments()
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
      segments: Array.from(this.#segments, (segment) => this.#retained(segment)), config: this.#config, nowMs: this.#unhurriedNow(),
      logStartOffset: this.#logStartOffset, highWatermark: this.#highWatermark,
    })
    if (count === 0) return 0
    const removed = this.#segments.at(count - 1)
    const isAll = count === this.#segments.count
    if (isAll && removed.sizeBytes === 0) return this.#removeUpTo(removed.baseOffset, count - 1)
    if (isAll) this.#roll()
    await this.syncFiles()
    return this.#removeUpTo(this.#segments.at(count).baseOffset, count)
  }

  async #removeUpTo(logStartOffset: number, count: number): Promise<number> {
    this.#logStartOffset = Math.max(this.#logStartOffset, logStartOffset)
    await this.#exclusively(async () => {
      await this.#sealRolled()
      await this.#removeOldSegments()
    })
    return count
  }

  #retained(segment: Segment): RetainedSegment {
    segment.ensureTimeIndex()
    const maxTimestamp = segment.maxTimestamp >= 0 ? segment.maxTimestamp : this.#options.fileSystem.stat(segment.path)?.modifiedMs ?? Infinity
    return { sizeBytes: segment.sizeBytes, maxTimestamp, endOffset: Math.min(segment.endOffset, this.#logEndOffset) }
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
        fileSystem: this.#options.fileSystem, directory: this.#options.directory, handles: this.#handles, config: this.#config,
        nowMs: this.#unhurriedNow(), segments: this.#segments, dirtyFrom: this.#cleanedOffset, lastStableOffset: this.lastStableOffset,
        producers: this.#producers, exclusively: (run) => this.#exclusively(run),
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

  async #removeOldSegments(): Promise<void> {
    const { fileSystem, directory } = this.#options
    for (const segment of this.#segments.takeBefore(this.#logStartOffset)) {
      segment.remove()
      fileSystem.remove(join(directory, segmentFileName(segment.baseOffset, 'snapshot')))
    }
    writeLeaderEpochCheckpoint(fileSystem, directory, this.#logStartOffset)
    await fileSystem.syncDirectory(directory)
  }

  // ---------------------------------------------------------------------------------------------------- the end

  /** Makes everything durable and leaves the mark of a clean close; after a failure it only gives the files back. Safe to call twice. */
  async close(): Promise<void> {
    if (this.#closed) return
    try {
      if (this.failure === null) await this.#exclusively(() => this.#checkpoint())
    } finally {
      this.#closed = true
      await this.#commit.idle()
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
