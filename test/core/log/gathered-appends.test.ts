import { describe, expect, it } from 'vitest'
import { isStreamError } from '../../../src/core/errors.ts'
import { defaultLogConfig } from '../../../src/core/log/log-config.ts'
import type { LogConfig } from '../../../src/core/log/log-config.ts'
import { PartitionLog } from '../../../src/core/log/partition-log.ts'
import { RecordBatchView } from '../../../src/core/log/record-batch.ts'
import { batch, directory, now, readAll } from '../../kit/log-fixtures.ts'
import { ManualClock } from '../../kit/manual-clock.ts'
import { MemoryFileSystem } from '../../kit/memory-file-system.ts'

/** A log on a disk whose syncs of the log's files wait until `release`; `writes` has the batches of each call to write. */
async function slowLog(config: Partial<LogConfig> = {}) {
  const state = { isFull: false, syncFails: false, isSlow: false }
  const disk = new MemoryFileSystem({ fault: (operation) => (operation === 'write' && state.isFull ? 'ENOSPC' : operation === 'sync' && state.syncFails ? 'EIO' : null) })
  const writes: number[] = []
  let release = () => undefined as void
  const openFile = disk.open.bind(disk)
  disk.open = (path, mode) => {
    const file = openFile(path, mode)
    if (mode === 'read' || !path.endsWith('.log')) return file
    const write = file.write.bind(file)
    const sync = file.sync.bind(file)
    file.write = (parts, position) => (writes.push(parts.length), write(parts, position))
    file.sync = async () => {
      if (state.isSlow) await new Promise<void>((resolve) => (release = resolve))
      return sync()
    }
    return file
  }
  const log = await PartitionLog.open({ directory, name: 'orders-0', fileSystem: disk, clock: new ManualClock(now), config: { ...defaultLogConfig, ...config } })
  await log.sync()
  const finish = async () => {
    state.isSlow = false
    for (let turn = 0; turn < 20; turn++) {
      release()
      await Promise.resolve()
    }
  }
  return { log, disk, writes, state, finish }
}

/** What an append came to: its offset, or the code of its error. */
const outcome = (append: Promise<{ readonly baseOffset: number }>) => append.then(({ baseOffset }) => baseOffset, (error: unknown) => (isStreamError(error) ? error.code : error))
const of = (producerId: number, baseSequence: number, value: string, producerEpoch = 0) => batch([value], { producerId, producerEpoch, baseSequence })

