/**
 * Deletions of records, retention and compaction of one log at the same moments as appends to it, none waiting for another. A
 * record goes only for a reason: it was before a deletion, it was too old, or a later one has its key.
 */
import { expect, it } from 'vitest'
import { isStreamError, randomInteger, seededRandom } from '../../src/core/index.ts'
import { RecordBatchBuilder } from '../../src/core/log/record-batch-builder.ts'
import { sealBatch } from '../../src/core/log/record-batch.ts'
import { now, open, readAll } from '../kit/log-fixtures.ts'
import { ManualClock } from '../kit/manual-clock.ts'
import { MemoryFileSystem } from '../kit/memory-file-system.ts'

const seeds = Number(process.env['MILLRACE_UPKEEP_SEEDS'] ?? 30)
const firstSeed = Number(process.env['MILLRACE_UPKEEP_SEED'] ?? 1)
const retentionMs = 60_000

interface Appended {
  readonly key: string
  readonly value: string
  readonly timestamp: number
}

function batchOf({ key, value, timestamp }: Appended): Uint8Array {
  const builder = new RecordBatchBuilder({ maxBytes: 10_000 })
  builder.add(Buffer.from(key), Buffer.from(value), timestamp)
  const { bytes } = builder.build()
  sealBatch(bytes, { producerId: -1, producerEpoch: -1, baseSequence: -1, transactional: false })
  return bytes
}

/** A segment that a pass reads was deleted: the next pass does without it. */
function endedByDeletion(error: unknown): void {
  if (!isStreamError(error, 'STORAGE_ERROR') || !/ENOENT/.test(String((error as Error).message))) throw error
}

async function simulate(seed: number): Promise<{ readonly start: number; readonly gaps: number }> {
  const random = seededRandom(seed)
  const clock = new ManualClock(now)
  const disk = new MemoryFileSystem({ random, now: () => clock.now() })
  const options = {
    clock, segmentBytes: 200 + randomInteger(random, 400), indexIntervalBytes: 100, retentionMs, minCleanableRatio: 0,
    cleanup: { delete: true, compact: seed % 2 === 0 }, retentionBytes: -1,
  }
  const log = await open(disk, options)
  const appended: Appended[] = []
  const underWay: Promise<unknown>[] = []
  let deletedBefore = 0
  const append = () => {
    const record = { key: `k${randomInteger(random, 40)}`, value: `v${appended.length}`, timestamp: clock.now() }
    appended.push(record)
    underWay.push(log.appendDurably(batchOf(record)))
  }
  for (let step = 0; step < 400; step++) {
    const dice = randomInteger(random, 100)
    if (dice < 50) append()
    else if (dice < 56) underWay.push(log.applyRetention())
    else if (dice < 62 && options.cleanup.compact) underWay.push(log.compact(() => Promise.resolve()).catch(endedByDeletion))
    else if (dice < 65 && log.highWatermark > deletedBefore) {
      deletedBefore += randomInteger(random, Math.min(4, log.highWatermark - deletedBefore) + 1)
      underWay.push(log.deleteRecordsBefore(deletedBefore))
    } else if (dice < 75) await clock.advance(randomInteger(random, 3000))
    else for (let turn = randomInteger(random, 12); turn > 0; turn--) await Promise.resolve()
  }
  await Promise.all(underWay)
  expect(log.failure).toBeNull()
  const last = new Map(appended.map(({ key }, offset) => [key, offset]))
  const check = (present: readonly string[], start: number) => {
    expect(present).toEqual(present.filter((text) => text === `${text.split(':')[0]!}:${appended[Number(text.split(':')[0])]?.value}`))
    const offsets = new Set(present.map((text) => Number(text.split(':')[0])))
    expect([...offsets]).toEqual([...offsets].sort((a, b) => a - b))
    for (const [offset, { key, timestamp }] of appended.entries()) {
      const isReplaced = options.cleanup.compact && last.get(key) !== offset
      const isDeleted = offset < start && (offset < deletedBefore || clock.now() - timestamp > retentionMs)
      expect(isReplaced || isDeleted || offsets.has(offset), `offset ${offset} is gone, seed ${seed}`).toBe(true)
    }
    return appended.length - start - offsets.size
  }
  const gaps = check(readAll(log), log.logStartOffset)
  const { logStartOffset } = log
  const killed = await open(disk.kill(), options)
  check(readAll(killed), killed.logStartOffset)
  await log.close()
  const again = await open(disk.kill(), options)
  expect(again.logStartOffset).toBe(logStartOffset)
  check(readAll(again), again.logStartOffset)
  return { start: logStartOffset, gaps }
}

it('what tidies a log up takes nothing that it must not, whatever else is on its way', async () => {
  const ends = []
  for (let seed = firstSeed; seed < firstSeed + seeds; seed++) ends.push(await simulate(seed))
  expect(ends.filter(({ start }) => start > 0).length).toBeGreaterThan(seeds / 2)
  expect(ends.some(({ gaps }) => gaps > 0)).toBe(true)
})
