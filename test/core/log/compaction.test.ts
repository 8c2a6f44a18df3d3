import { describe, expect, it } from 'vitest'
import { compressionNames } from '../../../src/core/log/compression.ts'
import { defaultLogConfig } from '../../../src/core/log/log-config.ts'
import { PartitionLog } from '../../../src/core/log/partition-log.ts'
import { RecordBatchBuilder } from '../../../src/core/log/record-batch-builder.ts'
import { RecordBatchView, sealBatch } from '../../../src/core/log/record-batch.ts'
import type { BatchSeal } from '../../../src/core/log/record-batch.ts'
import { directory, now, open } from '../../kit/log-fixtures.ts'
import { ManualClock } from '../../kit/manual-clock.ts'
import { MemoryFileSystem } from '../../kit/memory-file-system.ts'

type Pair = readonly [key: string, value: string | null]

const config = { segmentBytes: 160, minCleanableRatio: 0, cleanup: { delete: false, compact: true } }
const pause = () => Promise.resolve()

function append(log: PartitionLog, pairs: readonly Pair[], seal: Partial<BatchSeal> = {}, compression: 'none' | 'gzip' = 'none'): void {
  const builder = new RecordBatchBuilder({ maxBytes: 10_000, compression })
  for (const [i, [key, value]] of pairs.entries()) builder.add(Buffer.from(key), value === null ? null : Buffer.from(value), now + log.logEndOffset + i)
  const { bytes } = builder.build()
  sealBatch(bytes, { producerId: -1, producerEpoch: -1, baseSequence: -1, transactional: false, ...seal })
  log.append(bytes, 'client')
}

/** Offset and content of each record that is stored, and the header of each emptied batch. */
function stored(log: PartitionLog): readonly string[] {
  const found: string[] = []
  for (let offset = log.logStartOffset; ;) {
    const read = log.read({ offset, maxBytes: 100, isolation: 'read-uncommitted' })
    for (const batch of read.batches) {
      if (batch.recordCount === 0) found.push(`${batch.baseOffset}-${batch.lastOffset}: empty`)
      else if (batch.isControl) found.push(`${batch.baseOffset}: marker`)
      else for (const record of new RecordBatchView(batch.bytes, batch.position)) found.push(`${record.offset}: ${String(record.key)}=${record.value === null ? 'null' : Buffer.from(record.value).toString()}`.replace(/: [\d,]+=/, `: ${Buffer.from(record.key!).toString()}=`))
    }
    if (read.nextOffset === offset) return found
    offset = read.nextOffset
  }
}

async function logWith(pairs: readonly Pair[], clock = new ManualClock(now)): Promise<{ readonly log: PartitionLog; readonly disk: MemoryFileSystem; readonly clock: ManualClock }> {
  const disk = new MemoryFileSystem()
  const log = await open(disk, { ...config, clock })
  for (const pair of pairs) append(log, [pair])
  await settle(log, clock)
  return { log, disk, clock }
}

/** Synced, and what was rolled is sealed. */
async function settle(log: PartitionLog, clock: ManualClock): Promise<void> {
  await log.sync()
  for (let turn = 0; turn < 10; turn++) await clock.advance(1)
}

