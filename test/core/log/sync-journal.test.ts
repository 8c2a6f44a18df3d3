import { describe, expect, it } from 'vitest'
import { checkDataDirectory } from '../../../src/core/engine/check-directory.ts'
import { defaultLogConfig } from '../../../src/core/log/log-config.ts'
import { PartitionLog } from '../../../src/core/log/partition-log.ts'
import { RecordBatchBuilder } from '../../../src/core/log/record-batch-builder.ts'
import { sealBatch } from '../../../src/core/log/record-batch.ts'
import { redoJournal } from '../../../src/core/log/redo-journal.ts'
import { SyncJournal, journalPaths } from '../../../src/core/log/sync-journal.ts'
import { ManualClock } from '../../kit/manual-clock.ts'
import { MemoryFileSystem } from '../../kit/memory-file-system.ts'
import type { FileOperation } from '../../kit/memory-file-system.ts'

const directory = '/data'
const journalPath = '/data/millrace.journal.0'
const names = ['a-0', 'b-0', 'c-0', 'd-0']

interface Opened {
  readonly journal: SyncJournal
  readonly logs: readonly PartitionLog[]
}

function openLog(disk: MemoryFileSystem, name: string): Promise<PartitionLog> {
  return PartitionLog.open({ directory: `${directory}/${name}`, name, topicId: name, fileSystem: disk, clock: new ManualClock(), config: defaultLogConfig })
}

async function open(disk: MemoryFileSystem): Promise<Opened> {
  disk.makeDirectory(directory)
  await redoJournal({ fileSystem: disk, directory, isCurrent: (name, topicId) => name === topicId })
  const logs = await Promise.all(names.map((name) => openLog(disk, name)))
  return { logs, journal: new SyncJournal({ fileSystem: disk, directory, clock: new ManualClock() }) }
}

function append(log: PartitionLog, value: string): void {
  const builder = new RecordBatchBuilder({ maxBytes: 200_000 })
  builder.add(null, Buffer.from(value), 1000)
  const { bytes } = builder.build()
  sealBatch(bytes, { producerId: -1, producerEpoch: -1, baseSequence: -1, transactional: false })
  log.append(bytes, 'client')
}

/** Counts the syncs of files; `refuse` names those that fail. */
class WatchedDisk {
  readonly synced: string[] = []
  refuse = ''
  readonly disk = new MemoryFileSystem({
    fault: (operation: FileOperation, path) => {
      if (operation !== 'sync') return null
      this.synced.push(path.slice(directory.length + 1).replace(/\/.*/, ''))
      return this.refuse !== '' && path.includes(this.refuse) ? 'EIO' : null
    },
  })
}

describe('SyncJournal', () => {
  it('makes what many logs took durable with one sync', async () => {
    const watched = new WatchedDisk()
    const { journal, logs } = await open(watched.disk)
    for (const log of logs) append(log, log.name)
    watched.synced.length = 0
    await journal.sync(logs)
    expect(watched.synced).toEqual(['millrace.journal.0'])
    expect(logs.map(({ highWatermark }) => highWatermark)).toEqual([1, 1, 1, 1])

    const after = await open(watched.disk.crash())
    expect(after.logs.map(({ logEndOffset }) => logEndOffset)).toEqual([1, 1, 1, 1])
  })

  it('syncs the files of few logs, and of those that took much', async () => {
    const watched = new WatchedDisk()
    const { journal, logs } = await open(watched.disk)
    for (const log of logs.slice(0, 2)) append(log, 'x')
    watched.synced.length = 0
    await journal.sync(logs)
    expect(watched.synced.toSorted()).toEqual(['a-0', 'b-0'])

    for (const log of logs.slice(0, 3)) append(log, 'x')
    append(logs[3]!, 'x'.repeat(100_000))
    watched.synced.length = 0
    await journal.sync(logs)
    expect(watched.synced.toSorted()).toEqual(['d-0', 'millrace.journal.0'])
  })

  it('is gone after a clean end, and stays after any other', async () => {
    const { disk } = new WatchedDisk()
    const first = await open(disk)
    for (const log of first.logs) append(log, 'x')
    await first.journal.sync(first.logs)
    expect(journalPaths(disk, directory)).toEqual([journalPath])
    expect(journalPaths(disk.kill(), directory)).toEqual([journalPath])
    await Promise.all(first.logs.map((log) => log.close()))
    await first.journal.close(true)
    expect(journalPaths(disk, directory)).toEqual([])
  })

  it('is not taken for a partition by what walks the directory', async () => {
    const disk = await written()
    expect(journalPaths(disk, directory)).toEqual([journalPath])
    const checked = await checkDataDirectory({ directory, fileSystem: disk.kill() })
    expect(checked.map(({ topic, partition, records, findings }) => [`${topic}-${partition}`, records, findings])).toEqual(names.map((name) => [name, 3, []]))
  })

  it('syncs the logs themselves when its own sync fails, and is not used again', async () => {
    const watched = new WatchedDisk()
    const { journal, logs } = await open(watched.disk)
    watched.refuse = 'journal'
    for (const log of logs) append(log, 'x')
    await journal.sync(logs)
    expect(logs.map(({ failure }) => failure)).toEqual([null, null, null, null])
    watched.refuse = ''
    watched.synced.length = 0
    for (const log of logs) append(log, 'y')
    await journal.sync(logs)
    expect(watched.synced.toSorted()).toEqual(names)
    expect((await open(watched.disk.crash())).logs.map(({ logEndOffset }) => logEndOffset)).toEqual([2, 2, 2, 2])
  })

  it('does not answer well for a log whose sync failed while others waited for the next one', async () => {
    const watched = new WatchedDisk()
    const { logs: [log] } = await open(watched.disk)
    append(log!, 'x')
    watched.refuse = 'a-0'
    const first = log!.sync()
    append(log!, 'y')
    const second = log!.sync()
    watched.refuse = ''
    await expect(first).rejects.toMatchObject({ code: 'STORAGE_ERROR' })
    await expect(second).rejects.toMatchObject({ code: 'STORAGE_ERROR' })
  })
})

