/** Exhaustive: every byte of a small log's files is damaged in turn, and its tail is cut at every place. */
import { describe, expect, it } from 'vitest'
import { isStreamError } from '../../src/core/errors.ts'
import type { PartitionLog } from '../../src/core/log/partition-log.ts'
import { batch, directory, now, open, readAll } from '../kit/log-fixtures.ts'
import { MemoryFileSystem } from '../kit/memory-file-system.ts'

const config = { segmentBytes: 700, indexIntervalBytes: 50 }
const leaderEpochBytes = [12, 13, 14, 15]

/** Three segments with producers, transactions (one aborted, one open) and timestamps out of order. */
async function write(end: 'close' | 'kill'): Promise<MemoryFileSystem> {
  const disk = new MemoryFileSystem()
  const log = await open(disk, config)
  const marker = (producerId: number, type: 'commit' | 'abort') => log.appendMarker({ producerId, producerEpoch: 0, coordinatorEpoch: 0, type, timestamp: now })
  for (let i = 0; i < 4; i++) {
    log.append(batch([`plain-${i}`, 'x'], {}, now + 1000 * ((i * 7) % 5)), 'builder')
    log.append(batch([`sequenced-${i}`], { producerId: 1, producerEpoch: 0, baseSequence: i }), 'builder')
    log.append(batch([`transacted-${i}`], { producerId: 2, producerEpoch: 0, baseSequence: i, transactional: true }), 'builder')
    if (i < 3) marker(2, i % 2 === 0 ? 'commit' : 'abort')
  }
  await log.sync()
  if (end === 'close') await log.close()
  return disk.kill()
}

async function whatIsThere(disk: MemoryFileSystem) {
  const log = await open(disk, config)
  return { all: readAll(log), committed: readAll(log, 'read-committed'), open: log.openTransactions(), times: timesOf(log), end: log.logEndOffset }
}

function timesOf(log: PartitionLog) {
  return [0, 500, 1000, 2001, 3000, 4001].map((after) => log.offsetForTimestamp(now + after)?.offset ?? -1)
}

/** The values that stand before the damage, which is found at its batch or one before (whose end the damaged offset belies). */
function readUpToDamage(log: PartitionLog): { readonly seen: readonly string[]; readonly message: string } {
  const seen: string[] = []
  try {
    for (let offset = 0; offset < log.logEndOffset || log.failure !== null;) {
      const read = log.read({ offset, maxBytes: 150, isolation: 'read-uncommitted' })
      for (const view of read.batches) if (!view.isControl) for (const record of view) seen.push(`${record.offset}:${Buffer.from(record.value!).toString()}`)
      offset = read.nextOffset
    }
    return { seen, message: '' }
  } catch (error) {
    if (isStreamError(error, 'STORAGE_CORRUPT')) return { seen, message: error.message }
    throw error
  }
}

function files(disk: MemoryFileSystem, ...suffixes: readonly string[]): readonly string[] {
  return disk.list(directory).filter((name) => suffixes.some((suffix) => name.endsWith(suffix))).map((name) => `${directory}/${name}`)
}

function flipped(bytes: Uint8Array, at: number, bit: number): Uint8Array {
  const copy = Uint8Array.from(bytes)
  copy[at]! ^= 1 << bit
  return copy
}

describe('a damaged log', () => {
  it.each(['close', 'kill'] as const)('is read up to the damaged byte, whichever it is, and never repaired, after a %s', async (end) => {
    const disk = await write(end)
    const good = await whatIsThere(disk.kill())
    for (const path of files(disk, '.log')) {
      const bytes = disk.bytesOf(path)
      for (let at = 0; at < bytes.length; at++) {
        const damaged = disk.kill()
        const changed = flipped(bytes, at, at % 8)
        damaged.setBytes(path, changed)
        const { seen, message } = readUpToDamage(await open(damaged, config))
        expect(seen, `byte ${at} of ${path}`).toEqual(good.all.slice(0, seen.length))
        if (message === '' && seen.length === good.all.length) expect(isLeaderEpoch(bytes, at), `byte ${at} of ${path} is not covered`).toBe(true)
        else expect(message === '' ? 'cut' : message, `byte ${at} of ${path}`).toMatch(end === 'close' ? new RegExp(`${path} is damaged at position \\d+`) : /is damaged at position|^cut$/)
        if (message !== '') expect(Buffer.compare(damaged.bytesOf(path), changed)).toBe(0)
      }
    }
  }, 120_000)

  it('is read as ever when an index, a snapshot or the checkpoint is damaged or missing', async () => {
    const disk = await write('close')
    const good = await whatIsThere(disk.kill())
    for (const path of files(disk, '.index', '.timeindex', '.txnindex', '.txncheck', '.snapshot', '.checkpoint')) {
      const bytes = disk.bytesOf(path)
      for (let at = 0; at <= bytes.length; at++) {
        const damaged = disk.kill()
        if (at < bytes.length) damaged.setBytes(path, flipped(bytes, at, at % 8))
        else damaged.remove(path)
        expect(await whatIsThere(damaged), `byte ${at} of ${path}`).toEqual(good)
      }
    }
  }, 120_000)

  it('takes no aborted transaction from an index that a crash left behind', async () => {
    const disk = new MemoryFileSystem()
    const log = await open(disk, config)
    log.append(batch(['aborted'], { producerId: 2, producerEpoch: 0, baseSequence: 0, transactional: true }), 'builder')
    log.appendMarker({ producerId: 2, producerEpoch: 0, coordinatorEpoch: 0, type: 'abort', timestamp: now })
    await log.close()
    // The marker is cut, and the transaction is committed after all.
    const [path] = files(disk, '.log')
    const torn = disk.kill()
    torn.setBytes(path!, disk.bytesOf(path!).subarray(0, -5))
    const again = await open(torn, config)
    again.appendMarker({ producerId: 2, producerEpoch: 0, coordinatorEpoch: 0, type: 'commit', timestamp: now })
    for (let i = 0; i < 9; i++) again.append(batch([`later-${i}`.padEnd(100)]), 'builder')
    await again.sync()
    await again.close()
    const last = await open(torn.kill(), config)
    expect(readAll(last, 'read-committed')[0]).toBe('0:aborted')
  })

  it('is cut to the last whole batch when its tail is missing, wherever it was cut', async () => {
    for (const end of ['close', 'kill'] as const) {
      const disk = await write(end)
      const { all } = await whatIsThere(disk.kill())
      const path = files(disk, '.log').at(-1)!
      const bytes = disk.bytesOf(path)
      for (let length = 0; length < bytes.length; length++) {
        const cut = disk.kill()
        cut.setBytes(path, bytes.subarray(0, length))
        const log = await open(cut, config)
        const seen = readAll(log)
        expect(seen, `${length} bytes of ${path}`).toEqual(all.slice(0, seen.length))
        expect(log.failure).toBeNull()
        log.append(batch(['again']), 'builder')
        await log.sync()
        expect(readAll(log).at(-1)).toMatch(/:again$/)
      }
    }
  }, 120_000)
})

/** Of some batch: the only field that neither a checksum nor an order holds. Nothing depends on it. */
function isLeaderEpoch(bytes: Uint8Array, at: number): boolean {
  for (let position = 0; position < bytes.length;) {
    const size = 12 + new DataView(bytes.buffer, bytes.byteOffset + position).getInt32(8)
    if (at < position + size) return leaderEpochBytes.includes(at - position)
    position += size
  }
  return false
}