describe('PartitionLog.compact', () => {
  it('keeps the last value of each key at its offset, and leaves the active segment alone', async () => {
    const { log, disk } = await logWith([['a', '1'], ['b', '1'], ['a', '2'], ['c', '1'], ['a', '3'], ['b', '2'], ['pad', '1'], ['pad', '2'], ['pad', '3']])
    expect(await log.compact(pause)).toBeGreaterThan(0)
    expect(stored(log)).toEqual(['3: c=1', '4: a=3', '5: b=2', '7: pad=2', '8: pad=3'])
    expect([log.logStartOffset, log.logEndOffset]).toEqual([0, 9])
    expect(await log.compact(pause)).toBe(0)
    await log.close()
    expect(stored(await open(disk.kill(), config))).toEqual(['3: c=1', '4: a=3', '5: b=2', '7: pad=2', '8: pad=3'])
    expect(disk.list(directory).filter((name) => name.includes('cleaned') || name.includes('compaction'))).toEqual([])
  })

  it('keeps a tombstone for deleteRetentionMs after it was first compacted, then drops it', async () => {
    const { log, clock } = await logWith([['a', '1'], ['a', null], ['never', null], ['b', '1'], ['pad', '1'], ['pad', '2']])
    await log.compact(pause)
    expect(stored(log).slice(0, 3)).toEqual(['1: a=null', '2: never=null', '3: b=1'])
    await clock.advance(86_400_000)
    for (const value of ['3', '4', '5']) append(log, [['pad', value]])
    await settle(log, clock)
    await log.compact(pause)
    expect(stored(log)[0]).toBe('3: b=1')
  })

  it.each(['none', 'gzip'] as const)('takes single records out of a batch with compression %s, and keeps its span of offsets', async (compression) => {
    const disk = new MemoryFileSystem()
    const log = await open(disk, { ...config, segmentBytes: 260 })
    append(log, [['a', '1'], ['b', '1'], ['c', '1']], {}, compression)
    append(log, [['a', '2'], ['c', '2']], {}, compression)
    append(log, [['c', '3'], ['d', 'x'.repeat(100)]], {}, compression)
    append(log, [['e', 'x'.repeat(170)]])
    await settle(log, new ManualClock())
    await log.compact(pause)
    const [first] = log.read({ offset: 0, maxBytes: 0, isolation: 'read-uncommitted' }).batches
    expect([first!.baseOffset, first!.lastOffset, first!.recordCount, first!.baseTimestamp, first!.maxTimestamp]).toEqual([0, 2, 1, now + 1, now + 1])
    expect(compressionNames[first!.compression]).toBe(compression)
    expect(stored(log).slice(0, 2)).toEqual(['1: b=1', '3: a=2'])
  })

  it('drops what was aborted, and its marker once nothing of it is left and its horizon has passed', async () => {
    const clock = new ManualClock(now)
    const disk = new MemoryFileSystem()
    const log = await open(disk, { ...config, clock })
    const seal = (baseSequence: number) => ({ producerId: 7, producerEpoch: 0, baseSequence, transactional: true })
    const settled = async () => {
      for (const value of ['1', '2', '3']) append(log, [['pad', value]])
      await settle(log, clock)
    }
    append(log, [['k', 'aborted']], seal(0))
    log.appendMarker({ producerId: 7, producerEpoch: 0, coordinatorEpoch: 0, type: 'abort', timestamp: now })
    append(log, [['k', 'committed']], seal(1))
    log.appendMarker({ producerId: 7, producerEpoch: 0, coordinatorEpoch: 0, type: 'commit', timestamp: now })
    await settled()
    await log.compact(pause)
    expect(stored(log).slice(0, 3)).toEqual(['1: marker', '2: k=committed', '3: marker'])
    await settled()
    await log.compact(pause)
    await clock.advance(86_400_001)
    await settled()
    await log.compact(pause)
    expect(stored(log).slice(0, 2)).toEqual(['2: k=committed', '3: marker'])
  })

  it('touches nothing from the first open transaction on', async () => {
    const { log, clock } = await logWith([['a', '1'], ['a', '2'], ['a', '3']])
    append(log, [['k', 'open']], { producerId: 7, producerEpoch: 0, baseSequence: 0, transactional: true })
    for (const value of ['4', '5', '6', '7']) append(log, [['a', value]])
    await settle(log, clock)
    await log.compact(pause)
    expect(stored(log)).toEqual(['1: a=2', '2: a=3', '3: k=open', '4: a=4', '5: a=5', '6: a=6', '7: a=7'])
  })

  it('keeps an idempotent producer\'s last batch, empty, so that its sequence is known after a restart', async () => {
    const { log, disk, clock } = await logWith([])
    const seal = (baseSequence: number) => ({ producerId: 7, producerEpoch: 2, baseSequence })
    append(log, [['a', '1'], ['a', '2']], seal(0))
    append(log, [['a', '3']], seal(2))
    for (const value of ['4', '5', '6']) append(log, [['a', value]])
    await settle(log, clock)
    await log.compact(pause)
    expect(stored(log)).toEqual(['2-2: empty', '4: a=5', '5: a=6'])
    for (const name of disk.list(directory)) if (name.endsWith('.snapshot') || name.endsWith('.checkpoint')) disk.remove(`${directory}/${name}`)
    const again = await open(disk.kill(), config)
    append(again, [['b', '1']], seal(3))
    expect(() => append(again, [['b', '2']], seal(9))).toThrow(/sequence 9 where 4 must follow/)
  })

  it('remembers no more keys than it may in one pass, and goes on in the middle of a segment in the next', async () => {
    const disk = new MemoryFileSystem()
    const clock = new ManualClock(now)
    const log = await PartitionLog.open({ directory, name: 'orders-0', fileSystem: disk, clock, maxKeys: 3, config: { ...defaultLogConfig, ...config, segmentBytes: 100_000 } })
    for (let i = 0; i < 20; i++) append(log, [[`key-${i % 10}`, String(i)]])
    append(log, [['large', 'x'.repeat(99_800)]])
    append(log, [['active', '1']])
    await settle(log, clock)
    const latest = Array.from({ length: 10 }, (_, i) => `${10 + i}: key-${i}=${10 + i}`)
    const sizes: number[] = []
    for (let pass = 0; pass < 10; pass++) {
      await log.compact(pause)
      const found = stored(log)
      sizes.push(found.length)
      expect(found).toEqual(expect.arrayContaining(latest))
    }
    // Three keys a pass, whose older records go when the newer ones are known.
    expect(sizes[0]).toBeGreaterThan(12)
    expect(sizes.at(-1)).toBe(12)
    await log.close()
  })

  it('tells long keys apart by all their bytes', async () => {
    const long = 'k'.repeat(200)
    const clock = new ManualClock(now)
    const log = await open(new MemoryFileSystem(), { ...config, segmentBytes: 900, clock })
    for (const [key, value] of [['1', 'a'], ['2', 'b'], ['1', 'c'], ['3', 'active']] as const) append(log, [[`${long}${key}`, value]])
    await settle(log, clock)
    await log.compact(pause)
    expect(stored(log)).toEqual([`1: ${long}2=b`, `2: ${long}1=c`, `3: ${long}3=active`])
    await log.close()
  })

  it('works in steps of a megabyte, between which appends and reads go on', async () => {
    const disk = new MemoryFileSystem()
    let sinceStep = 0
    let largestStep = 0
    let steps = 0
    const openFile = disk.open.bind(disk)
    disk.open = (path, mode) => {
      const file = openFile(path, mode)
      const read = file.read.bind(file)
      file.read = (into, at, length, position) => {
        sinceStep += length
        return read(into, at, length, position)
      }
      return file
    }
    const log = await open(disk, { ...config, segmentBytes: 3_000_000 })
    const large = 'x'.repeat(9000)
    for (let i = 0; i < 700; i++) append(log, [[`key-${i % 10}`, `${i} ${large}`]])
    await log.close()
    const again = await open(disk, { ...config, segmentBytes: 3_000_000 })
    sinceStep = 0
    const saved = await again.compact(async () => {
      largestStep = Math.max(largestStep, sinceStep)
      steps++
      append(again, [['meanwhile', String(steps)]])
      await again.sync()
      expect(again.read({ offset: again.highWatermark - 1, maxBytes: 100, isolation: 'read-uncommitted' }).nextOffset).toBe(again.highWatermark)
      sinceStep = 0
    })
    expect(saved).toBeGreaterThan(4_000_000)
    expect(steps).toBeGreaterThan(8)
    expect(largestStep).toBeLessThan(1_200_000)
  })
})
