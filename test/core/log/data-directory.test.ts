import { describe, expect, it } from 'vitest'
import { isStreamError } from '../../../src/core/errors.ts'
import { DataDirectory } from '../../../src/core/log/data-directory.ts'
import { MemoryFileSystem } from '../../kit/memory-file-system.ts'

const open = (fileSystem: MemoryFileSystem) => DataDirectory.open({ directory: '/data', fileSystem })

describe('DataDirectory', () => {
  it('refuses a directory that a newer version wrote, and leaves it unlocked', async () => {
    const disk = new MemoryFileSystem()
    ;(await open(disk)).close()
    disk.setBytes('/data/millrace.format', Buffer.from('2\n'))
    for (let attempt = 0; attempt < 2; attempt++) {
      await expect(open(disk)).rejects.toEqual(expect.toSatisfy((error) => isStreamError(error, 'UNSUPPORTED_FORMAT') && error.message.includes('format is 2')))
    }
  })

  it('refuses a format file that is none', async () => {
    const disk = new MemoryFileSystem()
    disk.setBytes('/data/millrace.format', Buffer.from('one'))
    await expect(open(disk)).rejects.toEqual(expect.toSatisfy((error) => isStreamError(error, 'STORAGE_CORRUPT')))
  })

  it('lists the partitions by topic and number', async () => {
    const disk = new MemoryFileSystem()
    const directory = await open(disk)
    for (const name of ['b-10', 'b-9', 'a-b-0', 'not a partition', '__consumer_offsets-1', 'a']) disk.makeDirectory(`/data/${name}`)
    expect(directory.partitions().map(({ topic, partition }) => `${topic} ${partition}`)).toEqual(['__consumer_offsets 1', 'a-b 0', 'b 9', 'b 10'])
    expect(directory.partitionPath({ topic: 'a-b', partition: 3 })).toBe('/data/a-b-3')
  })
})
