/**
 * Makes what several logs have in the page cache durable with one sync instead of one for each. A disk syncs a file in a fraction of
 * a millisecond, but 64 of them in ten; so the few bytes that a commit leaves in each of many partitions go, once more, into a file
 * of their own, and that file is synced. The logs' files follow later, in the background.
 *
 * ```
 *   append ──▶ page cache of each log ──(one frame, one sync)──▶ journal ──▶ durable: acknowledged, visible
 *                       └───────── synced when the journal file is full, or the log is closed ─────────▶ frame no longer needed
 * ```
 * Two files take turns: one is written while the logs that the other one vouches for are synced. They are written over, never
 * truncated. After a clean end there are none; after any other, `redoJournal` puts what they hold in place, before a log is opened.
 */
import { basename, join } from 'node:path'
import type { Clock } from '../clock.ts'
import { isStreamError } from '../errors.ts'
import type { FileHandle, FileSystem } from './file-system.ts'
import { GroupCommit } from './group-commit.ts'
import { encodeFrame, maxFrameDataBytes } from './journal-frame.ts'
import type { JournalEntry } from './journal-frame.ts'

/** What a log has in the page cache only. */
export interface UnsyncedBytes {
  readonly segmentBaseOffset: number
  readonly position: number
  readonly length: number
  /** The log end offset when all of it is durable. */
  readonly endOffset: number
}

/** A log as the journal knows it. */
export interface JournalledLog {
  readonly directory: string
  readonly topicId: string
  /** null when only a sync of its files will do: names of files are not on disk yet, or it takes nothing more. */
  unsyncedBytes(): UnsyncedBytes | null
  readUnsynced(range: UnsyncedBytes, into: Uint8Array): void
  /** The journal has them: they are durable. */
  markJournalled(range: UnsyncedBytes): void
  /** Resolves when everything is durable, be it by the journal. */
  sync(): Promise<void>
  /** Resolves when everything is in the log's own files on disk. */
  syncFiles(): Promise<void>
}

export interface SyncJournalOptions {
  readonly fileSystem: FileSystem
  /** The data directory. */
  readonly directory: string
  readonly clock: Clock
  /** Then the other file's turn comes. Default 8 MiB. */
  readonly fileBytes?: number
  /** After each sync that the disk did not fail: how long it took. */
  readonly onSync?: (ms: number) => void
}

export const journalFileNames: readonly string[] = ['millrace.journal.0', 'millrace.journal.1']
/** Then the other file's turn comes; the last frame may reach beyond it. */
export const journalFileBytes = 8 * 1024 * 1024

/** The files that the last end left for `redoJournal`; none after a clean one. */
export function journalPaths(fileSystem: FileSystem, directory: string): readonly string[] {
  return journalFileNames.map((name) => join(directory, name)).filter((path) => fileSystem.stat(path) !== null)
}

/** Fewer are synced as quickly by themselves. */
const minLogs = 3
/** More is not worth writing twice. */
const maxBytesOfLog = 64 * 1024
/** While appends go on. */
const syncingAtOnce = 2

interface JournalFile {
  readonly handle: FileHandle
  readonly generation: number
  position: number
  sequence: number
  /** Those whose files must be synced before this one may be written over. */
  readonly logs: Set<JournalledLog>
}

export class SyncJournal {
  readonly #options: SyncJournalOptions
  readonly #commit = new GroupCommit(() => this.#run())
  readonly #waiting = new Set<JournalledLog>()
  #current: JournalFile | null = null
  /** The one before, until the logs that it vouches for are synced. */
  #previous: JournalFile | null = null
  readonly #handles = new Map<string, FileHandle>()
  #generation = 0
  /** A sync of it failed: what it holds of the last frame is not known, and it is not used any more. */
  #isBroken = false
  #settling: Promise<void> = Promise.resolve()

  constructor(options: SyncJournalOptions) {
    this.#options = options
  }

