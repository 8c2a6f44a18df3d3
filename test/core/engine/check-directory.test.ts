import { describe, expect, it } from 'vitest'
import { isStreamError } from '../../../src/core/errors.ts'
import { checkDataDirectory } from '../../../src/core/engine/check-directory.ts'
import { DataDirectory } from '../../../src/core/log/data-directory.ts'
import { afterPowerCut, committedValues, filesOf, valuesOf } from '../../kit/journalled-directory.ts'
import { batch, open } from '../../kit/log-fixtures.ts'
import { MemoryFileSystem } from '../../kit/memory-file-system.ts'

describe('checkDataDirectory', () => {
  it('answers for each partition, and leaves nothing behind', async () => {
    const disk = new MemoryFileSystem()
    const log = await open(disk)
    log.append(batch(['a', 'b']), 'builder')
    await log.close()
    const before = disk.list('/data')
    expect(await checkDataDirectory({ directory: '/data', fileSystem: disk })).toMatchObject([{ topic: 'orders', partition: 0, records: 2, findings: [] }])
    expect(disk.list('/data')).toEqual(before)
  })

  it('counts what only the journal has after a power cut, and changes nothing', async () => {
    const disk = await afterPowerCut()
    const before = filesOf(disk)
    const checked = (await checkDataDirectory({ directory: '/data', fileSystem: disk })).filter(({ topic }) => topic === 'orders')
    expect(checked.map(({ findings }) => findings)).toEqual([[], [], [], []])
    expect(checked.reduce((sum, { records }) => sum + records, 0)).toBeGreaterThanOrEqual(committedValues.length)
    expect(filesOf(disk)).toEqual(before)
    expect(valuesOf(disk).length).toBeLessThan(committedValues.length)
  })

  it('refuses a directory that is in use, and one that is not there', async () => {
    const disk = new MemoryFileSystem()
    await DataDirectory.open({ directory: '/data', fileSystem: disk, pid: 99 })
    await expect(checkDataDirectory({ directory: '/data', fileSystem: disk })).rejects.toEqual(expect.toSatisfy((error) => isStreamError(error, 'DIRECTORY_LOCKED')))
    await expect(checkDataDirectory({ directory: '/other', fileSystem: disk })).rejects.toThrow('/other is no directory')
  })
})
