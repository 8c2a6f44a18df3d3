import { fork } from 'node:child_process'
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { isStreamError } from '../../../src/core/errors.ts'
import { DirectoryLock } from '../../../src/core/log/directory-lock.ts'
import { nodeFileSystem } from '../../../src/core/log/file-system.ts'
import { randomInteger, seededRandom, systemRandom } from '../../../src/core/random.ts'
import { MemoryFileSystem } from '../../kit/memory-file-system.ts'

const lockedBy = (pid: number) => expect.toSatisfy((error) => isStreamError(error, 'DIRECTORY_LOCKED') && error.message.includes(`process ${pid};`), `locked by ${pid}`)

describe('DirectoryLock', () => {
  let directory: string

  beforeEach(() => void (directory = mkdtempSync(join(tmpdir(), 'millrace-lock-'))))
  afterEach(() => rmSync(directory, { recursive: true }))

  const acquire = (pid = process.pid) => DirectoryLock.acquire({ fileSystem: nodeFileSystem, directory, random: systemRandom, pid })

  it('refuses a second holder, in the same process too, and names the first', async () => {
    const lock = await acquire(4711)
    await expect(acquire()).rejects.toEqual(lockedBy(4711))
    lock.release()
    lock.release()
    const again = await acquire()
    again.release()
    expect(readdirSync(directory)).toEqual([])
  })

  it('works in a directory whose path is longer than a socket path may be', async () => {
    directory = join(directory, 'd'.repeat(60), 'e'.repeat(60))
    nodeFileSystem.makeDirectory(directory)
    const lock = await acquire(7)
    await expect(acquire()).rejects.toEqual(lockedBy(7))
    lock.release()
    directory = join(directory, '..', '..')
  })

  it('is taken over from a process that was killed, and its process id does not matter', async () => {
    const code = `
      import net from 'node:net'; import fs from 'node:fs'
      const [directory, id] = process.argv.slice(2)
      net.createServer().listen(directory + '/.lock.' + id + '.socket', () => {
        fs.writeFileSync(directory + '/.lock', id + ' ' + ${process.pid} + '\\n')
        process.send('locked')
      })`
    const script = join(directory, 'holder.mjs')
    nodeFileSystem.open(script, 'write').write([Buffer.from(code)], 0)
    const child = fork(script, [directory, '00000000-0000-4000-8000-000000000000'])
    await new Promise((resolve) => child.once('message', resolve))
    await expect(acquire()).rejects.toEqual(lockedBy(process.pid))
    child.kill('SIGKILL')
    await new Promise((resolve) => child.once('exit', resolve))
    const lock = await acquire()
    expect(readdirSync(directory).filter((name) => name.includes('00000000'))).toEqual([])
    lock.release()
  })

  it('is taken over when a power cut left a lock without text', async () => {
    nodeFileSystem.open(join(directory, '.lock'), 'write').close()
    const lock = await acquire(5)
    await expect(acquire()).rejects.toEqual(lockedBy(5))
    lock.release()
  })

  it('is held by nobody after a failure to take it or to give it back, whichever step the disk refuses', async () => {
    for (let refused = 0, isRefused = true; isRefused; refused++) {
      let left = refused + 1
      isRefused = false
      const disk = new MemoryFileSystem({ fault: () => (left-- === 0 ? ((isRefused = true), 'EIO') : null) })
      disk.makeDirectory('/d')
      const options = { fileSystem: disk, directory: '/d', random: systemRandom, pid: 5 }
      await DirectoryLock.acquire(options).then((lock) => lock.release()).catch(() => undefined)
      left = -1
      const next = await DirectoryLock.acquire(options)
      next.release()
    }
  })

  it('is taken over after any row of power cuts, in the middle of earlier take-overs too', async () => {
    for (let seed = 0; seed < 100; seed++) {
      const random = seededRandom(seed)
      let disk = new MemoryFileSystem({ random })
      disk.makeDirectory('/d')
      for (let life = 0; life < 8; life++) {
        let left = randomInteger(random, 20)
        const running = disk.kill({ random, fault: () => (left-- > 0 ? null : 'EIO') })
        await DirectoryLock.acquire({ fileSystem: running, directory: '/d', random, pid: life }).catch(() => undefined)
        disk = running.crash({ random })
      }
      const lock = await DirectoryLock.acquire({ fileSystem: disk.kill({ random }), directory: '/d', random, pid: 9 }).catch((error: unknown) => error)
      expect(lock, `seed ${seed}`).toBeInstanceOf(DirectoryLock)
    }
  })

  it('lets exactly one of many take over from a dead holder, wherever each of them is interrupted', async () => {
    for (let seed = 0; seed < 100; seed++) {
      const random = seededRandom(seed)
      const disk = new MemoryFileSystem()
      disk.makeDirectory('/data')
      disk.setBytes('/data/.lock', Buffer.from('00000000-0000-4000-8000-000000000000 1\n'))
      if (seed % 2 === 1) disk.setBytes('/data/.lock.claim-00000000-0000-4000-8000-000000000000', Buffer.from('00000000-0000-4000-8000-000000000001 2\n'))
      if (seed % 4 === 3) disk.setBytes('/data/.lock.claim-00000000-0000-4000-8000-000000000001', Buffer.from('00000000-0000-4000-8000-000000000002 3\n'))
      // Each question to the disk about the living takes a random while, so that the contenders interleave in many ways.
      const slow = Object.assign(Object.create(disk) as MemoryFileSystem, {
        isAnnounced: async (path: string) => {
          for (let turns = random.next() * 20; turns > 0; turns--) await Promise.resolve()
          return disk.isAnnounced(path)
        },
        announce: (path: string) => disk.announce(path),
      })
      for (const name of ['open', 'readFile', 'link', 'remove', 'rename'] as const) Object.assign(slow, { [name]: (disk[name] as (...args: unknown[]) => unknown).bind(disk) })
      const contenders = Array.from({ length: 5 }, (_, i) => DirectoryLock.acquire({ fileSystem: slow, directory: '/data', random, pid: i }))
      const results = await Promise.allSettled(contenders)
      const winners = results.filter((result) => result.status === 'fulfilled')
      expect(winners.length, `seed ${seed}`).toBe(1)
    }
  })
})
