import type { Announcement, FileHandle, FileStatus, FileSystem } from './file-system.ts'
import type { JournalEntry } from './journal-frame.ts'

/** By the path of the segment, in the order in which they were written. */
export type JournalledBytes = ReadonlyMap<string, readonly JournalEntry[]>

/** Reads a directory as if what its journal holds were in place already. */
export class RedoneFileSystem implements FileSystem {
  readonly #files: FileSystem
  readonly #journalled: JournalledBytes

  constructor(files: FileSystem, journalled: JournalledBytes) {
    this.#files = files
    this.#journalled = journalled
  }

  open(path: string, mode: 'read' | 'write'): FileHandle {
    const file = this.#files.open(path, mode)
    const entries = this.#journalled.get(path)
    return entries === undefined ? file : new RedoneFile(file, entries)
  }

  stat(path: string): FileStatus | null {
    const status = this.#files.stat(path)
    const entries = this.#journalled.get(path)
    return status === null || entries === undefined ? status : { ...status, sizeBytes: sizeWith(status.sizeBytes, entries) }
  }

  readFile(path: string, maxBytes: number): Uint8Array | null { return this.#files.readFile(path, maxBytes) }
  list(directory: string): readonly string[] { return this.#files.list(directory) }
  makeDirectory(path: string): void { this.#files.makeDirectory(path) }
  rename(from: string, to: string): void { this.#files.rename(from, to) }
  link(existing: string, path: string): boolean { return this.#files.link(existing, path) }
  remove(path: string): void { this.#files.remove(path) }
  removeDirectory(path: string): void { this.#files.removeDirectory(path) }
  syncDirectory(path: string): Promise<void> { return this.#files.syncDirectory(path) }
  announce(path: string): Promise<Announcement> { return this.#files.announce(path) }
  isAnnounced(path: string): Promise<boolean> { return this.#files.isAnnounced(path) }
}

class RedoneFile implements FileHandle {
  readonly #file: FileHandle
  readonly #entries: readonly JournalEntry[]

  constructor(file: FileHandle, entries: readonly JournalEntry[]) {
    this.#file = file
    this.#entries = entries
  }

  get path(): string { return this.#file.path }

  sizeBytes(): number {
    return sizeWith(this.#file.sizeBytes(), this.#entries)
  }

  read(into: Uint8Array, at: number, length: number, position: number): number {
    const count = Math.max(0, Math.min(length, this.sizeBytes() - position))
    // Between the end of the file and what the journal has for later positions a file has zeros.
    into.fill(0, at, at + count)
    this.#file.read(into, at, count, position)
    for (const { bytes, position: from } of this.#entries) {
      const first = Math.max(from, position)
      const end = Math.min(from + bytes.length, position + count)
      if (first < end) into.set(bytes.subarray(first - from, end - from), at + first - position)
    }
    return count
  }

  async readAside(into: Uint8Array, position: number): Promise<number> { return this.read(into, 0, into.length, position) }
  write(parts: readonly Uint8Array[], position: number): void { this.#file.write(parts, position) }
  truncate(sizeBytes: number): void { this.#file.truncate(sizeBytes) }
  sync(): Promise<void> { return this.#file.sync() }
  close(): void { this.#file.close() }
}

function sizeWith(sizeBytes: number, entries: readonly JournalEntry[]): number {
  return entries.reduce((end, { position, bytes }) => Math.max(end, position + bytes.length), sizeBytes)
}
