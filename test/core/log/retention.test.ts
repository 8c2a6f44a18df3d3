import { describe, expect, it } from 'vitest'
import { defaultLogConfig } from '../../../src/core/log/log-config.ts'
import type { LogConfig } from '../../../src/core/log/log-config.ts'
import { countExpired } from '../../../src/core/log/retention.ts'
import { batch, directory, now, open, readAll } from '../../kit/log-fixtures.ts'
import { ManualClock } from '../../kit/manual-clock.ts'
import { MemoryFileSystem } from '../../kit/memory-file-system.ts'

/** Segments of ten records and 100 bytes, as old as said. */
function expired(agesMs: readonly number[], config: Partial<LogConfig>, more: { logStartOffset?: number; highWatermark?: number } = {}): number {
  const segments = agesMs.map((ageMs, i) => ({ sizeBytes: 100, maxTimestamp: now - ageMs, endOffset: (i + 1) * 10 }))
  return countExpired({ segments, config: { ...defaultLogConfig, retentionMs: -1, ...config }, nowMs: now, logStartOffset: 0, highWatermark: agesMs.length * 10, ...more })
}

describe('countExpired', () => {
  it('takes old segments from the first on, and stops at one that is young enough', () => {
    expect(expired([900, 800, 100, 900], { retentionMs: 500 })).toBe(2)
    expect(expired([900, 800], { retentionMs: 900 })).toBe(0)
    expect(expired([900, 800], { retentionMs: 0 })).toBe(2)
    expect(expired([900, 800], { retentionMs: -1 })).toBe(0)
  })

  it('takes a segment only while the log without it is large enough', () => {
    expect(expired([0, 0, 0, 0], { retentionBytes: 250 })).toBe(1)
    expect(expired([0, 0, 0, 0], { retentionBytes: 200 })).toBe(2)
    expect(expired([0, 0, 0, 0], { retentionBytes: 401 })).toBe(0)
    expect(expired([0, 0, 0, 0], { retentionBytes: 0 })).toBe(4)
  })

  it('keeps what is not yet visible, and everything on a topic that is only compacted', () => {
    expect(expired([900, 900, 900], { retentionMs: 1 }, { highWatermark: 25 })).toBe(2)
    expect(expired([900, 900, 900], { retentionMs: 1, retentionBytes: 0, cleanup: { delete: false, compact: true } })).toBe(0)
    expect(expired([900, 900, 900], { cleanup: { delete: false, compact: true } }, { logStartOffset: 20 })).toBe(2)
  })
})

describe('PartitionLog.applyRetention', () => {
  it('deletes old segments for good, the active one too when everything is old', async () => {
    const disk = new MemoryFileSystem()
    const clock = new ManualClock(now)
    const config = { segmentBytes: 300, retentionMs: 60_000, clock }
    const log = await open(disk, config)
    for (let i = 0; i < 6; i++) log.append(batch([`value-${i}`], {}, now + i * 10_000), 'builder')
    await log.sync()
    expect(await log.applyRetention()).toBe(0)
    await clock.advance(90_001)
    expect(await log.applyRetention()).toBe(1)
    expect(readAll(log)).toEqual(['3:value-3', '4:value-4', '5:value-5'])
    expect(readAll(await open(disk.crash(), config))[0]).toBe('3:value-3')
    await clock.advance(3_600_000)
    expect(await log.applyRetention()).toBe(1)
    expect(await log.applyRetention()).toBe(0)
    expect([log.logStartOffset, log.logEndOffset, readAll(log)]).toEqual([6, 6, []])
    log.append(batch(['next']), 'builder')
    await log.close()
    expect(readAll(await open(disk.kill(), config))).toEqual(['6:next'])
    expect(disk.list(directory).filter((name) => name.startsWith('00000000000000000000'))).toEqual([])
  })

  it('deletes nothing young when old segments go by a deletion of records meanwhile', async () => {
    for (let turns = 0; turns < 100; turns++) {
      const log = await open(new MemoryFileSystem(), { segmentBytes: 300, retentionMs: 60_000, clock: new ManualClock(now + 90_000) })
      for (let i = 0; i < 9; i++) log.append(batch([`value-${i}`], {}, i < 3 ? now : now + 80_000), 'builder')
      await log.sync()
      const deletion = log.deleteRecordsBefore(3)
      for (let turn = 0; turn < turns; turn++) await Promise.resolve()
      log.append(batch(['waits for the disk'], {}, now + 80_000), 'builder')
      await Promise.all([deletion, log.applyRetention()])
      expect([turns, log.logStartOffset, readAll(log)[0]]).toEqual([turns, 3, '3:value-3'])
    }
  })

  it('forgets producers that were idle for long, but none in a transaction', async () => {
    const clock = new ManualClock(now)
    const log = await open(new MemoryFileSystem(), { clock })
    log.append(batch(['a'], { producerId: 1, producerEpoch: 3, baseSequence: 0 }), 'builder')
    log.append(batch(['b'], { producerId: 2, producerEpoch: 3, baseSequence: 0, transactional: true }), 'builder')
    await clock.advance(1000)
    expect(log.expireProducers(1000)).toBe(0)
    await clock.advance(1)
    expect(log.expireProducers(1000)).toBe(1)
    expect(log.openTransactions()).toHaveLength(1)
    expect(log.append(batch(['c'], { producerId: 1, producerEpoch: 0, baseSequence: 9 }), 'builder').duplicate).toBe(false)
  })
})
