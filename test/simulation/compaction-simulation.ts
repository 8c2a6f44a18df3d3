/**
 * A compacted partition under random keyed appends, transactions, compactions, kills, power cuts and full disks. Whatever
 * compaction did, a reader that keeps the last value per key must end up with what the model says, and every record that is
 * left must stand where it was appended.
 */
import { expect } from 'vitest'
import { isStreamError } from '../../src/core/errors.ts'
import { defaultLogConfig } from '../../src/core/log/log-config.ts'
import { PartitionLog } from '../../src/core/log/partition-log.ts'
import { RecordBatchBuilder } from '../../src/core/log/record-batch-builder.ts'
import { sealBatch } from '../../src/core/log/record-batch.ts'
import { visibleBatches } from '../../src/core/log/visible-batches.ts'
import { randomInteger, seededRandom } from '../../src/core/random.ts'
import type { Random } from '../../src/core/random.ts'
import { ManualClock } from '../kit/manual-clock.ts'
import { MemoryFileSystem } from '../kit/memory-file-system.ts'
import type { FileOperation } from '../kit/memory-file-system.ts'

interface Entry {
  readonly key: string
  /** null: a tombstone. */
  readonly value: string | null
  readonly producerId: number
}

type Slot = Entry | { readonly marker: 'commit' | 'abort'; readonly producerId: number }

const startMs = 1_700_000_000_000
const deleteRetentionMs = 1000
const steps = 70

/** Answers the bytes that its compactions saved: a run that saved none has shown nothing. */
export async function simulateCompaction(seed: number): Promise<number> {
  const simulation = new CompactionSimulation(seed)
  await simulation.open()
  for (let step = 0; step < steps; step++) await simulation.step()
  await simulation.finish()
  return simulation.savedBytes
}

class CompactionSimulation {
  readonly #random: Random
  readonly #clock = new ManualClock(startMs)
  #disk: MemoryFileSystem
  #log!: PartitionLog
  #model: Slot[] = []
  #acknowledged = 0
  #faultRate = 0
  #producerId = 1
  #sequence = 0
  #written = 0
  savedBytes = 0