describe('appends while the disk is busy', () => {
  it('are written by one call when the sync has ended, and are seen after the next one', async () => {
    const { log, writes, state, finish } = await slowLog()
    state.isSlow = true
    const outcomes = ['a', 'b', 'c', 'd', 'e'].map((value) => outcome(log.appendDurably(batch([value]))))
    expect(writes).toEqual([1])
    expect(log.highWatermark).toBe(0)
    await finish()
    expect(await Promise.all(outcomes)).toEqual([0, 1, 2, 3, 4])
    expect(writes).toEqual([1, 4])
    expect(readAll(log)).toEqual(['0:a', '1:b', '2:c', '3:d', '4:e'])
    await log.close()
  })

  it('are written while it goes on when they are many', async () => {
    const { log, writes, state, finish } = await slowLog()
    state.isSlow = true
    const outcomes = Array.from({ length: 12 }, (_, i) => outcome(log.appendDurably(batch([String(i % 10).repeat(200_000)]))))
    expect(writes).toEqual([1, 6])
    await finish()
    expect(await Promise.all(outcomes)).toEqual(outcomes.map((_, i) => i))
    await log.close()
  })

  it('let what is appended by itself go before them', async () => {
    const { log, state, finish } = await slowLog()
    state.isSlow = true
    const outcomes = ['a', 'b', 'c'].map((value) => outcome(log.appendDurably(batch([value]))))
    expect(log.append(batch(['at once']), 'builder').baseOffset).toBe(1)
    log.publishWritten()
    expect(readAll(log)).toEqual(['0:a', '1:at once'])
    await finish()
    expect(await Promise.all(outcomes)).toEqual([0, 2, 3])
    expect(readAll(log)).toEqual(['0:a', '1:at once', '2:b', '3:c'])
    await log.close()
  })

  it('are judged one by one: repeated, out of order, too large, of a newer epoch', async () => {
    const { log, state, finish } = await slowLog({ maxBatchBytes: 1000 })
    await log.appendDurably(of(7, 0, 'first'))
    state.isSlow = true
    const first = outcome(log.appendDurably(batch(['busy'])))
    const outcomes = [of(7, 1, 'a'), of(7, 2, 'b'), of(7, 1, 'a'), of(7, 9, 'gap'), batch(['x'.repeat(2000)]), of(8, 0, 'other'), of(7, 3, 'c'), of(7, 0, 'new', 1), of(7, 4, 'old'), of(7, 0, 'first', 0)]
      .map((bytes) => outcome(log.appendDurably(bytes)))
    await finish()
    expect([await first, ...await Promise.all(outcomes)]).toEqual([1, 2, 3, 2, 'OUT_OF_ORDER_SEQUENCE', 'RECORD_TOO_LARGE', 4, 5, 6, 'INVALID_PRODUCER_EPOCH', 'INVALID_PRODUCER_EPOCH'])
    expect(readAll(log)).toEqual(['0:first', '1:busy', '2:a', '3:b', '4:other', '5:c', '6:new'])
    await log.close()
  })

  it('roll to a new segment where they do not fit', async () => {
    const { log, disk, state, finish } = await slowLog({ segmentBytes: 400 })
    state.isSlow = true
    const outcomes = Array.from({ length: 9 }, (_, i) => outcome(log.appendDurably(batch([String(i).repeat(40)]))))
    await finish()
    expect(await Promise.all(outcomes)).toEqual(outcomes.map((_, i) => i))
    for (const name of disk.list(directory).filter((file) => file.endsWith('.log'))) expect(disk.bytesOf(`${directory}/${name}`).length, name).toBeLessThanOrEqual(400)
    await log.close()
    expect(disk.openFiles).toBe(0)
  })

  it('change nothing when there is no room for them, and go on in order when there is', async () => {
    const { log, disk, state, finish } = await slowLog()
    state.isSlow = true
    const busy = outcome(log.appendDurably(of(7, 0, 'busy')))
    const refused = [1, 2, 3].map((sequence) => outcome(log.appendDurably(of(7, sequence, `refused ${sequence}`))))
    state.isFull = true
    await finish()
    expect([await busy, ...await Promise.all(refused)]).toEqual([0, 'STORAGE_FULL', 'STORAGE_FULL', 'STORAGE_FULL'])
    expect(log.logEndOffset).toBe(1)
    expect(disk.bytesOf(`${directory}/00000000000000000000.log`).length).toBe(log.sizeBytes)
    state.isFull = false
    expect(await outcome(log.appendDurably(of(7, 1, 'again')))).toBe(1)
    expect(readAll(log)).toEqual(['0:busy', '1:again'])
    await log.close()
  })

  it('are told when the sync before them failed, and are not written any more', async () => {
    const { log, writes, state, finish } = await slowLog()
    state.isSlow = true
    const outcomes = ['a', 'b', 'c'].map((value) => outcome(log.appendDurably(batch([value]))))
    state.syncFails = true
    await finish()
    expect(await Promise.all(outcomes)).toEqual(['STORAGE_ERROR', 'STORAGE_ERROR', 'STORAGE_ERROR'])
    expect(writes).toEqual([1])
    expect(() => log.appendDurably(batch(['d']))).toThrow(log.failure!)
    await log.close()
  })

  it('are on disk when the log was closed meanwhile', async () => {
    const { log, disk, state, finish } = await slowLog()
    state.isSlow = true
    const outcomes = ['a', 'b', 'c'].map((value) => outcome(log.appendDurably(batch([value]))))
    const closing = log.close()
    await finish()
    await closing
    expect(await Promise.all(outcomes)).toEqual([0, 1, 2])
    const again = await PartitionLog.open({ directory, name: 'orders-0', fileSystem: disk.crash({}), clock: new ManualClock(now), config: defaultLogConfig })
    expect(readAll(again)).toEqual(['0:a', '1:b', '2:c'])
    expect(new RecordBatchView(disk.bytesOf(`${directory}/00000000000000000000.log`)).baseOffset).toBe(0)
    await again.close()
  })
})
