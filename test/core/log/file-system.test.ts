import { existsSync, mkdtempSync, readFileSync, readdirSync, readlinkSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { isStreamError } from '../../../src/core/errors.ts'
import { nodeFileSystem, replaceFile, storageError } from '../../../src/core/log/file-system.ts'
import type { FileSystem } from '../../../src/core/log/file-system.ts'
import { MemoryFileSystem } from '../../kit/memory-file-system.ts'

let directory: string

beforeEach(() => void (directory = mkdtempSync(join(tmpdir(), 'millrace-files-'))))
afterEach(() => rmSync(directory, { recursive: true }))

/** Files that this process has open there; none where the system does not tell. */
function openedIn(folder: string): readonly string[] {
  if (process.platform !== 'linux') return []
  return readdirSync('/proc/self/fd').map((fd) => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`)
    } catch {
      return ''
    }
  }).filter((path) => path.startsWith(folder))
}

/** What the log relies on, on a real disk and on the one of the tests. */
describe.each([['the real one', () => nodeFileSystem], ['the one in memory', () => new MemoryFileSystem()]] as const)('a file system: %s', (_name, make) => {
  let disk: FileSystem

  beforeEach(() => {
    disk = make()
    disk.makeDirectory(join(directory, 'a', 'b'))
  })

  const path = (name: string) => join(directory, 'a', 'b', name)
  const text = (name: string) => Buffer.from(disk.readFile(path(name), 100)!).toString()

  it('writes parts where it is told, reads what is there, and cuts', async () => {
    const file = disk.open(path('f'), 'write')
    file.write([Buffer.from('hello '), Buffer.from('world')], 0)
    file.write([Buffer.from('W')], 6)
    const into = Buffer.alloc(8)
    expect([file.read(into, 2, 6, 6), into.toString('latin1', 2, 7), file.read(into, 0, 8, 11)]).toEqual([5, 'World', 0])
    file.truncate(5)
    await file.sync()
    expect([file.sizeBytes(), text('f'), disk.stat(path('f'))!.sizeBytes]).toEqual([5, 'hello', 5])
    file.close()
  })

  it('reads aside, also to the end of a file that is closed meanwhile', async () => {
    const other = disk.open(path('other'), 'write')
    other.write([Buffer.alloc(1_000_000, 'o')], 0)
    const file = disk.open(path('f'), 'write')
    file.write([Buffer.from('hello world')], 0)
    const into = Buffer.alloc(8)
    expect([await file.readAside(into, 4), into.toString()]).toEqual([7, 'o world\0'])
    // More than can be under way at once: the last ones have not begun when the file is closed.
    const large = Buffer.alloc(1_000_000)
    const before = Array.from({ length: 200 }, () => other.readAside(large, 0))
    const reads = [file.readAside(into.subarray(0, 5), 0), file.readAside(into.subarray(5), 6)]
    file.close()
    const next = disk.open(path('next'), 'write')
    next.write([Buffer.from('not of that file')], 0)
    expect([await Promise.all(reads), into.toString()]).toEqual([[5, 3], 'hellowor'])
    await Promise.all(before)
    for (const open of [other, next]) open.close()
    await vi.waitFor(() => expect(openedIn(directory)).toEqual([]))
  })

  it('says null, none or nothing for what is not there', () => {
    expect([disk.readFile(path('no'), 9), disk.stat(path('no')), disk.list(path('no'))]).toEqual([null, null, []])
    disk.remove(path('no'))
    disk.removeDirectory(path('no'))
    expect(() => disk.open(path('no'), 'read')).toThrow(expect.toSatisfy((error) => isStreamError(error, 'STORAGE_ERROR') && error.message.includes(path('no'))))
  })

  it('replaces a file whole, and lists names in order', async () => {
    for (const content of ['first', 'second']) await replaceFile(disk, path('state'), Buffer.from(content))
    disk.open(path('another'), 'write').close()
    expect([text('state'), disk.list(join(directory, 'a', 'b'))]).toEqual(['second', ['another', 'state']])
    disk.removeDirectory(join(directory, 'a'))
    expect(disk.stat(join(directory, 'a'))).toBeNull()
  })

  it('links once, and reads no more than it was told', async () => {
    await replaceFile(disk, path('card'), Buffer.from('me'))
    expect([disk.link(path('card'), path('lock')), disk.link(path('card'), path('lock')), text('lock')]).toEqual([true, false, 'me'])
    expect(() => disk.readFile(path('card'), 1)).toThrow(expect.toSatisfy((error) => isStreamError(error, 'STORAGE_CORRUPT')))
  })

  it('knows who is alive', async () => {
    const announcement = await disk.announce(path('socket'))
    expect(await disk.isAnnounced(path('socket'))).toBe(true)
    announcement.withdraw()
    expect([await disk.isAnnounced(path('socket')), await disk.isAnnounced(path('never'))]).toEqual([false, false])
  })
})

describe('the real file system', () => {
  it('does not take the leftover of a dead process for a living one', async () => {
    writeFileSync(join(directory, 'socket'), '')
    expect(await nodeFileSystem.isAnnounced(join(directory, 'socket'))).toBe(false)
    expect(existsSync(join(directory, 'socket'))).toBe(true)
  })

  it('keeps the old file when the new one cannot be written', async () => {
    await replaceFile(nodeFileSystem, join(directory, 'f'), Buffer.from('old'))
    nodeFileSystem.makeDirectory(join(directory, 'f.tmp'))
    await expect(replaceFile(nodeFileSystem, join(directory, 'f'), Buffer.from('new'))).rejects.toEqual(expect.toSatisfy((error) => isStreamError(error, 'STORAGE_ERROR')))
    expect(readFileSync(join(directory, 'f'), 'utf8')).toBe('old')
  })
})

describe('storageError', () => {
  it('tells a full disk, which may be tried again, from a failing one', () => {
    const full = storageError('write', '/d/f', Object.assign(new Error('ENOSPC'), { code: 'ENOSPC' }))
    const failing = storageError('sync', '/d/f', Object.assign(new Error('EIO: i/o error'), { code: 'EIO' }))
    expect([full.code, full.retriable, failing.code, failing.retriable]).toEqual(['STORAGE_FULL', true, 'STORAGE_ERROR', false])
    expect(failing.message).toBe('cannot sync /d/f: EIO: i/o error')
  })
})
