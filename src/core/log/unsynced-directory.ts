/**
 * A directory of files that are written without a sync, for which another source exists: what a killed process wrote is there
 * for the next one, but after a restart of the machine nothing may be assumed about a file, not even that old and new parts of it fit
 * together. A mark tells the two apart:
 * ```
 *   .synced   { "synced": true }                      closed, and synced before that: good whatever happens
 *             { "synced": false, "bootId": "7388…" }  in use since that start of the machine: good until its next one
 * ```
 * Whatever is found without such a mark, or with one of another start of the machine, is removed as a whole.
 */
import { join } from 'node:path'
import { isStreamError } from '../errors.ts'
import { systemRandom } from '../random.ts'
import type { Random } from '../random.ts'
import { DirectoryLock } from './directory-lock.ts'
import { nodeFileSystem, replaceFile } from './file-system.ts'
import type { FileSystem } from './file-system.ts'

export interface UnsyncedDirectoryOptions {
  readonly fileSystem: FileSystem
  readonly directory: string
  /** Another one after each start of the machine; null where that is not known: then only what was closed is good. */
  readonly bootId: string | null
  /** The files are synced by who writes them, so that they are good at any time. */
  readonly syncsItself: boolean
  readonly random: Random
  /** Of this process, for the error that another one gets. */
  readonly pid: number
}

interface Mark {
  readonly synced: boolean
  readonly bootId: string | null
}

const markName = '.synced'
const maxMarkBytes = 1024
const maxBootIdBytes = 128

/** Held by one process at a time. Names in it that begin with a dot are its own. */
export class UnsyncedDirectory {
  /** What was there could not be relied on, and is gone. */
  readonly wasDiscarded: boolean
  readonly #options: UnsyncedDirectoryOptions
  readonly #lock: DirectoryLock
  #isOpen = true

  private constructor(options: UnsyncedDirectoryOptions, lock: DirectoryLock, wasDiscarded: boolean) {
    this.#options = options
    this.#lock = lock
    this.wasDiscarded = wasDiscarded
  }

  /** Makes the directory when it is not there. @throws DIRECTORY_LOCKED naming the process that has it */
  static async open(options: UnsyncedDirectoryOptions): Promise<UnsyncedDirectory> {
    const { fileSystem, directory, bootId, syncsItself } = options
    fileSystem.makeDirectory(directory)
    const lock = await DirectoryLock.acquire(options)
    try {
      const mark = readMark(fileSystem, directory)
      const isGood = mark !== null && (mark.synced || (mark.bootId !== null && mark.bootId === bootId))
      const wasDiscarded = !isGood && (await discard(fileSystem, directory))
      // What was left open is not on disk only because the next who writes syncs.
      if (syncsItself && isGood && !mark.synced) await syncAll(fileSystem, directory)
      await writeMark(fileSystem, directory, { synced: syncsItself, bootId })
      return new UnsyncedDirectory(options, lock, wasDiscarded)
    } catch (error) {
      lock.release()
      throw error
    }
  }

  /** Once nobody writes any more. What cannot be synced is not relied on by the next who opens. Safe to call twice. */
  async close(): Promise<void> {
    if (!this.#isOpen) return
    this.#isOpen = false
    const { fileSystem, directory } = this.#options
    try {
      const synced = await syncAll(fileSystem, directory).then(() => true, () => false)
      await writeMark(fileSystem, directory, { synced, bootId: null }).catch(() => fileSystem.remove(join(directory, markName)))
    } finally {
      this.#lock.release()
    }
  }
}

/** For files that are written past the file system of the log, as those of a database are. */
export async function openUnsyncedDirectory(directory: string, { syncsItself }: Pick<UnsyncedDirectoryOptions, 'syncsItself'>): Promise<UnsyncedDirectory> {
  return UnsyncedDirectory.open({ fileSystem: nodeFileSystem, directory, bootId: bootIdOf(nodeFileSystem), syncsItself, random: systemRandom, pid: process.pid })
}

/** Linux has one; null elsewhere. */
function bootIdOf(fileSystem: FileSystem): string | null {
  const bytes = fileSystem.readFile('/proc/sys/kernel/random/boot_id', maxBootIdBytes)
  return bytes === null || bytes.length === 0 ? null : Buffer.from(bytes).toString().trim()
}

/** null where there is none that can be read: a power cut may leave anything of a mark that was being written. */
function readMark(fileSystem: FileSystem, directory: string): Mark | null {
  try {
    const bytes = fileSystem.readFile(join(directory, markName), maxMarkBytes)
    if (bytes === null) return null
    const { synced, bootId } = JSON.parse(Buffer.from(bytes).toString()) as Partial<Mark>
    return { synced: synced === true, bootId: typeof bootId === 'string' ? bootId : null }
  } catch (error) {
    if (isStreamError(error) && error.code !== 'STORAGE_CORRUPT') throw error
    return null
  }
}

async function writeMark(fileSystem: FileSystem, directory: string, mark: Mark): Promise<void> {
  await replaceFile(fileSystem, join(directory, markName), Buffer.from(`${JSON.stringify(mark)}\n`))
}

/** False when there was nothing. */
async function discard(fileSystem: FileSystem, directory: string): Promise<boolean> {
  const paths = entriesOf(fileSystem, directory)
  for (const path of paths) {
    if (isDirectory(fileSystem, path)) fileSystem.removeDirectory(path)
    else fileSystem.remove(path)
  }
  await fileSystem.syncDirectory(directory)
  return paths.length > 0
}

async function syncAll(fileSystem: FileSystem, directory: string): Promise<void> {
  for (const path of entriesOf(fileSystem, directory)) {
    if (isDirectory(fileSystem, path)) await syncAll(fileSystem, path)
    else await syncFile(fileSystem, path)
  }
  await fileSystem.syncDirectory(directory)
}

function entriesOf(fileSystem: FileSystem, directory: string): readonly string[] {
  return fileSystem.list(directory).filter((name) => !name.startsWith('.')).map((name) => join(directory, name))
}

function isDirectory(fileSystem: FileSystem, path: string): boolean {
  return fileSystem.stat(path)?.isDirectory === true
}

async function syncFile(fileSystem: FileSystem, path: string): Promise<void> {
  const file = fileSystem.open(path, 'write')
  try {
    await file.sync()
  } finally {
    file.close()
  }
}