  constructor(seed: number) {
    this.#random = seededRandom(seed)
    this.#disk = new MemoryFileSystem({
      random: this.#random,
      fault: (operation: FileOperation) => (operation === 'write' || operation === 'create') && this.#random.next() < this.#faultRate ? 'ENOSPC' : null,
    })
  }

  async open(): Promise<void> {
    this.#faultRate = 0
    this.#log = await PartitionLog.open({
      directory: '/data/t-0', name: 't-0', fileSystem: this.#disk, clock: this.#clock, checkpointIntervalBytes: 100 + randomInteger(this.#random, 3000),
      config: { ...defaultLogConfig, segmentBytes: 600, indexIntervalBytes: 100, minCleanableRatio: 0, deleteRetentionMs, cleanup: { delete: false, compact: true } },
    })
    expect(this.#log.failure).toBeNull()
    expect(this.#log.logEndOffset).toBeGreaterThanOrEqual(this.#acknowledged)
    expect(this.#log.logEndOffset).toBeLessThanOrEqual(this.#model.length)
    this.#model.length = this.#acknowledged = this.#log.logEndOffset
    for (const { producerId } of this.#log.openTransactions()) this.#endTransaction(producerId, 'abort')
    this.#newProducer()
    this.#check()
  }

  #newProducer(): void {
    this.#producerId++
    this.#sequence = 0
  }

  async step(): Promise<void> {
    const dice = randomInteger(this.#random, 100)
    if (dice < 60) this.#append(dice < 20)
    else if (dice < 68) this.#endTransaction(this.#producerId, this.#random.next() < 0.5 ? 'commit' : 'abort')
    else if (dice < 80) await this.#sync()
    else if (dice < 90) await this.#compact()
    else if (dice < 93) await this.#clock.advance(randomInteger(this.#random, 1500))
    else if (dice < 96) this.#faultRate = this.#random.next() < 0.5 ? 0 : 0.2
    else await this.#restart()
  }

  async finish(): Promise<void> {
    await this.#restart()
    await this.#compact()
    await this.#log.close()
    expect(this.#disk.openFiles).toBe(0)
  }

  #append(transactional: boolean): void {
    const entries = Array.from({ length: 1 + randomInteger(this.#random, 3) }, () => ({
      key: `key-${randomInteger(this.#random, 6)}`, value: this.#random.next() < 0.2 ? null : `${this.#written++}`.padEnd(randomInteger(this.#random, 40), '.'),
      producerId: transactional ? this.#producerId : -1,
    }))
    const builder = new RecordBatchBuilder({ maxBytes: 500, compression: this.#random.next() < 0.2 ? 'gzip' : 'none' })
    for (const { key, value } of entries) builder.add(Buffer.from(key), value === null ? null : Buffer.from(value), startMs + this.#written)
    const { bytes } = builder.build()
    sealBatch(bytes, transactional ? { producerId: this.#producerId, producerEpoch: 0, baseSequence: this.#sequence, transactional } : { producerId: -1, producerEpoch: -1, baseSequence: -1, transactional })
    if (!this.#attempt(() => void this.#log.append(bytes, 'client'))) return
    if (transactional) this.#sequence += entries.length
    this.#model.push(...entries)
  }

  #endTransaction(producerId: number, type: 'commit' | 'abort'): void {
    if (!this.#log.hasOpenTransaction(producerId)) return
    const appended = this.#attempt(() => void this.#log.appendMarker({ producerId, producerEpoch: 0, coordinatorEpoch: 0, type, timestamp: this.#clock.now() }))
    if (appended) this.#model.push({ marker: type, producerId })
  }

  async #sync(): Promise<void> {
    const target = this.#model.length
    if (!await this.#attemptAsync(() => this.#log.sync())) return
    this.#acknowledged = Math.max(this.#acknowledged, target)
    this.#check()
  }

  /** A crash comes at any of its steps. */
  async #compact(): Promise<void> {
    const crashAfter = this.#random.next() < 0.3 ? randomInteger(this.#random, 12) : Infinity
    let pauses = 0
    let crashed: MemoryFileSystem | null = null
    await this.#attemptAsync(async () => void (this.savedBytes += await this.#log.compact(async () => {
      if (pauses++ === crashAfter) crashed = this.#random.next() < 0.5 ? this.#disk.crash() : this.#disk.kill()
      if (this.#random.next() < 0.3) this.#append(false)
      await Promise.resolve()
    })))
    if (crashed === null) return this.#check()
    this.#disk = crashed
    await this.open()
  }

  async #restart(): Promise<void> {
    if (this.#random.next() < 0.4) await this.#attemptAsync(() => this.#log.close())
    this.#disk = this.#random.next() < 0.5 ? this.#disk.crash() : this.#disk.kill()
    await this.open()
  }

  #attempt(run: () => void): boolean {
    try {
      run()
      return true
    } catch (error) {
      if (isStreamError(error, 'STORAGE_FULL')) return false
      throw error
    }
  }

  async #attemptAsync(run: () => Promise<void>): Promise<boolean> {
    try {
      await run()
      return true
    } catch (error) {
      if (isStreamError(error, 'STORAGE_FULL')) return false
      throw error
    }
  }

  // ---------------------------------------------------------------------------------------------------- checks

  #check(): void {
    const { lastStableOffset } = this.#log
    const seen = new Map<string, string | null>()
    for (let offset = 0; ;) {
      const read = this.#log.read({ offset, maxBytes: 400, isolation: 'read-committed' })
      for (const batch of visibleBatches(read, 'read-committed')) {
        batch.forEach((record) => {
          const { key, value } = this.#model[record.offset] as Entry
          expect([Buffer.from(record.key!).toString(), record.value && Buffer.from(record.value).toString()], `offset ${record.offset}`).toEqual([key, value])
          seen.set(key, value)
        })
      }
      if (read.nextOffset === offset) break
      offset = read.nextOffset
    }
    expect(withoutTombstones(seen)).toEqual(withoutTombstones(this.#expected(lastStableOffset)))
  }

  #expected(to: number): Map<string, string | null> {
    const expected = new Map<string, string | null>()
    for (const [offset, slot] of this.#model.slice(0, to).entries()) if ('key' in slot && this.#isCommitted(slot, offset)) expected.set(slot.key, slot.value)
    return expected
  }

  #isCommitted({ producerId }: Entry, offset: number): boolean {
    if (producerId < 0) return true
    const end = this.#model.find((later, at) => at > offset && 'marker' in later && later.producerId === producerId)
    return end !== undefined && 'marker' in end && end.marker === 'commit'
  }
}

function withoutTombstones(values: ReadonlyMap<string, string | null>) {
  return [...values].filter(([, value]) => value !== null).toSorted(([a], [b]) => (a < b ? -1 : 1))
}
