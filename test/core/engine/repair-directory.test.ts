import { describe, expect, it } from 'vitest'
import { checkPartition } from '../../../src/core/log/check.ts'
import { repairDataDirectory } from '../../../src/core/engine/repair-directory.ts'
import { journalPaths } from '../../../src/core/log/sync-journal.ts'
import { afterPowerCut, committedValues, filesOf, valuesOf } from '../../kit/journalled-directory.ts'
import { batch, directory, open, readAll } from '../../kit/log-fixtures.ts'
import { MemoryFileSystem } from '../../kit/memory-file-system.ts'

const config = { segmentBytes: 400, indexIntervalBytes: 50 }
const data = '/data'

/** Offsets 0 to 11, four batches a segment. */
async function written(): Promise<MemoryFileSystem> {
  const disk = new MemoryFileSystem()
  const log = await open(disk, config)
  for (let i = 0; i < 12; i++) log.append(batch([`value-${i}`], { producerId: 7, producerEpoch: 0, baseSequence: i }), 'builder')
  await log.close()
  return disk.kill()
}

const logs = (disk: MemoryFileSystem) => disk.list(directory).filter((name) => name.endsWith('.log')).map((name) => `${directory}/${name}`)
const flipped = (bytes: Uint8Array, at: number) => bytes.map((byte, i) => (i === at ? byte ^ 1 : byte))

describe('repairDataDirectory', () => {
  it('finds nothing to do in a sound directory', async () => {
    expect(await repairDataDirectory({ directory: data, fileSystem: await written() }, 'cut')).toEqual([{ topic: 'orders', partition: 0, lost: [] }])
  })

  it('takes what the journal holds for written, and puts it in place before it cuts', async () => {
    const disk = await afterPowerCut()
    const before = filesOf(disk)
    const plan = await repairDataDirectory({ directory: data, fileSystem: disk }, 'none')
    expect(plan.flatMap(({ lost }) => lost)).toEqual([])
    expect(filesOf(disk)).toEqual(before)
    expect(await repairDataDirectory({ directory: data, fileSystem: disk }, 'cut')).toEqual(plan)
    expect(journalPaths(disk, data)).toEqual([])
    expect(valuesOf(disk)).toEqual(committedValues)
    expect(checkPartition(disk, `${data}/orders-0`).findings).toEqual([])
  })

  it('refuses a directory whose journal is damaged, and says which file', async () => {
    const disk = await afterPowerCut()
    const [journal] = journalPaths(disk, data)
    disk.setBytes(journal!, flipped(disk.bytesOf(journal!), 40))
    for (const mode of ['none', 'cut'] as const) {
      await expect(repairDataDirectory({ directory: data, fileSystem: disk }, mode)).rejects.toMatchObject({ code: 'STORAGE_CORRUPT', details: { path: journal } })
    }
  })

  it('says what would be lost before it does anything, and then loses just that', async () => {
    for (const path of logs(await written())) {
      const { length } = (await written()).bytesOf(path)
      for (let at = 0; at < length; at += 13) {
        const disk = await written()
        const all = readAll(await open(disk.kill(), config))
        const damaged = flipped(disk.bytesOf(path), at)
        disk.setBytes(path, damaged)
        const [plan] = await repairDataDirectory({ directory: data, fileSystem: disk }, 'none')
        expect(Buffer.compare(disk.bytesOf(path), damaged)).toBe(0)
        const [done] = await repairDataDirectory({ directory: data, fileSystem: disk }, 'cut')
        expect(done).toEqual(plan)
        if (plan!.lost.length === 0) continue // the leader epoch, which nothing depends on
        expect(disk.bytesOf(`${path}.damaged`)).toEqual(damaged)
        const isLost = (offset: number) => plan!.lost.some(({ firstOffset, lastOffset }) => offset >= firstOffset && offset <= (lastOffset ?? Infinity))
        const log = await open(disk, config)
        expect(log.failure).toBeNull()
        expect(readAll(log), `byte ${at} of ${path}`).toEqual(all.filter((entry) => !isLost(Number.parseInt(entry, 10))))
        expect(plan!.lost.length).toBe(1)
        log.append(batch(['after']), 'builder')
        await log.sync()
        expect(readAll(log).at(-1)).toMatch(/:after$/)
        await log.close()
        expect(checkPartition(disk, directory).findings).toEqual([])
      }
    }
  })

  it('leaves the damaged log or the repaired one when it is interrupted, and ends what was begun when it is called again', async () => {
    const [path] = logs(await written())
    const operations: string[] = []
    const run = async (stopAt: number) => {
      const sound = await written()
      sound.setBytes(path!, flipped(sound.bytesOf(path!), 120))
      let left = stopAt
      const disk = sound.kill({ fault: (operation, file) => (operation !== 'read' && (operations.push(`${operation} ${file}`), left-- <= 0) ? 'EIO' : null) })
      await repairDataDirectory({ directory: data, fileSystem: disk }, 'cut').catch(() => undefined)
      const after = disk.kill({})
      await repairDataDirectory({ directory: data, fileSystem: after }, 'cut')
      return readAll(await open(after, config))
    }
    const repaired = await run(Infinity)
    expect(repaired).toHaveLength(11)
    const { length } = operations
    for (let stopAt = 1; stopAt < length; stopAt++) expect(await run(stopAt), `stopped at operation ${stopAt}`).toEqual(repaired)
  })
})
