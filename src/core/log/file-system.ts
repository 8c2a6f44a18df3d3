/**
 * Files as the log uses them. The disk arrives as an argument, so that a simulation can lose un-synced writes, tear the
 * last one or run out of space; this is the one file of the core that imports `node:fs`.
 *
 * Everything that only touches the page cache is synchronous: a write there is a memory copy, and two hops through a
 * thread pool would cost more than the copy. What waits for the disk (`sync`, `syncDirectory`) is asynchronous, and what nobody
 * waits for yet (`readAside`).
 * Every failure is a StreamError: STORAGE_FULL (retriable) when the disk is full, STORAGE_ERROR otherwise.
 */
import * as fs from 'node:fs'
import * as net from 'node:net'
import { dirname, join } from 'node:path'
import { StreamError } from '../errors.ts'

export interface FileSystem {
  /** `read` needs the file to be there; `write` reads too, and creates it when it is not. */
  open(path: string, mode: 'read' | 'write'): FileHandle
  /** The whole file, or null when there is none. @throws STORAGE_CORRUPT when it is larger than `maxBytes`, before allocating */
  readFile(path: string, maxBytes: number): Uint8Array | null
  /** null when there is no such file or directory. */
  stat(path: string): FileStatus | null
  /** Names in a directory, sorted; none when it does not exist. */
  list(directory: string): readonly string[]
  /** With its parents; fine when it exists. */
  makeDirectory(path: string): void
  /** Replaces `to` at once. Durable after `syncDirectory`. */
  rename(from: string, to: string): void
  /** Gives the file a second name at once; false, and nothing done, when `path` exists. */
  link(existing: string, path: string): boolean
  /** A missing file is fine. */
  remove(path: string): void
  /** With everything in it; a missing directory is fine. */
  removeDirectory(path: string): void
  /** Makes creations, renames and removals in the directory durable. */
  syncDirectory(path: string): Promise<void>
  /** Shows under this path that the process lives; the operating system takes it back when the process dies, however it dies. */
  announce(path: string): Promise<Announcement>
  /** True while somebody who announced this path lives. */
  isAnnounced(path: string): Promise<boolean>
}

export interface FileStatus {
  readonly sizeBytes: number
  readonly modifiedMs: number
  readonly isDirectory: boolean
}

export interface Announcement {
  withdraw(): void
}

export interface FileHandle {
  readonly path: string
  sizeBytes(): number
  /** Fills `into[at, at + length)` from `position` on; returns the bytes read, fewer only at the end of the file. */
  read(into: Uint8Array, at: number, length: number, position: number): number
  /**
   * Fills `into` from `position` on while the caller goes on, who leaves `into` alone until then; resolves to the bytes read. The
   * file may be closed meanwhile. @throws STORAGE_ERROR
   */
  readAside(into: Uint8Array, position: number): Promise<number>
  /** Writes all the parts one after the other from `position` on; when it throws, any prefix may have been written. */
  write(parts: readonly Uint8Array[], position: number): void
  truncate(sizeBytes: number): void
  /** Resolves when everything written before the call is on disk. After a failure nothing may be assumed about it. */
  sync(): Promise<void>
  close(): void
}

/** Writes a small file so that a crash leaves the old one or the new one, whole: temporary file, sync, rename, sync of the directory. */
export async function replaceFile(fileSystem: FileSystem, path: string, bytes: Uint8Array): Promise<void> {
  const temporary = `${path}.tmp`
  const file = fileSystem.open(temporary, 'write')
  try {
    file.truncate(0)
    file.write([bytes], 0)
    await file.sync()
  } finally {
    file.close()
  }
  fileSystem.rename(temporary, path)
  await fileSystem.syncDirectory(dirname(path))
}

