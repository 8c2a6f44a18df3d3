/**
 * Several logs that are synced together through a journal, under kills, power cuts, full and failing disks, rolls, compaction,
 * deletions and topics that come back under the same name. Whatever happened: what was acknowledged is there, nothing is there that
 * was not appended, and every record stands at its offset with its bytes.
 */
import { expect } from 'vitest'
import { isStreamError } from '../../src/core/errors.ts'
import { defaultLogConfig } from '../../src/core/log/log-config.ts'
import { PartitionLog } from '../../src/core/log/partition-log.ts'
import { RecordBatchBuilder } from '../../src/core/log/record-batch-builder.ts'
import { sealBatch } from '../../src/core/log/record-batch.ts'
import { redoJournal } from '../../src/core/log/redo-journal.ts'
import { SyncJournal, journalFileNames, journalPaths } from '../../src/core/log/sync-journal.ts'
import { randomInteger, seededRandom } from '../../src/core/random.ts'
import type { Random } from '../../src/core/random.ts'
import { ManualClock } from '../kit/manual-clock.ts'
import { MemoryFileSystem } from '../kit/memory-file-system.ts'
import type { FileOperation, MemoryFileSystemOptions } from '../kit/memory-file-system.ts'

const steps = 60
const logs = 5
const directory = '/data'

interface Model {
  readonly name: string
  topicId: string
  log: PartitionLog
  /** By offset: key and value of each record. */
  records: (readonly [key: string, value: string])[]
  /** So many of them were said to be durable. */
  acknowledged: number
}

export interface JournalRun {
  /** Frames that were found and put in place after an end that was not clean. */
  readonly redone: number
  /** Records that were acknowledged and found again. */
  readonly acknowledged: number
}

export async function simulateJournal(seed: number): Promise<JournalRun> {
  const simulation = new JournalSimulation(seed)
  await simulation.open()
  for (let step = 0; step < steps; step++) await simulation.step()
  await simulation.finish()
  return simulation
}

class JournalSimulation {
  readonly #random: Random
  readonly #diskOptions: MemoryFileSystemOptions
  #disk: MemoryFileSystem
  #journal!: SyncJournal
  #models: Model[] = []
  #faultRate = 0
  #syncFaultRate = 0
  #written = 0
  #topics = 0
  /** In some runs logs are long left alone, so that only the journal has what they took. */
  readonly #segmentBytes: number
  readonly #participation: number
  redone = 0
  acknowledged = 0

  constructor(seed: number) {
    this.#random = seededRandom(seed)
    this.#segmentBytes = this.#random.next() < 0.5 ? 500 : 100_000
    this.#participation = this.#random.next() < 0.5 ? 0.8 : 0.6
    this.#diskOptions = {
      random: this.#random,
      fault: (operation: FileOperation) => {
        if ((operation === 'write' || operation === 'create') && this.#random.next() < this.#faultRate) return 'ENOSPC'
        return operation === 'sync' && this.#random.next() < this.#syncFaultRate ? 'EIO' : null
      },
    }
    this.#disk = new MemoryFileSystem(this.#diskOptions)
    this.#disk.makeDirectory(directory)
  }