  /** Resolves when everything that these logs took before the call is durable and visible. @throws as `PartitionLog.sync` of one of them */
  async sync(logs: readonly JournalledLog[]): Promise<void> {
    const small = new Set(logs.filter((log) => isSmall(log.unsyncedBytes())))
    if (small.size >= minLogs && !this.#isBroken) {
      for (const log of small) this.#waiting.add(log)
      await Promise.all([this.#commit.commit(), ...logs.filter((log) => !small.has(log)).map((log) => log.sync())])
    }
    // Those that the journal has have nothing to do; where it failed, or had no room, the files are synced.
    await Promise.all(logs.map((log) => log.sync()))
  }

  /** Never rejects: what is not in the journal then is found out by asking the log. */
  async #run(): Promise<void> {
    const waiting = [...this.#waiting]
    this.#waiting.clear()
    if (this.#isBroken) return
    try {
      const file = await this.#fileWithRoom()
      if (file !== null) await this.#write(file, waiting)
    } catch (error) {
      // A full disk took a part of the frame at most, and the next one goes to the same place.
      this.#isBroken ||= !isStreamError(error, 'STORAGE_FULL')
    }
  }

  async #write(file: JournalFile, logs: readonly JournalledLog[]): Promise<void> {
    const taken = takeUnsynced(logs)
    if (taken.length === 0) return
    const frame = encodeFrame({ generation: file.generation, sequence: file.sequence, entries: taken.map(({ log, range }) => entryOf(log, range)) })
    file.handle.write([frame], file.position)
    await this.#syncFile(file.handle)
    file.position += frame.length
    file.sequence++
    for (const { log, range } of taken) {
      file.logs.add(log)
      log.markJournalled(range)
    }
  }

  async #syncFile(handle: FileHandle): Promise<void> {
    const startedAt = this.#options.clock.monotonic()
    try {
      await handle.sync()
    } catch (error) {
      this.#isBroken = true
      throw error
    }
    this.#options.onSync?.(this.#options.clock.monotonic() - startedAt)
  }

  /** null while the one that would be written over is still needed. */
  async #fileWithRoom(): Promise<JournalFile | null> {
    const current = this.#current
    if (current !== null && current.position < (this.#options.fileBytes ?? journalFileBytes)) return current
    if (this.#previous !== null) return null
    const next: JournalFile = { handle: await this.#open(journalFileNames[this.#generation % 2]!), generation: this.#generation + 1, position: 0, sequence: 0, logs: new Set() }
    this.#generation = next.generation
    this.#previous = current
    this.#current = next
    if (current !== null) this.#settling = this.#settle(current)
    return next
  }

  async #open(name: string): Promise<FileHandle> {
    const known = this.#handles.get(name)
    if (known !== undefined) return known
    const { fileSystem, directory } = this.#options
    const handle = fileSystem.open(join(directory, name), 'write')
    try {
      await fileSystem.syncDirectory(directory)
    } catch (error) {
      handle.close()
      throw error
    }
    this.#handles.set(name, handle)
    return handle
  }

  /** A log that cannot be synced keeps the file for the next start, and the journal without a second one: then the logs' own files are synced. */
  async #settle(file: JournalFile): Promise<void> {
    const logs = [...file.logs]
    try {
      for (let at = 0; at < logs.length; at += syncingAtOnce) await Promise.all(logs.slice(at, at + syncingAtOnce).map((log) => log.syncFiles()))
      this.#previous = null
    } catch {
      this.#isBroken = true
    }
  }

  /** `isClean`: all logs are closed, and everything is in their files; then the journal goes. Otherwise it stays for the next start. */
  async close(isClean: boolean): Promise<void> {
    await this.#commit.idle()
    await this.#settling
    const names = [...this.#handles.keys()]
    for (const handle of this.#handles.values()) handle.close()
    this.#handles.clear()
    const { fileSystem, directory } = this.#options
    if (!isClean || names.length === 0) return
    for (const name of names) fileSystem.remove(join(directory, name))
    await fileSystem.syncDirectory(directory)
  }
}

function isSmall(range: UnsyncedBytes | null): boolean {
  return range !== null && range.length > 0 && range.length <= maxBytesOfLog
}

interface Taken {
  readonly log: JournalledLog
  readonly range: UnsyncedBytes
}

/** As many as a frame holds. */
function takeUnsynced(logs: readonly JournalledLog[]): readonly Taken[] {
  const taken: Taken[] = []
  let bytes = 0
  for (const log of logs) {
    const range = log.unsyncedBytes()
    if (range === null || !isSmall(range) || bytes + range.length > maxFrameDataBytes) continue
    bytes += range.length
    taken.push({ log, range })
  }
  return taken
}

function entryOf(log: JournalledLog, range: UnsyncedBytes): JournalEntry {
  const bytes = new Uint8Array(range.length)
  log.readUnsynced(range, bytes)
  return { name: basename(log.directory), topicId: log.topicId, segmentBaseOffset: range.segmentBaseOffset, position: range.position, bytes }
}
