/**
 * One partition's log under random appends, transactions, deletions, full disks, failed syncs, kills and power cuts, against the
 * plainest model there is: an array. Everything follows from the seed.
 */
import { expect } from 'vitest'
import type { Isolation } from '../../src/core/broker.ts'
import { isStreamError } from '../../src/core/errors.ts'
import { defaultLogConfig } from '../../src/core/log/log-config.ts'
import { PartitionLog } from '../../src/core/log/partition-log.ts'
import { RecordBatchBuilder } from '../../src/core/log/record-batch-builder.ts'
import { sealBatch } from '../../src/core/log/record-batch.ts'
import type { BatchSeal } from '../../src/core/log/record-batch.ts'
import { visibleBatches } from '../../src/core/log/visible-batches.ts'
import { randomInteger, seededRandom } from '../../src/core/random.ts'
import type { Random } from '../../src/core/random.ts'
import { ManualClock } from '../kit/manual-clock.ts'
import { MemoryFileSystem } from '../kit/memory-file-system.ts'
import type { FileOperation } from '../kit/memory-file-system.ts'

/** What stands at an offset. */
type Entry =
  | { readonly kind: 'record'; readonly value: string; readonly timestamp: number; readonly producerId: number; readonly transactional: boolean }
  | { readonly kind: 'marker'; readonly producerId: number; readonly aborted: boolean }

interface SimulatedProducer {
  readonly id: number
  sequence: number
  readonly transactional: boolean
  /** For a repetition: what was sent last, and where it went. */
  last: { readonly bytes: Uint8Array; readonly baseOffset: number } | null
}

const steps = 80
const startMs = 1_700_000_000_000

export async function simulateLog(seed: number): Promise<void> {
  const simulation = new LogSimulation(seed)
  await simulation.open()
  for (let step = 0; step < steps; step++) await simulation.step()
  await simulation.finish()
}

class LogSimulation {
  readonly #random: Random
  readonly #clock = new ManualClock(startMs)
  readonly #segmentBytes: number
  #disk: MemoryFileSystem
  #log!: PartitionLog
  /** By offset; what was before the log start offset stays, for the offsets. */
  #model: Entry[] = []
  /** Everything before is acknowledged. */
  #acknowledged = 0
  #startAcknowledged = 0
  #startAttempted = 0
  #producers: SimulatedProducer[] = []
  #nextProducerId = 1
  #written = 0
  /** Odds of a fault in each disk operation, and which. */
  #faultRate = 0
  #fault: 'ENOSPC' | 'EIO' = 'ENOSPC'

  constructor(seed: number) {
    this.#random = seededRandom(seed)
    this.#segmentBytes = 300 + randomInteger(this.#random, 3000)
    this.#disk = new MemoryFileSystem(this.#diskOptions())
    this.#newProducers()
  }

  #diskOptions() {
    return { random: this.#random, fault: (operation: FileOperation) => this.#faultFor(operation) }
  }