/** What every implementation throws when the operating system refuses: which operation on which file, and why. */
export function storageError(operation: string, path: string, cause: unknown): StreamError {
  const errno = errnoOf(cause)
  if (errno === 'ENOSPC' || errno === 'EDQUOT') {
    return new StreamError('STORAGE_FULL', `no space left to ${operation} ${path}; free space and try again`, { retriable: true, cause, details: { path, errno } })
  }
  const reason = cause instanceof Error ? cause.message : String(cause)
  return new StreamError('STORAGE_ERROR', `cannot ${operation} ${path}: ${reason}`, { cause, details: { path, errno } })
}

function errnoOf(error: unknown): string | undefined {
  const code = error instanceof Error ? (error as NodeJS.ErrnoException).code : undefined
  return typeof code === 'string' ? code : undefined
}

function attempt<T>(operation: string, path: string, run: () => T): T {
  try {
    return run()
  } catch (error) {
    throw storageError(operation, path, error)
  }
}

/** As `attempt`; `otherwise` when the file or directory is not there. */
function attemptOr<T>(otherwise: T, absent: string, operation: string, path: string, run: () => T): T {
  try {
    return run()
  } catch (error) {
    if (errnoOf(error) === absent) return otherwise
    throw storageError(operation, path, error)
  }
}

class NodeFile implements FileHandle {
  readonly path: string
  readonly #fd: number
  /** Under way in threads of their own: until they end, the descriptor must not become that of another file. */
  #readsAside = 0
  #isClosing = false

  constructor(path: string, fd: number) {
    this.path = path
    this.#fd = fd
  }