/** A directory that was never closed, with three frames. */
async function written(): Promise<MemoryFileSystem> {
  const { disk } = new WatchedDisk()
  const { journal, logs } = await open(disk)
  for (let i = 0; i < 3; i++) {
    for (const log of logs) append(log, `value ${i}`)
    await journal.sync(logs)
  }
  return disk
}

describe('redoJournal', () => {
  it('detects each flipped byte of a frame that is not the last, and loses nothing else', async () => {
    const disk = await written()
    const bytes = disk.bytesOf(journalPath)
    const frameBytes = bytes.length / 3
    for (let at = 0; at < bytes.length; at += 7) {
      const damaged = disk.kill()
      damaged.setBytes(journalPath, Uint8Array.from(bytes, (byte, i) => (i === at ? byte ^ 0x55 : byte)))
      const redone = redoJournal({ fileSystem: damaged, directory, isCurrent: () => true })
      if (at < 2 * frameBytes && !isPadding(bytes, at)) {
        await expect(redone, `byte ${at}`).rejects.toMatchObject({ code: 'STORAGE_CORRUPT', details: { path: journalPath, position: at < frameBytes ? 0 : frameBytes } })
      } else {
        await redone
        expect((await open(damaged)).logs.map(({ logEndOffset }) => logEndOffset)).toEqual([3, 3, 3, 3])
      }
    }
  })

  it('takes any beginning of the last frame for a write that nobody was told of', async () => {
    const disk = await written()
    const bytes = disk.bytesOf(journalPath)
    for (let length = (bytes.length / 3) * 2; length < bytes.length; length += 13) {
      const torn = disk.kill()
      torn.setBytes(journalPath, bytes.slice(0, length))
      expect((await open(torn)).logs.map(({ logEndOffset }) => logEndOffset)).toEqual([3, 3, 3, 3])
      expect(journalPaths(torn, directory)).toEqual([])
    }
  })

  it('leaves a topic alone that took the place of another', async () => {
    const disk = await written()
    const [taken, kept] = ['a-0', 'b-0'].map((name) => `${directory}/${name}/00000000000000000000.log`)
    const before = disk.bytesOf(kept!)
    for (const path of [taken!, kept!]) disk.setBytes(path, Buffer.from('of another topic'))
    await redoJournal({ fileSystem: disk, directory, isCurrent: (name) => name !== 'a-0' })
    expect(Buffer.from(disk.bytesOf(taken!)).toString()).toBe('of another topic')
    expect(disk.bytesOf(kept!)).toEqual(before)
  })
})

/** Between a frame's end and the next sector. */
function isPadding(bytes: Uint8Array, at: number): boolean {
  const frameBytes = bytes.length / 3
  const start = Math.floor(at / frameBytes) * frameBytes
  return at >= start + new DataView(bytes.buffer).getUint32(start + 4)
}