  /** A failing disk refuses syncs; a full one refuses whatever needs space. Neither refuses to read, cut or delete. */
  #faultFor(operation: FileOperation): 'ENOSPC' | 'EIO' | null {
    const concerns = this.#fault === 'EIO' ? operation === 'sync' : operation === 'write' || operation === 'create'
    return concerns && this.#random.next() < this.#faultRate ? this.#fault : null
  }

  async open(): Promise<void> {
    this.#faultRate = 0
    this.#log = await PartitionLog.open({
      directory: '/data/t-0', name: 't-0', fileSystem: this.#disk, clock: this.#clock, checkpointIntervalBytes: 100 + randomInteger(this.#random, 3000),
      config: { ...defaultLogConfig, segmentBytes: this.#segmentBytes, indexIntervalBytes: randomInteger(this.#random, 400), retentionBytes: 4000 },
    })
    expect(this.#log.failure).toBeNull()
    this.#adoptRecovered()
    this.#checkContent()
  }

  /** Acknowledged ⊆ recovered ⊆ attempted; from now on the model is what was recovered. */
  #adoptRecovered(): void {
    const { logEndOffset, logStartOffset, highWatermark } = this.#log
    expect(logEndOffset).toBeGreaterThanOrEqual(this.#acknowledged)
    expect(logEndOffset).toBeLessThanOrEqual(this.#model.length)
    expect(highWatermark).toBe(logEndOffset)
    expect(logStartOffset).toBeGreaterThanOrEqual(this.#startAcknowledged)
    expect(logStartOffset).toBeLessThanOrEqual(this.#startAttempted)
    this.#model.length = logEndOffset
    this.#acknowledged = logEndOffset
    this.#startAcknowledged = this.#startAttempted = logStartOffset
    const open = this.#openTransactions()
    expect(this.#log.openTransactions().map(({ producerId, firstOffset }) => [producerId, firstOffset])).toEqual([...open])
    for (const producerId of open.keys()) this.#endTransaction(producerId, true)
    this.#newProducers()
  }

  #newProducers(): void {
    this.#producers = Array.from({ length: 3 }, (_, i) => ({ id: this.#nextProducerId++, sequence: 0, transactional: i > 0, last: null }))
  }

  // ---------------------------------------------------------------------------------------------------- steps

  async step(): Promise<void> {
    const dice = randomInteger(this.#random, 100)
    if (dice < 45) this.#append()
    else if (dice < 55) await this.#appendTogether()
    else if (dice < 62) this.#repeat()
    else if (dice < 72) this.#endSomeTransaction()
    else if (dice < 84) await this.#sync()
    else if (dice < 87) this.#checkTimestamps()
    else if (dice < 89) await this.#deleteRecords()
    else if (dice < 90) await this.#applyRetention()
    else if (dice < 93) this.#chooseFault()
    else await this.#restart(dice)
  }

  async finish(): Promise<void> {
    await this.#restart(randomInteger(this.#random, 100))
    await this.#log.close()
    expect(this.#disk.openFiles).toBe(0)
  }

  #append(): void {
    const producer = this.#random.next() < 0.3 ? null : this.#producers[randomInteger(this.#random, this.#producers.length)]!
    const records = Array.from({ length: 1 + randomInteger(this.#random, 4) }, () => this.#record(producer))
    const bytes = this.#batch(records, producer)
    if (!this.#attempt(() => expect(this.#log.append(bytes, this.#random.next() < 0.5 ? 'client' : 'builder').baseOffset).toBe(this.#model.length))) return
    if (producer !== null) {
      producer.last = { bytes: unassigned(bytes), baseOffset: this.#model.length }
      producer.sequence += records.length
    }
    this.#model.push(...records)
  }

  /** Several at once: the first of them keeps the disk busy, so that the others are gathered. */
  async #appendTogether(): Promise<void> {
    const idempotent = this.#producers[0]!
    let { sequence } = idempotent
    const sent = Array.from({ length: 2 + randomInteger(this.#random, 6) }, () => {
      const producer = this.#random.next() < 0.4 ? null : idempotent
      const records = Array.from({ length: 1 + randomInteger(this.#random, 4) }, () => this.#record(producer))
      const bytes = this.#batch(records, producer && { ...producer, sequence })
      if (producer !== null) sequence += records.length
      return { producer, records, bytes, following: sequence }
    })
    const answers = await Promise.allSettled(sent.map(async ({ bytes }) => this.#log.appendDurably(bytes)))
    for (const [i, answer] of answers.entries()) {
      const { producer, records, bytes, following } = sent[i]!
      if (answer.status === 'rejected') {
        // What comes behind a refused batch of its producer is out of order; what was written when a sync failed may be found later.
        if (!isStreamError(answer.reason, 'OUT_OF_ORDER_SEQUENCE')) expect(this.#refused(answer.reason)).toBe(false)
        if (this.#log.failure !== null && this.#model.length < this.#log.logEndOffset) this.#model.push(...records)
        continue
      }
      expect(answer.value.baseOffset).toBe(this.#model.length)
      this.#model.push(...records)
      this.#acknowledged = this.#model.length
      if (producer === null) continue
      producer.last = { bytes: unassigned(bytes), baseOffset: answer.value.baseOffset }
      producer.sequence = following
    }
    expect(this.#log.logEndOffset).toBe(this.#model.length)
  }

  #record(producer: SimulatedProducer | null): Entry & { kind: 'record' } {
    const value = `${this.#written++}${'.'.repeat(randomInteger(this.#random, this.#random.next() < 0.05 ? this.#segmentBytes - 200 : 60))}`
    return { kind: 'record', value, timestamp: startMs + randomInteger(this.#random, 100_000), producerId: producer?.id ?? -1, transactional: producer?.transactional ?? false }
  }

  #batch(records: readonly (Entry & { kind: 'record' })[], producer: SimulatedProducer | null): Uint8Array {
    const builder = new RecordBatchBuilder({ maxBytes: this.#segmentBytes, compression: this.#random.next() < 0.1 ? 'gzip' : 'none' })
    for (const record of records) {
      if (builder.add(null, Buffer.from(record.value), record.timestamp)) continue
      ;(records as unknown[]).length = builder.recordCount
      break
    }
    const { bytes } = builder.build()
    const seal: BatchSeal = producer === null
      ? { producerId: -1, producerEpoch: -1, baseSequence: -1, transactional: false }
      : { producerId: producer.id, producerEpoch: 0, baseSequence: producer.sequence, transactional: producer.transactional }
    sealBatch(bytes, seal)
    return bytes
  }

  /** A producer that saw no answer sends again: the log answers with the first one's offsets and stores nothing. */
  #repeat(): void {
    const producer = this.#producers[randomInteger(this.#random, this.#producers.length)]!
    if (producer.last === null) return
    const { bytes, baseOffset } = producer.last
    this.#attempt(() => expect(this.#log.append(Uint8Array.from(bytes), 'client')).toMatchObject({ baseOffset, duplicate: true }))
  }

  #endSomeTransaction(): void {
    const [producerId] = this.#openTransactions().keys()
    if (producerId !== undefined) this.#endTransaction(producerId, this.#random.next() < 0.5)
  }

  #endTransaction(producerId: number, aborted: boolean): void {
    const marker = { producerId, producerEpoch: 0, coordinatorEpoch: 0, type: aborted ? 'abort' : 'commit', timestamp: startMs } as const
    if (this.#attempt(() => void this.#log.appendMarker(marker))) this.#model.push({ kind: 'marker', producerId, aborted })
  }

  async #sync(): Promise<void> {
    const target = this.#model.length
    const syncing = this.#log.sync()
    // Appends during a sync are not covered by it.
    if (this.#random.next() < 0.5) this.#append()
    if (!(await this.#attemptAsync(() => syncing))) return
    expect(this.#log.highWatermark).toBeGreaterThanOrEqual(target)
    this.#acknowledged = Math.max(this.#acknowledged, target)
    this.#checkContent()
  }

  async #deleteRecords(): Promise<void> {
    const before = this.#log.logStartOffset + randomInteger(this.#random, this.#log.highWatermark - this.#log.logStartOffset + 1)
    this.#startAttempted = Math.max(this.#startAttempted, before)
    const acknowledgedToo = this.#model.length
    if (!(await this.#attemptAsync(async () => void (await this.#log.deleteRecordsBefore(before))))) return
    this.#startAcknowledged = Math.max(this.#startAcknowledged, before)
    if (before > 0 && this.#log.highWatermark === acknowledgedToo) this.#acknowledged = acknowledgedToo
  }

  async #applyRetention(): Promise<void> {
    const before = this.#log.logStartOffset
    const done = await this.#attemptAsync(async () => void (await this.#log.applyRetention()))
    this.#startAttempted = Math.max(this.#startAttempted, this.#log.logStartOffset)
    // It answers for what it moved itself, not for a deletion that failed before.
    if (done && this.#log.logStartOffset > before) this.#startAcknowledged = this.#log.logStartOffset
  }

  #chooseFault(): void {
    this.#faultRate = this.#random.next() < 0.5 ? 0 : this.#random.next() * 0.5
    this.#fault = this.#random.next() < 0.7 ? 'ENOSPC' : 'EIO'
  }

  async #restart(dice: number): Promise<void> {
    if (dice % 3 === 0) {
      await this.#attemptAsync(() => this.#log.close())
      if (this.#log.failure === null && this.#faultRate === 0) this.#acknowledged = this.#model.length
      this.#disk = this.#random.next() < 0.5 ? this.#disk.crash() : this.#disk.kill()
    } else {
      this.#disk = dice % 3 === 1 ? this.#disk.crash() : this.#disk.kill()
    }
    await this.open()
  }

  // ---------------------------------------------------------------------------------------------------- checks

  /** False when the disk refused; any other failure fails the test. */
  #attempt(run: () => void): boolean {
    try {
      run()
      return true
    } catch (error) {
      return this.#refused(error)
    }
  }

  async #attemptAsync(run: () => Promise<void>): Promise<boolean> {
    try {
      await run()
      return true
    } catch (error) {
      return this.#refused(error)
    }
  }

  #refused(error: unknown): boolean {
    if (isStreamError(error, 'STORAGE_FULL') || (isStreamError(error, 'STORAGE_ERROR') && this.#log.failure !== null)) return false
    if (isStreamError(error, 'STORAGE_ERROR') && this.#fault === 'EIO') return false
    throw error
  }

  #openTransactions(): Map<number, number> {
    const open = new Map<number, number>()
    for (const [offset, entry] of this.#model.entries()) {
      if (entry.kind === 'marker') open.delete(entry.producerId)
      else if (entry.transactional && !open.has(entry.producerId)) open.set(entry.producerId, offset)
    }
    return open
  }

  #checkContent(): void {
    const { logStartOffset, highWatermark } = this.#log
    expect(this.#readAll('read-uncommitted')).toEqual(this.#expected(logStartOffset, highWatermark, () => true))
    expect(this.#readAll('read-committed')).toEqual(this.#expected(logStartOffset, this.#log.lastStableOffset, (offset) => this.#isCommitted(offset)))
  }

  #expected(from: number, to: number, isVisible: (offset: number) => boolean): readonly string[] {
    const expected: string[] = []
    for (let offset = from; offset < to; offset++) {
      const entry = this.#model[offset]!
      if (entry.kind === 'record' && isVisible(offset)) expected.push(`${offset}: ${entry.value}`)
    }
    return expected
  }

  #isCommitted(offset: number): boolean {
    const entry = this.#model[offset]!
    if (entry.kind === 'marker' || !entry.transactional) return true
    const end = this.#model.find((later, at) => at > offset && later.kind === 'marker' && later.producerId === entry.producerId)
    return end?.kind === 'marker' && !end.aborted
  }

  #readAll(isolation: Isolation): readonly string[] {
    const seen: string[] = []
    for (let offset = this.#log.logStartOffset; ;) {
      const read = this.#log.read({ offset, maxBytes: randomInteger(this.#random, 1500), isolation })
      for (const batch of visibleBatches(read, isolation)) batch.forEach((record) => seen.push(`${record.offset}: ${Buffer.from(record.value!).toString()}`))
      if (read.nextOffset === offset) return seen
      offset = read.nextOffset
    }
  }

  #checkTimestamps(): void {
    const timestamp = startMs + randomInteger(this.#random, 110_000)
    const { logStartOffset, highWatermark } = this.#log
    const found = this.#model.findIndex((entry, offset) => offset >= logStartOffset && offset < highWatermark && entry.kind === 'record' && entry.timestamp >= timestamp)
    expect(this.#log.offsetForTimestamp(timestamp)?.offset ?? -1).toBe(found)
  }
}

/** The bytes as the producer sent them: with base offset 0. */
function unassigned(bytes: Uint8Array): Uint8Array {
  const sent = Uint8Array.from(bytes)
  sent.fill(0, 0, 8)
  return sent
}