  sizeBytes(): number {
    return attempt('stat', this.path, () => fs.fstatSync(this.#fd).size)
  }

  read(into: Uint8Array, at: number, length: number, position: number): number {
    try {
      let done = 0
      while (done < length) {
        const count = fs.readSync(this.#fd, into, at + done, length - done, position + done)
        if (count === 0) break
        done += count
      }
      return done
    } catch (error) {
      throw storageError('read', this.path, error)
    }
  }

  readAside(into: Uint8Array, position: number): Promise<number> {
    this.#readsAside++
    return new Promise((resolve, reject) => {
      fs.read(this.#fd, into, 0, into.length, position, (error, length) => {
        this.#readsAside--
        if (this.#isClosing && this.#readsAside === 0) fs.close(this.#fd, () => undefined)
        if (error) reject(storageError('read', this.path, error))
        else resolve(length)
      })
    })
  }

  write(parts: readonly Uint8Array[], position: number): void {
    try {
      if (parts.length === 1) this.#writePart(parts[0]!, position)
      else this.#writeRest(parts, position, fs.writevSync(this.#fd, parts, position))
    } catch (error) {
      throw storageError('write', this.path, error)
    }
  }

  /** A write of many parts may end anywhere, also because the disk is full: the next one says so. */
  #writeRest(parts: readonly Uint8Array[], position: number, written: number): void {
    let at = 0
    for (const part of parts) {
      const done = Math.max(0, written - at)
      if (done < part.length) this.#writePart(part.subarray(done), position + at + done)
      at += part.length
    }
  }

  #writePart(part: Uint8Array, position: number): void {
    let done = 0
    while (done < part.length) done += fs.writeSync(this.#fd, part, done, part.length - done, position + done)
  }

  truncate(sizeBytes: number): void {
    attempt('truncate', this.path, () => fs.ftruncateSync(this.#fd, sizeBytes))
  }

  sync(): Promise<void> {
    return new Promise((resolve, reject) => {
      fs.fdatasync(this.#fd, (error) => (error ? reject(storageError('sync', this.path, error)) : resolve()))
    })
  }

  close(): void {
    if (this.#readsAside > 0) this.#isClosing = true
    else attempt('close', this.path, () => fs.closeSync(this.#fd))
  }
}

export const nodeFileSystem: FileSystem = {
  open(path, mode) {
    const flags = mode === 'read' ? fs.constants.O_RDONLY : fs.constants.O_RDWR | fs.constants.O_CREAT
    return new NodeFile(path, attempt('open', path, () => fs.openSync(path, flags, 0o644)))
  },

  readFile(path, maxBytes) {
    const sizeBytes = attemptOr(0, 'ENOENT', 'stat', path, () => fs.statSync(path).size)
    if (sizeBytes > maxBytes) throw new StreamError('STORAGE_CORRUPT', `${path} has ${sizeBytes} bytes; at most ${maxBytes} can be right`, { details: { path, sizeBytes } })
    return attemptOr(null, 'ENOENT', 'read', path, () => fs.readFileSync(path))
  },

  stat(path) {
    return attemptOr(null, 'ENOENT', 'stat', path, () => {
      const status = fs.statSync(path)
      return { sizeBytes: status.size, modifiedMs: status.mtimeMs, isDirectory: status.isDirectory() }
    })
  },

  list: (directory) => attemptOr<string[]>([], 'ENOENT', 'list', directory, () => fs.readdirSync(directory)).sort(),
  makeDirectory: (path) => attempt('create directory', path, () => void fs.mkdirSync(path, { recursive: true })),
  rename: (from, to) => attempt('rename', from, () => fs.renameSync(from, to)),
  link: (existing, path) => attemptOr(false, 'EEXIST', 'link', path, () => (fs.linkSync(existing, path), true)),
  remove: (path) => attempt('remove', path, () => fs.rmSync(path, { force: true })),
  removeDirectory: (path) => attempt('remove directory', path, () => fs.rmSync(path, { recursive: true, force: true })),

  syncDirectory(path) {
    return new Promise((resolve, reject) => {
      const fd = attempt('open', path, () => fs.openSync(path, fs.constants.O_RDONLY))
      fs.fsync(fd, (error) => {
        fs.closeSync(fd)
        if (error) reject(storageError('sync directory', path, error))
        else resolve()
      })
    })
  },

  announce(path) {
    return withSocketPath(path, (socketPath, release) => new Promise((resolve, reject) => {
      const server = net.createServer((socket) => socket.destroy())
      server.unref()
      server.once('error', (error) => (release(), reject(storageError('listen on', path, error))))
      server.listen(socketPath, () => {
        release()
        resolve({ withdraw: () => (server.close(), fs.rmSync(path, { force: true })) })
      })
    }))
  },

  isAnnounced(path) {
    if (!fs.existsSync(path)) return Promise.resolve(false)
    return withSocketPath(path, (socketPath, release) => new Promise((resolve) => {
      const socket = net.connect(socketPath)
      const answer = (alive: boolean) => (socket.destroy(), release(), resolve(alive))
      socket.once('connect', () => answer(true))
      // Whoever cannot be asked (no permission, a full backlog) may live: only a refusal proves that nobody listens.
      socket.once('error', (error) => answer(!['ECONNREFUSED', 'ENOENT'].includes(errnoOf(error) ?? '')))
    }))
  },
}

const maxSocketPathBytes = 100

/** Socket paths end at about 104 bytes; on Linux a deep directory is reached through its descriptor. */
function withSocketPath<T>(path: string, use: (socketPath: string, release: () => void) => Promise<T>): Promise<T> {
  if (Buffer.byteLength(path) <= maxSocketPathBytes || process.platform !== 'linux') return use(path, () => undefined)
  const fd = attempt('open', dirname(path), () => fs.openSync(dirname(path), fs.constants.O_RDONLY))
  return use(join(`/proc/self/fd/${fd}`, path.slice(dirname(path).length + 1)), () => fs.closeSync(fd))
}

/** Resolves when all steps have ended, so that none goes on behind a failure. @throws what the first of them that failed throws */
export async function allEnded(steps: readonly Promise<unknown>[]): Promise<void> {
  for (const result of await Promise.allSettled(steps)) if (result.status === 'rejected') throw result.reason
}
