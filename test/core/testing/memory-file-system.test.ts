import { describe, expect, it } from 'vitest'
import { seededRandom } from '../../../src/core/random.ts'
import { MemoryFileSystem } from '../../../src/core/testing/memory-file-system.ts'

const text = (disk: MemoryFileSystem, path: string) => Buffer.from(disk.bytesOf(path)).toString()

async function written(disk: MemoryFileSystem): Promise<void> {
  disk.makeDirectory('/a/b')
  const file = disk.open('/a/b/f', 'write')
  file.write([Buffer.from('synced')], 0)
  await file.sync()
  await disk.syncDirectory('/a/b')
  file.write([Buffer.from(' and not')], 6)
  file.close()
}

describe('a disk in memory', () => {
  it('keeps what was synced when the power goes, and of the rest what chance leaves', async () => {
    const found = new Set<string>()
    for (let seed = 0; seed < 20; seed++) {
      const disk = new MemoryFileSystem({ random: seededRandom(seed) })
      await written(disk)
      found.add(text(disk.crash(), '/a/b/f'))
      expect(text(disk.kill(), '/a/b/f')).toBe('synced and not')
    }
    expect(found).toEqual(new Set(['synced', 'synced and not']))
  })

  it('lists what a directory has, through renames, removals and crashes', async () => {
    const disk = new MemoryFileSystem()
    await written(disk)
    disk.rename('/a/b/f', '/a/b/g')
    disk.makeDirectory('/a/c')
    expect([disk.list('/'), disk.list('/a'), disk.list('/a/b'), disk.list('/none')]).toEqual([['a'], ['b', 'c'], ['g'], []])
    expect(disk.kill().list('/a/b')).toEqual(['g'])
    disk.removeDirectory('/a/b')
    expect([disk.list('/a'), disk.list('/a/b'), disk.stat('/a/b/g')]).toEqual([['c'], [], null])
  })
})
