import { describe, expect, it } from 'vitest'
import { isStreamError, randomInteger, seededRandom } from '../../../src/core/index.ts'
import type { PartitionLog } from '../../../src/core/log/partition-log.ts'
import { RecordBatchBuilder } from '../../../src/core/log/record-batch-builder.ts'
import { RecordBatchView, sealBatch } from '../../../src/core/log/record-batch.ts'
import { turns } from '../../kit/held-disk.ts'
import { now, open } from '../../kit/log-fixtures.ts'
import { MemoryFileSystem } from '../../kit/memory-file-system.ts'
import { OverwrittenMemory } from '../../kit/overwritten-blocks.ts'

const kib = 1024
const readBytes = 256 * kib

/** One record whose value is that byte again and again. */
function batchOf(byte: number, bytes: number, key = 'k'): Uint8Array {
  const builder = new RecordBatchBuilder({ maxBytes: 1024 * kib })
  builder.add(Buffer.from(key), Buffer.alloc(bytes, byte), now)
  const batch = builder.build()
  sealBatch(batch.bytes, { producerId: -1, producerEpoch: -1, baseSequence: -1, transactional: false })
  return batch.bytes
}

/** What stands in batches, in a copy: who iterates over what was read keeps its block. */
function valuesOf(batches: readonly RecordBatchView[]): readonly string[] {
  return batches.flatMap(({ batchBytes }) => Array.from(new RecordBatchView(batchBytes.slice()), ({ offset, value }) => `${offset}:${value!.length}×${value![0]},${value!.at(-1)}`))
}

function giveBack(batches: readonly RecordBatchView[]): void {
  for (const block of new Set(batches.map((batch) => batch.reader().block))) block?.giveBack()
}

/** A disk that notes which reads of segments somebody waited for, and a log of so many batches of 60 KiB. */
async function filled(batches: number, fail: { of: 'EIO' | null } = { of: null }) {
  const reads: string[] = []
  const disk = new MemoryFileSystem({
    fault: (operation, path) => {
      if (operation !== 'read' || !path.endsWith('.log')) return null
      reads.push(path)
      return fail.of
    },
  })
  const log = await open(disk, { segmentBytes: 16 * 1024 * kib, maxBatchBytes: 1024 * kib })
  for (let i = 0; i < batches; i++) log.append(batchOf(i, 60 * kib), 'builder')
  await log.sync()
  const memory = new OverwrittenMemory()
  const read = (offset: number, maxBytes = readBytes) => {
    reads.length = 0
    return log.read({ offset, maxBytes, isolation: 'read-committed', memory })
  }
  return { disk, log, memory, reads, read }
}

describe('a segment that is read into memory of its reader', () => {
  it('reads on while the reader works, and gives that without another read', async () => {
    const { read, reads, memory } = await filled(40)
    const first = read(0)
    expect([first.nextOffset, reads.length]).toEqual([4, 1])
    await turns(2)
    const second = read(4)
    expect([second.nextOffset, reads.length, memory.taken]).toEqual([8, 0, 3])
    expect(valuesOf(second.batches)).toEqual([4, 5, 6, 7].map((n) => `${n}:61440×${n},${n}`))
  })

  it('reads at once what is asked for before it has come, and gives the other block back when it has', async () => {
    const { read, reads, memory } = await filled(40)
    read(0)
    const second = read(4)
    expect([valuesOf(second.batches)[0], reads.length, memory.overwritten]).toEqual(['4:61440×4,4', 1, 0])
    await turns(2)
    expect(memory.overwritten).toBe(1)
    expect(valuesOf(second.batches)[3]).toBe('7:61440×7,7')
  })

  it('gives a block back that nobody comes for because the reader went elsewhere', async () => {
    const { read, reads, memory } = await filled(40)
    read(0)
    await turns(2)
    expect(valuesOf(read(20).batches)[0]).toBe('20:61440×20,20')
    expect(reads.length).toBeGreaterThan(0)
    expect(memory.overwritten).toBe(1)
  })

  it('reads once more what could not be read ahead', async () => {
    const fail = { of: null as 'EIO' | null }
    const { read, reads } = await filled(40, fail)
    read(0)
    fail.of = 'EIO'
    await turns(2)
    expect(() => read(4)).toThrow(expect.toSatisfy((error) => isStreamError(error, 'STORAGE_ERROR')))
    fail.of = null
    expect([valuesOf(read(4).batches).length, reads.length]).toEqual([4, 1])
  })

  it('says that a file ends too early, also where that was read ahead', async () => {
    const { disk, read } = await filled(40)
    read(0)
    const segment = disk.open('/data/orders-0/00000000000000000000.log', 'write')
    segment.truncate(330 * kib)
    segment.close()
    await turns(2)
    expect(() => read(4)).toThrow(expect.toSatisfy((error) => isStreamError(error, 'STORAGE_CORRUPT') && error.message.includes('the file ends')))
  })

  it('leaves alone what is less than a whole read, or what is read in little pieces', async () => {
    const { read, memory } = await filled(6)
    read(0)
    read(0, 100 * kib)
    expect([memory.ahead.size, memory.taken]).toEqual([0, 2])
  })

  it('is one of two at most that are read ahead; one whose reader went away makes room', async () => {
    const memory = new OverwrittenMemory()
    const logs: PartitionLog[] = []
    for (let i = 0; i < 6; i++) logs.push((await filled(40)).log)
    const read = (log: PartitionLog, offset: number) => log.read({ offset, maxBytes: readBytes, isolation: 'read-committed', memory })
    for (const log of logs) read(log, 0)
    expect(memory.ahead.size).toBe(2)
    await turns(2)
    const before = [...memory.ahead.keys()]
    for (let round = 0; round < 16; round++) read(logs[5]!, 0)
    expect([[...memory.ahead.keys()].filter((reader) => before.includes(reader)).length, memory.overwritten]).toEqual([1, 1])
    expect(memory.ahead.size).toBe(2)
  })
})

