/** Exhaustive: the disk refuses each single operation of a log's life in turn, once or for a while, for want of space or altogether. */
import { describe, expect, it } from 'vitest'
import { isStreamError } from '../../src/core/errors.ts'
import { checkPartition } from '../../src/core/log/check.ts'
import { PartitionLog } from '../../src/core/log/partition-log.ts'
import { defaultLogConfig } from '../../src/core/log/log-config.ts'
import { batch, directory, now, open, readAll } from '../kit/log-fixtures.ts'
import type { OpenOptions } from '../kit/log-fixtures.ts'
import { ManualClock } from '../kit/manual-clock.ts'
import { MemoryFileSystem } from '../kit/memory-file-system.ts'
import type { FileOperation } from '../kit/memory-file-system.ts'

type Errno = 'ENOSPC' | 'EIO'

const config = { segmentBytes: 500, indexIntervalBytes: 50, retentionBytes: 1500, minCleanableRatio: 0 }
const compacted = { ...config, retentionBytes: -1, cleanup: { delete: false, compact: true } }
/** What refuses for want of space; everything can fail altogether. */
const growing: ReadonlySet<FileOperation> = new Set(['create', 'write', 'make directory', 'rename', 'sync', 'sync directory'])

interface Fault {
  readonly errno: Errno
  /** Which operations, counted from 0, are refused. */
  readonly from: number
  readonly to: number
}

interface Run {
  readonly disk: MemoryFileSystem
  readonly operations: readonly FileOperation[]
  /** Values whose sync was answered as done. */
  readonly acknowledged: readonly string[]
  readonly attempted: readonly string[]
  readonly errors: readonly unknown[]
}

/** Appends, transactions, rolls, retention or compaction, deleting, closing, opening: whatever fails is noted, and the life goes on. */
async function live(settings: OpenOptions, fault: Fault | null): Promise<Run> {
  const operations: FileOperation[] = []
  let isOver = false
  const disk = new MemoryFileSystem({
    fault(operation) {
      if (isOver || operation === 'read' || operation === 'open') return null
      const index = operations.push(operation) - 1
      return fault !== null && index >= fault.from && index < fault.to ? fault.errno : null
    },
  })
  const errors: unknown[] = []
  const acknowledged: string[] = []
  const attempted: string[] = []
  let log: PartitionLog | null = null
  const attempt = async <T>(action: () => T | Promise<T>): Promise<T | undefined> => {
    try {
      return await action()
    } catch (error) {
      errors.push(error)
      return undefined
    }
  }
  for (let life = 0; life < 3; life++) {
    for (let tries = 0; tries < 3 && log === null; tries++) log = (await attempt(() => open(disk, settings))) ?? null
    if (log === null) break
    const current: PartitionLog = log
    for (let i = 0; i < 6; i++) {
      const value = `${life}-${i}`.padEnd(60, '.')
      attempted.push(value)
      const appended = await attempt(() => current.append(batch([value]), 'builder'))
      const synced = await attempt(() => current.sync().then(() => true))
      if (appended && synced) acknowledged.push(value)
      if (i === 3) await attempt(() => current.applyRetention())
      if (i === 4) await attempt(() => current.compact(() => Promise.resolve()))
      if (i === 5 && life === 1) await attempt(() => current.deleteRecordsBefore(current.logStartOffset + 1))
    }
    await attempt(() => current.close())
    log = null
  }
  isOver = true
  return { disk, operations, acknowledged, attempted, errors }
}

const valuesOf = (seen: readonly string[]) => seen.map((entry) => entry.slice(entry.indexOf(':') + 1))

async function expectSound(run: Run, keepsAll: boolean, where: string): Promise<void> {
  for (const error of run.errors) expect(isStreamError(error), `${where}: ${String(error)}`).toBe(true)
  const disk = run.disk.kill({})
  const log = await PartitionLog.open({ directory, name: 'orders-0', fileSystem: disk, clock: new ManualClock(now), config: { ...defaultLogConfig, ...config } })
  expect(log.failure, where).toBeNull()
  const there = valuesOf(readAll(log))
  // In order, and nothing that was not appended.
  expect(there, where).toEqual(run.attempted.filter((value) => there.includes(value)))
  expect(new Set(there).size, where).toBe(there.length)
  const needed = keepsAll ? run.acknowledged : run.acknowledged.filter((value) => run.acknowledged.indexOf(value) >= run.acknowledged.indexOf(there[0]!))
  expect(there, where).toEqual(expect.arrayContaining(needed.slice(keepsAll ? -1 : 0)))
  log.append(batch(['after']), 'builder')
  await log.sync()
  expect(valuesOf(readAll(log)).at(-1), where).toBe('after')
  await log.close()
  expect(checkPartition(disk, directory).findings, where).toEqual([])
  expect(disk.openFiles, where).toBe(0)
}

describe.each([['retained', config, false], ['compacted', compacted, true]] as const)('a %s log on a failing disk', (_, settings, keepsAll) => {
  it.each(['ENOSPC', 'EIO'] as const)('loses nothing acknowledged, whichever operation is refused once with %s', async (errno) => {
    const { operations, errors } = await live(settings, null)
    expect(errors).toEqual([])
    for (const [index, operation] of operations.entries()) {
      if (errno === 'ENOSPC' && !growing.has(operation)) continue
      const run = await live(settings, { errno, from: index, to: index + 1 })
      await expectSound(run, keepsAll, `${errno} at operation ${index} (${operation})`)
    }
  }, 120_000)

  it('goes on when space returns after any stretch without', async () => {
    const { operations } = await live(settings, null)
    for (let from = 0; from < operations.length; from += 3) {
      const run = await live(settings, { errno: 'ENOSPC', from, to: from + 25 })
      await expectSound(run, keepsAll, `no space from operation ${from} on`)
    }
  }, 120_000)
})