  async open(): Promise<void> {
    this.#faultRate = this.#syncFaultRate = 0
    await this.#redo()
    this.#journal = new SyncJournal({ fileSystem: this.#disk, directory, clock: new ManualClock(), fileBytes: 1024 })
    while (this.#models.length < logs) this.#models.push({ name: `t-${this.#models.length}`, topicId: `id-${this.#topics++}`, records: [], acknowledged: 0, log: undefined as unknown as PartitionLog })
    for (const model of this.#models) await this.#openLog(model)
  }

  /** Interrupted now and then, and repeated. */
  async #redo(): Promise<void> {
    if (journalPaths(this.#disk, directory).length === 0) return
    this.redone++
    const isCurrent = (name: string, topicId: string) => this.#models.some((model) => model.name === name && model.topicId === topicId)
    while (this.#random.next() < 0.3) {
      let left = randomInteger(this.#random, 12)
      const failing = this.#disk.kill({ random: this.#random, fault: () => (left-- > 0 ? null : 'EIO') })
      await attempt(() => redoJournal({ fileSystem: failing, directory, isCurrent }))
      this.#disk = this.#random.next() < 0.5 ? failing.crash(this.#diskOptions) : failing.kill(this.#diskOptions)
    }
    await redoJournal({ fileSystem: this.#disk, directory, isCurrent })
    expect(journalPaths(this.#disk, directory)).toEqual([])
  }

  async #openLog(model: Model): Promise<void> {
    model.log = await PartitionLog.open({
      directory: `${directory}/${model.name}`, name: model.name, topicId: model.topicId, fileSystem: this.#disk, clock: new ManualClock(), checkpointIntervalBytes: this.#segmentBytes + randomInteger(this.#random, 2000),
      config: { ...defaultLogConfig, segmentBytes: this.#segmentBytes, indexIntervalBytes: 100, minCleanableRatio: 0, cleanup: { delete: false, compact: true } },
    })
    expect(model.log.failure).toBeNull()
    expect(model.log.logEndOffset, `${model.name} keeps what was acknowledged`).toBeGreaterThanOrEqual(model.acknowledged)
    expect(model.log.logEndOffset, `${model.name} has nothing that was not appended`).toBeLessThanOrEqual(model.records.length)
    this.acknowledged += model.acknowledged
    model.records.length = model.acknowledged = model.log.logEndOffset
    check(model)
  }

  async step(): Promise<void> {
    const dice = randomInteger(this.#random, 100)
    if (dice < 30) for (const model of this.#some()) this.#append(model)
    else if (dice < 65) await this.#syncTogether()
    else if (dice < 70) await this.#syncOne(this.#one())
    else if (dice < 76) await attempt(async () => void (await this.#one().log.compact(() => Promise.resolve())))
    else if (dice < 79) await attempt(async () => void (await this.#one().log.deleteRecordsBefore(-1)))
    else if (dice < 82) await this.#recreate(this.#one())
    else if (dice < 87) this.#faultRate = this.#random.next() < 0.5 ? 0 : 0.1
    else if (dice < 90) this.#syncFaultRate = this.#random.next() < 0.5 ? 0 : 0.03
    else await this.#restart()
  }

  async finish(): Promise<void> {
    await this.#restart()
    const isClean = (await Promise.allSettled(this.#models.map(({ log }) => log.close()))).every(({ status }) => status === 'fulfilled')
    await this.#journal.close(isClean)
    expect(journalFileNames.filter((name) => this.#disk.stat(`${directory}/${name}`) !== null), 'a clean end leaves no journal').toEqual([])
    expect(this.#disk.openFiles).toBe(0)
  }

  #append(model: Model): void {
    const entry = [`key-${randomInteger(this.#random, 4)}`, `${this.#written++}`.padEnd(randomInteger(this.#random, 60), '.')] as const
    const builder = new RecordBatchBuilder({ maxBytes: 500 })
    builder.add(Buffer.from(entry[0]), Buffer.from(entry[1]), 1000 + this.#written)
    const { bytes } = builder.build()
    sealBatch(bytes, { producerId: -1, producerEpoch: -1, baseSequence: -1, transactional: false })
    try {
      model.log.append(bytes, 'client')
      model.records.push(entry)
    } catch (error) {
      expectDiskError(error)
    }
  }

  /** Twice at the same time now and then; the disk may be looked at, and found as a power cut leaves it, while it runs. */
  async #syncTogether(): Promise<void> {
    const models = this.#some()
    const ends = models.map(({ records }) => records.length)
    const synced = attempt(() => this.#journal.sync(models.map(({ log }) => log)))
    if (this.#random.next() < 0.3) for (const model of this.#some()) this.#append(model)
    const second = this.#random.next() < 0.3 ? this.#syncTogether() : undefined
    if (!await synced) {
      await second
      return
    }
    for (const [i, model] of models.entries()) {
      model.acknowledged = Math.max(model.acknowledged, ends[i]!)
      expect(model.log.highWatermark).toBeGreaterThanOrEqual(ends[i]!)
    }
    await second
  }

  async #syncOne(model: Model): Promise<void> {
    const end = model.records.length
    if (await attempt(() => model.log.sync())) model.acknowledged = Math.max(model.acknowledged, end)
  }

  /** The topic is removed, and one of the same name created. */
  async #recreate(model: Model): Promise<void> {
    this.#faultRate = this.#syncFaultRate = 0
    await model.log.remove()
    model.topicId = `id-${this.#topics++}`
    model.records = []
    model.acknowledged = 0
    await this.#openLog(model)
  }

  async #restart(): Promise<void> {
    if (this.#random.next() < 0.2) {
      const results = await Promise.allSettled(this.#models.map(({ log }) => log.close()))
      const isClean = results.every(({ status }) => status === 'fulfilled') && this.#models.every(({ log }) => log.failure === null)
      await attempt(() => this.#journal.close(isClean))
    }
    this.#disk = this.#random.next() < 0.7 ? this.#disk.crash(this.#diskOptions) : this.#disk.kill(this.#diskOptions)
    await this.open()
  }

  #one(): Model {
    return this.#models[randomInteger(this.#random, this.#models.length)]!
  }

  #some(): readonly Model[] {
    return this.#models.filter(() => this.#random.next() < this.#participation)
  }
}

/** Answers false when the disk refused. */
async function attempt(run: () => Promise<void>): Promise<boolean> {
  try {
    await run()
    return true
  } catch (error) {
    expectDiskError(error)
    return false
  }
}

function expectDiskError(error: unknown): void {
  if (!isStreamError(error, 'STORAGE_FULL') && !isStreamError(error, 'STORAGE_ERROR')) throw error
}

function check({ name, log, records }: Model): void {
  const seen = new Map<string, number>()
  for (let offset = log.logStartOffset; offset < log.highWatermark;) {
    const read = log.read({ offset, maxBytes: 300, isolation: 'read-uncommitted' })
    for (const batch of read.batches) {
      for (const record of batch) {
        if (record.offset < log.logStartOffset) continue
        expect([Buffer.from(record.key!).toString(), Buffer.from(record.value!).toString()], `${name} at ${record.offset}`).toEqual(records[record.offset])
        seen.set(records[record.offset]![0], record.offset)
      }
    }
    offset = read.nextOffset
  }
  const last = new Map(records.map(([key], offset) => [key, offset] as const).filter(([, offset]) => offset >= log.logStartOffset))
  expect(Object.fromEntries(seen), `${name}: the last record of each key`).toEqual(Object.fromEntries(last))
}