describe('readers of a log that is appended to, cut, compacted and deleted from', () => {
  it('see the same with what was read ahead as without', async () => {
    for (let seed = 1; seed <= 40; seed++) await compare(seed)
  })

  async function compare(seed: number): Promise<void> {
    const random = seededRandom(seed)
    let full = false
    const disk = new MemoryFileSystem({ random, fault: (operation, path) => (full && operation === 'write' && path.endsWith('.log') ? 'ENOSPC' : null) })
    const options = { segmentBytes: 2048 * kib, maxBatchBytes: 1024 * kib, indexIntervalBytes: 100 * kib, minCleanableRatio: 0, cleanup: { delete: true, compact: seed % 3 === 0 } }
    const log = await open(disk, options)
    const readers = Array.from({ length: 2 }, () => ({ offset: 0, memory: new OverwrittenMemory() }))
    for (let step = 0; step < 60; step++) {
      const dice = randomInteger(random, 100)
      if (dice < 30) {
        for (let i = 0; i < 8; i++) log.append(batchOf(randomInteger(random, 256), 1 + randomInteger(random, 80 * kib), `k${randomInteger(random, 20)}`), 'builder')
        await log.sync()
      } else if (dice < 35) {
        full = true
        try {
          log.append(batchOf(7, 60 * kib), 'builder')
        } catch (error) {
          if (!isStreamError(error, 'STORAGE_FULL')) throw error
        }
        full = false
      } else if (dice < 40) await log.deleteRecordsBefore(log.logStartOffset + randomInteger(random, log.highWatermark - log.logStartOffset + 1))
      else if (dice < 45 && seed % 3 === 0) await log.compact(() => Promise.resolve())
      else if (dice < 50) await turns(1)
      else {
        const reader = readers[randomInteger(random, 2)]!
        if (dice > 95) reader.offset = randomInteger(random, log.highWatermark + 1)
        reader.offset = Math.max(reader.offset, log.logStartOffset)
        const request = { offset: reader.offset, maxBytes: readBytes + randomInteger(random, readBytes), isolation: 'read-committed' } as const
        const read = log.read({ ...request, memory: reader.memory })
        const plain = log.read({ ...request, maxBytes: 8192 * kib })
        const values = valuesOf(read.batches)
        expect(values, `seed ${seed}`).toEqual(valuesOf(plain.batches).slice(0, values.length))
        expect(values.length > 0, `seed ${seed}`).toBe(plain.batches.length > 0)
        reader.offset = read.nextOffset
        if (randomInteger(random, 2) === 0) await turns(1)
        expect(valuesOf(read.batches), `seed ${seed}`).toEqual(values)
        giveBack(read.batches)
      }
    }
    await log.close()
    expect(disk.openFiles).toBe(0)
  }
})
