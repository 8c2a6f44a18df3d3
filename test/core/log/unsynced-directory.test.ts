import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { UnsyncedDirectory, openUnsyncedDirectory } from '../../../src/core/log/unsynced-directory.ts'
import { randomInteger, seededRandom } from '../../../src/core/random.ts'
import type { Random } from '../../../src/core/random.ts'
import { MemoryFileSystem } from '../../kit/memory-file-system.ts'

describe('a directory on this machine', () => {
  let directory: string
  beforeEach(() => { directory = join(mkdtempSync(join(tmpdir(), 'millrace-unsynced-')), 'not', 'yet', 'there') })
  afterEach(() => rmSync(join(directory, '..', '..', '..'), { recursive: true, force: true }))

  const open = () => openUnsyncedDirectory(directory, { syncsItself: false })

  it('is made, and kept from others until it is closed', async () => {
    const held = await open()
    await expect(open()).rejects.toMatchObject({ code: 'DIRECTORY_LOCKED', details: { directory, pid: process.pid } })
    await held.close()
    const next = await open()
    await held.close()
    expect([held.wasDiscarded, next.wasDiscarded]).toEqual([false, false])
    expect(readFileSync(join(directory, '.synced'), 'utf8')).toContain('"synced":false')
    await next.close()
  })

  it.skipIf(process.platform !== 'linux')('knows the start of the machine', async () => {
    const held = await open()
    expect(JSON.parse(readFileSync(join(directory, '.synced'), 'utf8'))).toEqual({ synced: false, bootId: expect.stringMatching(/^[\da-f-]{36}$/) as string })
    await held.close()
  })

  it('takes nothing over that has no mark', async () => {
    const held = await open()
    writeFileSync(join(directory, 'rows'), 'x')
    await held.close()
    rmSync(join(directory, '.synced'))
    const next = await open()
    expect(next.wasDiscarded).toBe(true)
    await next.close()
  })
})

const text = 'old rows, of which no part may be missing '.repeat(100)
const newer = text.toUpperCase()

function openOn(fileSystem: MemoryFileSystem, random: Random, bootId: string | null, syncsItself = false): Promise<UnsyncedDirectory> {
  return UnsyncedDirectory.open({ fileSystem, directory: '/state', bootId, syncsItself, random, pid: 1 })
}

/** As a database does: in place, a page at a time, in no order, without a sync. */
function write(fileSystem: MemoryFileSystem, random: Random, content: string): void {
  fileSystem.makeDirectory('/state/0_0')
  const file = fileSystem.open('/state/0_0/data.mdb', 'write')
  const pages = Array.from({ length: Math.ceil(content.length / 100) }, (_, page) => page * 100)
  for (const at of pages.toSorted(() => (randomInteger(random, 2) === 0 ? -1 : 1))) file.write([Buffer.from(content.slice(at, at + 100))], at)
  file.close()
}

const found = (fileSystem: MemoryFileSystem) => fileSystem.readFile('/state/0_0/data.mdb', 1 << 20)?.toString() === undefined ? null : Buffer.from(fileSystem.bytesOf('/state/0_0/data.mdb')).toString()

describe('what the next one finds', () => {
  it('is whole or nothing, after a power cut at any operation of a life that opens, writes and closes', async () => {
    let kept = 0
    let discarded = 0
    for (let seed = 0; seed < 400; seed++) {
      const random = seededRandom(seed)
      const before = new MemoryFileSystem({ random })
      const first = await openOn(before, random, 'boot 1')
      write(before, random, text)
      await first.close()
      let left = randomInteger(random, 60)
      let cut: MemoryFileSystem | null = null
      const running: MemoryFileSystem = before.kill({ random, fault: () => {
        if (left-- > 0) return null
        cut ??= running.crash({ random })
        return 'EIO'
      } })
      try {
        const second = await openOn(running, random, 'boot 1')
        write(running, random, newer)
        await second.close()
      } catch { /* the disk is gone */ }
      const disk: MemoryFileSystem = cut ?? running.crash({ random })
      const last = await openOn(disk, random, 'boot 2')
      const content = found(disk)
      expect([null, text, newer], `seed ${seed}`).toContain(content)
      expect(last.wasDiscarded, `seed ${seed}`).toBe(content === null)
      if (content === null) discarded++
      else kept++
    }
    expect(Math.min(kept, discarded)).toBeGreaterThan(50)
  })

  it('is everything that a killed process wrote, while the machine runs on', async () => {
    const random = seededRandom(1)
    const disk = new MemoryFileSystem({ random })
    await openOn(disk, random, 'boot 1')
    write(disk, random, text)
    const after = disk.kill()
    expect((await openOn(after, random, 'boot 1')).wasDiscarded).toBe(false)
    expect(found(after)).toBe(text)
  })

  it('is nothing after a kill where starts of the machine cannot be told apart', async () => {
    const random = seededRandom(1)
    const disk = new MemoryFileSystem({ random })
    await openOn(disk, random, null)
    write(disk, random, text)
    const after = disk.kill()
    expect((await openOn(after, random, null)).wasDiscarded).toBe(true)
    expect(found(after)).toBe(null)
  })

  it('is nothing when the last sync failed, in this start of the machine too', async () => {
    const random = seededRandom(1)
    const disk = new MemoryFileSystem({ random, fault: (operation, path) => (operation === 'sync' && path.endsWith('data.mdb') ? 'EIO' : null) })
    const held = await openOn(disk, random, 'boot 1')
    write(disk, random, text)
    await held.close()
    expect((await openOn(disk.kill({ random }), random, 'boot 1')).wasDiscarded).toBe(true)
  })

  it('is what the writer synced, of one who does; what was there unsynced before is synced first', async () => {
    const random = seededRandom(1)
    const disk = new MemoryFileSystem({ random })
    await openOn(disk, random, 'boot 1')
    write(disk, random, text)
    const killed = disk.kill()
    const unsynced = killed.open('/state/0_0/data.mdb', 'write')
    unsynced.write([Buffer.from(newer)], 0)
    unsynced.close()
    await openOn(killed, random, 'boot 1', true)
    const after = killed.crash()
    expect((await openOn(after, random, 'boot 2', true)).wasDiscarded).toBe(false)
    expect(found(after)).toBe(newer)
  })
})
