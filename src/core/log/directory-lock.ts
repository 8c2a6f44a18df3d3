/**
 * One process per directory. `.lock` names the holder; whether the holder lives is asked of the operating system through its
 * announcement (a socket beside the file), which is gone the moment the process is, however it died and whoever has its
 * process id now.
 * ```
 *   acquire ─ no .lock ─────────────────────────▶ held ──release──▶ free
 *      └───── .lock of a dead holder ── claim ──────▲
 * ```
 * Taking over from a dead holder is a race that exactly one must win: each holder has an id of its own, and only the first
 * who links `.lock.claim-<id of the dead>` is its successor.
 */
import { basename, join } from 'node:path'
import { StreamError } from '../errors.ts'
import { randomUuid } from '../random.ts'
import type { Random } from '../random.ts'
import type { Announcement, FileSystem } from './file-system.ts'

export interface DirectoryLockOptions {
  readonly fileSystem: FileSystem
  readonly directory: string
  readonly random: Random
  /** Of this process, for the error that another one gets. */
  readonly pid: number
}

interface Holder {
  readonly id: string
  readonly pid: number
}

const lockName = '.lock'
const maxLockBytes = 1024
const maxAttempts = 100

export class DirectoryLock {
  readonly #options: DirectoryLockOptions
  readonly #announcement: Announcement
  #held = true

  private constructor(options: DirectoryLockOptions, announcement: Announcement) {
    this.#options = options
    this.#announcement = announcement
  }

  /** @throws DIRECTORY_LOCKED when a living process, this one included, holds it: the message names its process id */
  static async acquire(options: DirectoryLockOptions): Promise<DirectoryLock> {
    const { fileSystem, directory, pid } = options
    const me = { id: randomUuid(options.random), pid }
    const card = join(directory, `${lockName}.${me.id}`)
    const announcement = await fileSystem.announce(socketPath(directory, me))
    try {
      writeHolder(fileSystem, card, me)
      await takeLock(options, card)
      fileSystem.remove(card)
      return new DirectoryLock(options, announcement)
    } catch (error) {
      // First of all: a lock that it has taken, and gives to nobody, is that of a dead holder from now on.
      announcement.withdraw()
      fileSystem.remove(card)
      throw error
    }
  }

  /** Safe to call twice. */
  release(): void {
    if (!this.#held) return
    this.#held = false
    // In this order: whoever sees the lock sees its holder alive.
    try {
      this.#options.fileSystem.remove(join(this.#options.directory, lockName))
    } finally {
      this.#announcement.withdraw()
    }
  }
}

async function takeLock(options: DirectoryLockOptions, card: string): Promise<void> {
  const { fileSystem, directory } = options
  const lock = join(directory, lockName)
  for (let attempt = 0; attempt < maxAttempts; attempt++) {
    if (fileSystem.link(card, lock)) return
    const holder = readHolder(fileSystem, lock)
    if (holder === null) continue
    if (await isAlive(options, holder)) throw locked(directory, holder)
    if (await succeed(options, holder, card)) return
  }
  throw new StreamError('DIRECTORY_LOCKED', `${directory} changes hands too quickly to be locked; try again`, { retriable: true, details: { directory } })
}

/** Becomes the successor of a dead holder; false when somebody else did, or when it was not the holder any more. */
async function succeed(options: DirectoryLockOptions, dead: Holder, card: string): Promise<boolean> {
  const { fileSystem, directory } = options
  const lock = join(directory, lockName)
  const claim = join(directory, claimName(dead))
  if (!fileSystem.link(card, claim)) {
    const claimant = readHolder(fileSystem, claim)
    if (claimant !== null && (await isAlive(options, claimant))) throw locked(directory, claimant)
    // Whoever claimed it died before it took it. Its claim can be succeeded in turn, in the same way.
    if (claimant !== null && (await succeed(options, claimant, card))) fileSystem.remove(claim)
    return readHolder(fileSystem, lock)?.id === readHolder(fileSystem, card)?.id
  }
  const isCurrent = readHolder(fileSystem, lock)?.id === dead.id || isClaimant(fileSystem, directory, lock, dead)
  if (isCurrent) {
    const successor = `${card}.next`
    fileSystem.link(card, successor)
    fileSystem.rename(successor, lock)
    fileSystem.remove(socketPath(directory, dead))
  }
  fileSystem.remove(claim)
  return isCurrent
}

/** Whether the dead one had claimed the lock of the one before it and not yet taken it; the one before may have been such a claimant itself. */
function isClaimant(fileSystem: FileSystem, directory: string, lock: string, dead: Holder): boolean {
  const seen = new Set<string>()
  for (let before = readHolder(fileSystem, lock); before !== null && !seen.has(before.id);) {
    seen.add(before.id)
    before = readHolder(fileSystem, join(directory, claimName(before)))
    if (before?.id === dead.id) return true
  }
  return false
}

function claimName(dead: Holder): string {
  return `${lockName}.claim-${dead.id}`
}

function isAlive({ fileSystem, directory }: DirectoryLockOptions, holder: Holder): Promise<boolean> {
  return fileSystem.isAnnounced(socketPath(directory, holder))
}

function socketPath(directory: string, holder: Holder): string {
  return join(directory, `${lockName}.${holder.id}.socket`)
}

function locked(directory: string, holder: Holder): StreamError {
  return new StreamError('DIRECTORY_LOCKED', `${directory} is in use by process ${holder.pid}; stop it, or use another directory`, { details: { directory, pid: holder.pid } })
}

function writeHolder(fileSystem: FileSystem, path: string, holder: Holder): void {
  const file = fileSystem.open(path, 'write')
  try {
    file.write([Buffer.from(`${holder.id} ${holder.pid}\n`)], 0)
  } finally {
    file.close()
  }
}

/**
 * A lock is linked with all its text, so only a power cut leaves one that cannot be read: its holder is dead. Its id is made of the
 * name of the file, so that no two of them are one: `unreadable`, and one dash more for each claim upon such a one.
 */
function unreadable(path: string): Holder {
  const [, before] = basename(path).split('.claim-')
  return { id: before === undefined ? 'unreadable' : `${before}-`, pid: 0 }
}

/** null when there is no such file. */
function readHolder(fileSystem: FileSystem, path: string): Holder | null {
  const bytes = fileSystem.readFile(path, maxLockBytes)
  if (bytes === null) return null
  const match = /^([0-9a-f-]{36}) (\d+)\n$/.exec(Buffer.from(bytes).toString('latin1'))
  return match === null ? unreadable(path) : { id: match[1]!, pid: Number(match[2]) }
}
