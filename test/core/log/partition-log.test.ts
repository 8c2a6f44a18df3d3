import { describe, expect, it } from 'vitest'
import { isStreamError } from '../../../src/core/errors.ts'
import { readCheckpoint } from '../../../src/core/log/log-checkpoint.ts'
import type { PartitionLog } from '../../../src/core/log/partition-log.ts'
import { batch, directory, now, open, readAll } from '../../kit/log-fixtures.ts'
import { ManualClock } from '../../kit/manual-clock.ts'
import { MemoryFileSystem } from '../../kit/memory-file-system.ts'
import type { FileOperation, MemoryFileSystemOptions } from '../../kit/memory-file-system.ts'

const throwing = (code: Parameters<typeof isStreamError>[1]) => expect.toSatisfy((error) => isStreamError(error, code), `a StreamError ${code}`)

describe('PartitionLog', () => {
  it('assigns offsets, and shows records once they are synced', async () => {
    const log = await open(new MemoryFileSystem())
    expect(log.append(batch(['a', 'b']), 'builder')).toEqual({ baseOffset: 0, lastOffset: 1, logAppendTime: -1, duplicate: false })
    expect(log.append(batch(['c']), 'builder').baseOffset).toBe(2)
    expect([log.logEndOffset, log.highWatermark, readAll(log)]).toEqual([3, 0, []])
    await log.sync()
    expect([log.highWatermark, readAll(log)]).toEqual([3, ['0:a', '1:b', '2:c']])
    expect(readAll(log, 'read-uncommitted', 1)).toEqual(['1:b', '2:c'])
  })

  it('rolls segments by size and by time, and reads across them', async () => {
    const disk = new MemoryFileSystem()
    const log = await open(disk, { segmentBytes: 400, segmentMs: 1000 })
    for (let i = 0; i < 12; i++) log.append(batch([`value-${i}`]), 'builder')
    log.append(batch(['young'], {}, now + 2000), 'builder')
    await log.sync()
    expect(readAll(log)).toEqual([...Array.from({ length: 12 }, (_, i) => `${i}:value-${i}`), '12:young'])
    const segments = disk.list('/data/orders-0').filter((name) => name.endsWith('.log'))
    expect(segments.length).toBeGreaterThan(3)
    expect(segments.at(-1)).toBe('00000000000000000012.log')
    await log.close()
    expect(disk.openFiles).toBe(0)
  })

  it('opens after a clean close without reading a batch, and goes on', async () => {
    const disk = new MemoryFileSystem()
    const log = await open(disk, { segmentBytes: 400, indexIntervalBytes: 100 })
    for (let i = 0; i < 20; i++) log.append(batch([`value-${i}`]), 'builder')
    await log.close()
    const reads: string[] = []
    const watched = disk.kill({ fault: (operation, path) => (operation === 'read' && path.endsWith('.log') ? (reads.push(path), null) : null) })
    const again = await open(watched, { segmentBytes: 400, indexIntervalBytes: 100 })
    expect([reads, again.logEndOffset, again.highWatermark]).toEqual([[], 20, 20])
    again.append(batch(['more']), 'builder')
    await again.sync()
    expect(readAll(again).at(-1)).toBe('20:more')
    expect(readAll(again).length).toBe(21)
  })

  it('begins with its names and its checkpoint on disk, one after the other at most', async () => {
    const syncs: string[] = []
    const disk = new MemoryFileSystem({ fault: (operation, path) => (operation.startsWith('sync') ? (syncs.push(path), null) : null) })
    await open(disk)
    expect(syncs.sort()).toEqual(['/data', '/data/orders-0', '/data/orders-0/millrace.checkpoint.tmp'])
    for (let seed = 0; seed < 20; seed++) {
      const left = disk.crash({ random: { next: seededNext(seed) } })
      expect(left.list('/data/orders-0')).toEqual(expect.arrayContaining(['00000000000000000000.log', 'millrace.checkpoint']))
      expect(readCheckpoint(left, '/data/orders-0')).toMatchObject({ logStartOffset: 0, recoveryOffset: 0 })
    }
  })

  it('opens whatever a power cut leaves of a log that was being made, and fails for a disk that fails meanwhile', async () => {
    for (let step = 0, isPast = false; !isPast; step++) {
      for (let seed = 0; seed < 5; seed++) {
        const random = { next: seededNext(seed) }
        let left: MemoryFileSystem | null = null
        let steps = 0
        const disk: MemoryFileSystem = new MemoryFileSystem({ random, fault: () => (steps++ === step ? ((left = disk.crash({ random })), 'EIO') : null) })
        const failure: unknown = await open(disk).then(() => null, (error: unknown) => error)
        if (left === null) isPast = true
        else {
          expect([step, isStreamError(failure, 'STORAGE_ERROR') || failure === null, disk.openFiles]).toEqual([step, true, failure === null ? expect.anything() : 0])
          const again = await open(left)
          again.append(batch(['first']), 'builder')
          await again.sync()
          expect([step, readAll(await open((left as MemoryFileSystem).crash({ random })))]).toEqual([step, ['0:first']])
        }
      }
    }
  })

  it('takes a lost segment for what it is from the first batch on, and keeps what is before it', async () => {
    const disk = new MemoryFileSystem()
    const log = await open(disk, { segmentBytes: 400 })
    for (let i = 0; i < 9; i++) log.append(batch([`value-${i}`]), 'builder')
    await log.sync()
    const left = disk.crash({})
    const segments = left.list('/data/orders-0').filter((name) => name.endsWith('.log'))
    left.remove(`/data/orders-0/${segments[1]!}`)
    const again = await open(left, { segmentBytes: 400 })
    expect(again.logEndOffset).toBe(Number(segments[1]!.slice(0, 20)))
  })

  it('syncs no name again with the first append to a new log', async () => {
    const syncs: string[] = []
    const log = await open(new MemoryFileSystem({ fault: (operation, path) => (operation.startsWith('sync') ? (syncs.push(path), null) : null) }))
    syncs.length = 0
    log.append(batch(['a']), 'builder')
    await log.sync()
    expect(syncs).toEqual(['/data/orders-0/00000000000000000000.log'])
  })

  it('closes without writing anything where nothing has changed, new or not', async () => {
    const changes: string[] = []
    const fault = (operation: FileOperation, path: string) => (['write', 'sync', 'rename', 'remove', 'truncate', 'sync directory'].includes(operation) ? (changes.push(path), null) : null)
    const disk = new MemoryFileSystem({ fault })
    const log = await open(disk)
    changes.length = 0
    await log.close()
    expect(changes).toEqual([])
    const full = await open(disk)
    full.append(batch(['a', 'b']), 'builder')
    await full.close()
    changes.length = 0
    await (await open(disk)).close()
    expect([changes, disk.openFiles]).toEqual([[], 0])
  })

  it.each<[string, (log: PartitionLog) => Promise<unknown>, object]>([
    ['an append', async (log) => void log.append(batch(['c']), 'builder'), { recoveryOffset: 13 }],
    ['a deletion', (log) => log.deleteRecordsBefore(3), { recoveryOffset: 12, logStartOffset: 3 }],
    ['retention', (log) => log.applyRetention(), { recoveryOffset: 12, logStartOffset: 12, segmentBaseOffset: 12 }],
    ['retention that was not waited for', async (log) => void log.applyRetention().catch(() => undefined), { recoveryOffset: 12, segmentBaseOffset: 12 }],
    ['deletion by size', (log) => log.applyRetention(), { recoveryOffset: 12, logStartOffset: expect.toSatisfy((offset) => offset > 0 && offset < 12) }],
    ['compaction', (log) => log.compact(() => Promise.resolve()), { recoveryOffset: 12, cleanedOffset: expect.toSatisfy((offset) => offset > 0) }],
  ])('closes with a checkpoint of what has changed: %s', async (change, run, expected) => {
    const disk = new MemoryFileSystem()
    const config = {
      segmentBytes: 300, minCleanableRatio: 0, cleanup: { delete: true, compact: change === 'compaction' },
      retentionMs: change.startsWith('retention') ? 1 : -1, retentionBytes: change === 'deletion by size' ? 400 : -1, clock: new ManualClock(now + 60_000),
    }
    const log = await open(disk, config)
    for (let i = 0; i < 12; i++) log.append(batch([`value-${i}`]), 'keyed-builder')
    await log.close()
    const again = await open(disk, config)
    await run(again)
    await again.close()
    expect(readCheckpoint(disk, directory)).toMatchObject(expected)
    const last = await open(disk, config)
    expect([last.logStartOffset, last.logEndOffset, last.failure]).toEqual([again.logStartOffset, again.logEndOffset, null])
  })

  it('keeps what was synced through a power cut, and cuts a torn tail', async () => {
    for (let seed = 0; seed < 50; seed++) {
      const disk = new MemoryFileSystem({ random: { next: seededNext(seed) } })
      const log = await open(disk, { segmentBytes: 700, indexIntervalBytes: 100 })
      for (let i = 0; i < 7; i++) log.append(batch([`value-${i}`, 'x'.repeat(40)]), 'builder')
      await log.sync()
      for (let i = 7; i < 12; i++) log.append(batch([`value-${i}`, 'x'.repeat(200)]), 'builder')
      const again = await open(disk.crash({}), { segmentBytes: 700, indexIntervalBytes: 100 })
      expect(again.failure).toBeNull()
      expect(again.logEndOffset).toBeGreaterThanOrEqual(14)
      expect(readAll(again).filter((value) => value.includes('value')).slice(0, 7)).toEqual(Array.from({ length: 7 }, (_, i) => `${i * 2}:value-${i}`))
      again.append(batch(['after']), 'builder')
      await again.sync()
      expect(readAll(again).at(-1)).toMatch(/:after$/)
    }
  })

  it('stores a repeated batch once, for each of the last five', async () => {
    const log = await open(new MemoryFileSystem())
    const send = (baseSequence: number, values: readonly string[]) => log.append(batch(values, { producerId: 9, producerEpoch: 0, baseSequence }), 'builder')
    for (let i = 0; i < 6; i++) send(i * 2, ['a', 'b'])
    expect(send(10, ['a', 'b'])).toMatchObject({ baseOffset: 10, duplicate: true, logAppendTime: now + 1 })
    expect(send(2, ['a', 'b'])).toMatchObject({ baseOffset: 2, duplicate: true })
    expect(() => send(0, ['a', 'b'])).toThrow(throwing('OUT_OF_ORDER_SEQUENCE'))
    expect(() => send(13, ['a'])).toThrow(throwing('OUT_OF_ORDER_SEQUENCE'))
    expect(log.logEndOffset).toBe(12)
    expect(() => log.append(batch(['x'], { producerId: 9, producerEpoch: 1, baseSequence: 3 }), 'builder')).toThrow(throwing('OUT_OF_ORDER_SEQUENCE'))
    log.append(batch(['x'], { producerId: 9, producerEpoch: 1, baseSequence: 0 }), 'builder')
    expect(() => send(12, ['late'])).toThrow(throwing('INVALID_PRODUCER_EPOCH'))
  })

  it('remembers producers and open transactions over a clean close and over a kill', async () => {
    for (const end of ['close', 'kill'] as const) {
      const disk = new MemoryFileSystem()
      const log = await open(disk)
      log.append(batch(['a'], { producerId: 9, producerEpoch: 2, baseSequence: 0, transactional: true }), 'builder')
      await log.sync()
      if (end === 'close') await log.close()
      const again = await open(disk.kill())
      expect(again.openTransactions()).toEqual([{ producerId: 9, producerEpoch: 2, firstOffset: 0 }])
      expect([again.lastStableOffset, again.highWatermark]).toEqual([0, 1])
      expect(again.append(batch(['a'], { producerId: 9, producerEpoch: 2, baseSequence: 0, transactional: true }), 'builder').duplicate).toBe(true)
    }
  })

  it('hides open and aborted transactions from read-committed', async () => {
    const disk = new MemoryFileSystem()
    const log = await open(disk, { segmentBytes: 400 })
    const send = (producerId: number, baseSequence: number, value: string) => log.append(batch([value], { producerId, producerEpoch: 0, baseSequence, transactional: true }), 'builder')
    const end = (producerId: number, type: 'commit' | 'abort') => log.appendMarker({ producerId, producerEpoch: 0, coordinatorEpoch: 0, type, timestamp: now })
    send(1, 0, 'a1')
    send(2, 0, 'b1')
    log.append(batch(['plain']), 'builder')
    send(1, 1, 'a2')
    end(1, 'abort')
    await log.sync()
    expect([log.lastStableOffset, readAll(log, 'read-committed')]).toEqual([1, []])
    end(2, 'commit')
    expect(log.lastStableOffset).toBe(1)
    await log.sync()
    expect(log.lastStableOffset).toBe(6)
    const expected = ['1:b1', '2:plain']
    expect(readAll(log, 'read-committed')).toEqual(expected)
    expect(readAll(log)).toEqual(['0:a1', '1:b1', '2:plain', '3:a2'])
    expect(readAll(await open(disk.kill(), { segmentBytes: 400 }), 'read-committed')).toEqual(expected)
    await log.close()
    expect(readAll(await open(disk.kill(), { segmentBytes: 400 }), 'read-committed')).toEqual(expected)
  })

  it('finds the first record that is at least so young', async () => {
    const log = await open(new MemoryFileSystem(), { segmentBytes: 400, indexIntervalBytes: 100 })
    for (const at of [10, 5, 30, 20, 40, 35, 50, 45]) log.append(batch(['v', 'w'], {}, now + at * 10), 'builder')
    await log.sync()
    expect(log.offsetForTimestamp(now)).toEqual({ offset: 0, timestamp: now + 100 })
    expect(log.offsetForTimestamp(now + 101)).toEqual({ offset: 1, timestamp: now + 101 })
    expect(log.offsetForTimestamp(now + 102)).toEqual({ offset: 4, timestamp: now + 300 })
    expect(log.offsetForTimestamp(now + 320)).toEqual({ offset: 8, timestamp: now + 400 })
    expect(log.offsetForTimestamp(now + 502)).toBeNull()
    expect(log.maxTimestamp()).toEqual({ offset: 13, timestamp: now + 501 })
    await log.deleteRecordsBefore(9)
    expect(log.offsetForTimestamp(now)).toEqual({ offset: 9, timestamp: now + 401 })
  })

  it('deletes records before an offset for good', async () => {
    const disk = new MemoryFileSystem()
    const log = await open(disk, { segmentBytes: 400 })
    for (let i = 0; i < 12; i++) log.append(batch([`value-${i}`]), 'builder')
    await log.sync()
    expect(await log.deleteRecordsBefore(7)).toBe(7)
    expect(await log.deleteRecordsBefore(3)).toBe(7)
    expect(() => log.read({ offset: 6, maxBytes: 100, isolation: 'read-committed' })).toThrow(throwing('OFFSET_OUT_OF_RANGE'))
    await expect(log.deleteRecordsBefore(13)).rejects.toEqual(throwing('OFFSET_OUT_OF_RANGE'))
    const again = await open(disk.crash(), { segmentBytes: 400 })
    expect(readAll(again)[0]).toBe('7:value-7')
    expect(await again.deleteRecordsBefore(-1)).toBe(12)
    expect(readAll(again)).toEqual([])
  })

  it('takes nothing more after a failed sync, and tells the truth when opened again', async () => {
    let failing = false
    const disk = new MemoryFileSystem({ fault: (operation) => (failing && operation === 'sync' ? 'EIO' : null) })
    const log = await open(disk)
    log.append(batch(['safe']), 'builder')
    await log.sync()
    failing = true
    log.append(batch(['lost']), 'builder')
    await expect(log.sync()).rejects.toEqual(throwing('STORAGE_ERROR'))
    failing = false
    expect(() => log.append(batch(['more']), 'builder')).toThrow(throwing('STORAGE_ERROR'))
    await expect(log.sync()).rejects.toEqual(throwing('STORAGE_ERROR'))
    expect(readAll(log)).toEqual(['0:safe'])
    await log.close()
    expect(readAll(await open(disk.crash({})))).toEqual(['0:safe'])
  })

  it('brings to disk what a failed sync left in the page cache, when it is opened again and shows it', async () => {
    let failing = false
    const disk = new MemoryFileSystem({ fault: (operation) => (failing && operation === 'sync' ? 'EIO' : null) })
    const log = await open(disk)
    log.append(batch(['safe']), 'builder')
    await log.sync()
    failing = true
    log.append(batch(['cached']), 'builder')
    await expect(log.sync()).rejects.toEqual(throwing('STORAGE_ERROR'))
    failing = false
    await log.close()
    const again = await open(disk)
    expect(readAll(again)).toEqual(['0:safe', '1:cached'])
    again.append(batch(['after']), 'builder')
    await again.sync()
    expect(readAll(await open(disk.crash({})))).toEqual(['0:safe', '1:cached', '2:after'])
  })

  it('refuses appends on a full disk, damages nothing, and goes on when there is space', async () => {
    const limits: { capacityBytes: number } & MemoryFileSystemOptions = { capacityBytes: 1000 }
    const disk = new MemoryFileSystem(limits)
    const log = await open(disk)
    let appended = 0
    expect(() => {
      for (;;) {
        log.append(batch([`value-${appended}`]), 'builder')
        appended++
      }
    }).toThrow(expect.toSatisfy((error) => isStreamError(error, 'STORAGE_FULL') && error.retriable))
    limits.capacityBytes = 10_000
    log.append(batch(['again']), 'builder')
    await log.sync()
    expect(readAll(log)).toEqual([...Array.from({ length: appended }, (_, i) => `${i}:value-${i}`), `${appended}:again`])
    await log.close()
    expect(readAll(await open(disk.kill({}))).length).toBe(appended + 1)
  })

  it('cuts off what a failed write left behind before it writes on, when it could not be done at once', async () => {
    const refused = new Set<FileOperation>()
    const disk = new MemoryFileSystem({ fault: (operation, path) => (path.endsWith('.log') && refused.has(operation) ? (operation === 'write' ? 'ENOSPC' : 'EIO') : null) })
    const log = await open(disk)
    log.append(batch(['kept']), 'builder')
    await log.sync()
    const written = disk.bytesOf(`${directory}/00000000000000000000.log`).length
    for (const operation of ['write', 'truncate'] as const) refused.add(operation)
    expect(() => log.append(batch(['refused'.repeat(20)]), 'builder')).toThrow(expect.toSatisfy((error) => isStreamError(error, 'STORAGE_FULL')))
    refused.delete('write')
    expect(() => log.append(batch(['too early']), 'builder')).toThrow(expect.toSatisfy((error) => isStreamError(error, 'STORAGE_ERROR')))
    expect(disk.bytesOf(`${directory}/00000000000000000000.log`).length).toBeGreaterThan(written)
    refused.clear()
    expect(log.append(batch(['']), 'builder').baseOffset).toBe(1)
    await log.sync()
    expect(disk.bytesOf(`${directory}/00000000000000000000.log`).length).toBe(log.sizeBytes)
    expect(readAll(log)).toEqual(['0:kept', '1:'])
    await log.close()
  })

  it('leaves no file open where the disk refuses to write at a step of opening it', async () => {
    const whole = new MemoryFileSystem()
    const log = await open(whole, { segmentBytes: 200 })
    for (let i = 0; i < 8; i++) log.append(batch([`value-${i}`]), 'builder')
    await log.sync()
    for (let refused = 0, isRefused = true; isRefused; refused++) {
      let left = refused
      isRefused = false
      const disk = whole.kill({ fault: (operation) => (operation !== 'read' && left-- === 0 ? ((isRefused = true), 'EIO') : null) })
      const opened = await open(disk, { segmentBytes: 200 }).catch(() => null)
      left = -1
      await opened?.close()
      expect(disk.openFiles, `operation ${refused}`).toBe(0)
    }
    await log.close()
  })

  it('refuses reads past damage in the middle, naming file and position, and repairs nothing', async () => {
    const disk = new MemoryFileSystem()
    const log = await open(disk)
    for (let i = 0; i < 5; i++) log.append(batch([`value-${i}`]), 'builder')
    await log.close()
    const path = '/data/orders-0/00000000000000000000.log'
    const bytes = disk.bytesOf(path)
    const at = 2 * (bytes.length / 5) + 70
    bytes[at] = bytes[at]! ^ 1
    disk.setBytes(path, bytes)
    const again = await open(disk)
    const read = again.read({ offset: 0, maxBytes: 10_000, isolation: 'read-uncommitted' })
    expect(read.nextOffset).toBe(2)
    expect(() => again.read({ offset: 2, maxBytes: 10_000, isolation: 'read-uncommitted' })).toThrow(new RegExp(`${path} is damaged at position ${2 * (bytes.length / 5)}`))
    expect(disk.bytesOf(path)).toEqual(bytes)
  })

  it('leaves damage alone after a kill too, and takes no appends', async () => {
    const disk = new MemoryFileSystem()
    const log = await open(disk)
    for (let i = 0; i < 5; i++) log.append(batch([`value-${i}`]), 'builder')
    await log.sync()
    const path = '/data/orders-0/00000000000000000000.log'
    const bytes = disk.bytesOf(path)
    bytes[bytes.length / 5 + 70]! ^= 1
    disk.setBytes(path, bytes)
    const again = await open(disk.kill())
    expect(again.read({ offset: 0, maxBytes: 10_000, isolation: 'read-uncommitted' }).nextOffset).toBe(1)
    expect(() => again.read({ offset: 1, maxBytes: 10_000, isolation: 'read-uncommitted' })).toThrow(throwing('STORAGE_CORRUPT'))
    expect(() => again.append(batch(['x']), 'builder')).toThrow(throwing('STORAGE_CORRUPT'))
    expect(disk.bytesOf(path)).toEqual(bytes)
  })
})

function seededNext(seed: number): () => number {
  let state = seed * 2654435761 + 1
  return () => (state = (state * 1103515245 + 12345) % 2147483648) / 2147483648
}
