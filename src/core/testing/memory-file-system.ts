import { basename, dirname } from 'node:path'
import { StreamError } from '../errors.ts'
import { storageError } from '../log/file-system.ts'
import type { Announcement, FileHandle, FileStatus, FileSystem } from '../log/file-system.ts'
import { randomInteger, seededRandom } from '../random.ts'
import type { Random } from '../random.ts'

export type FileOperation = 'open' | 'create' | 'read' | 'write' | 'truncate' | 'sync' | 'rename' | 'link' | 'remove' | 'make directory' | 'sync directory'

export interface MemoryFileSystemOptions {
  /** Decides what a crash leaves. */
  readonly random?: Random
  /** Asked before each operation: an errno makes it fail. A write that fails for ENOSPC has written half. */
  readonly fault?: (operation: FileOperation, path: string) => 'ENOSPC' | 'EIO' | null
  /** Of all files together; beyond it writes fail for ENOSPC. */
  readonly capacityBytes?: number
  /** For the times at which files were modified. Default: always 0. */
  readonly now?: () => number
}

const sectorBytes = 512

/** A change of a file that is not on disk yet. */
type PendingChange = { readonly kind: 'write'; readonly position: number; readonly bytes: Uint8Array } | { readonly kind: 'truncate'; readonly sizeBytes: number }

/** Bytes that grow in place. */
class GrowingBytes {
  #buffer: Uint8Array
  length: number

  constructor(bytes: Uint8Array = new Uint8Array(0)) {
    this.#buffer = Uint8Array.from(bytes)
    this.length = bytes.length
  }

  get bytes(): Uint8Array {
    return this.#buffer.subarray(0, this.length)
  }

  apply(change: PendingChange): void {
    if (change.kind === 'truncate') this.#resize(change.sizeBytes)
    else {
      this.#resize(Math.max(this.length, change.position + change.bytes.length))
      this.#buffer.set(change.bytes, change.position)
    }
  }

  #resize(length: number): void {
    if (length > this.#buffer.length) {
      const larger = new Uint8Array(Math.max(length, this.#buffer.length * 2))
      larger.set(this.bytes)
      this.#buffer = larger
    }
    if (length < this.length) this.#buffer.fill(0, length, this.length)
    this.length = length
  }
}

class MemoryInode {
  /** What readers see. */
  readonly current: GrowingBytes
  /** What is on disk for sure. */
  readonly durable: GrowingBytes
  pending: PendingChange[] = []
  modifiedMs = 0
  #hasForgotten = false

  constructor(bytes: Uint8Array = new Uint8Array(0)) {
    this.current = new GrowingBytes(bytes)
    this.durable = new GrowingBytes(bytes)
  }

  apply(change: PendingChange): void {
    this.current.apply(change)
    this.pending.push(this.#hasForgotten && change.kind === 'write' ? this.#wholeSectors(change) : change)
  }

  /** After a failed sync: what was pending stays readable, and reaches the disk only with a sector that is written to again. */
  forget(): void {
    this.pending = []
    this.#hasForgotten = true
  }

  #wholeSectors({ position, bytes }: PendingChange & { kind: 'write' }): PendingChange {
    const from = position - (position % sectorBytes)
    const end = position + bytes.length
    const to = Math.min(this.current.length, end + ((sectorBytes - (end % sectorBytes)) % sectorBytes))
    return { kind: 'write', position: from, bytes: this.current.bytes.slice(from, to) }
  }

  settle(changes: readonly PendingChange[]): void {
    for (const change of changes) this.durable.apply(change)
    const settled = new Set(changes)
    this.pending = this.pending.filter((change) => !settled.has(change))
  }

  /** What a power cut leaves: a prefix of the pending changes, and each sector behind as it was after some of the others. */
  afterCrash(random: Random): Uint8Array {
    const left = new GrowingBytes(this.durable.bytes)
    const whole = randomInteger(random, this.pending.length + 1)
    for (const change of this.pending.slice(0, whole)) left.apply(change)
    const cuts = new Map<number, number>()
    for (const [i, change] of this.pending.slice(whole).entries()) {
      if (change.kind === 'truncate') break
      for (const { sector, part } of sectorsOf(change)) {
        const cut = cuts.get(sector) ?? randomInteger(random, this.pending.length - whole + 1)
        cuts.set(sector, cut)
        if (i < cut) left.apply(part)
      }
    }
    return left.bytes
  }
}

function* sectorsOf(change: PendingChange & { kind: 'write' }): Iterable<{ readonly sector: number; readonly part: PendingChange }> {
  const end = change.position + change.bytes.length
  for (let from = change.position; from < end;) {
    const sector = Math.floor(from / sectorBytes)
    const to = Math.min(end, (sector + 1) * sectorBytes)
    yield { sector, part: { kind: 'write', position: from, bytes: change.bytes.subarray(from - change.position, to - change.position) } }
    from = to
  }
}

/**
 * A disk in memory that forgets: what was not synced may be lost in a crash, whole or by sectors, in any order; names that
 * were created, renamed or removed without a sync of their directory may be as before. After a failed sync the bytes stay
 * readable but never become durable, as on Linux.
 */
export class MemoryFileSystem implements FileSystem {
  readonly #options: MemoryFileSystemOptions
  readonly #random: Random
  readonly #files = new Map<string, MemoryInode>()
  readonly #directories = new Set<string>(['/'])
  /** Names of files and directories, by directory. */
  readonly #children = new Map<string, Set<string>>()
  /** Names as they are on disk for sure, and the changes since, in order. */
  #durableFiles = new Map<string, MemoryInode>()
  #pendingNames: { readonly path: string; readonly inode: MemoryInode | null }[] = []
  readonly #announced = new Set<string>()
  /** Files open now: a test may assert that none is left. */
  openFiles = 0

  constructor(options: MemoryFileSystemOptions = {}) {
    this.#options = options
    this.#random = options.random ?? seededRandom(1)
  }

  // ---------------------------------------------------------------------------------------------------- what is found later

  /** The disk as it is found after a power cut at this moment; this one goes on as if nothing happened. */
  crash(options: MemoryFileSystemOptions = this.#options): MemoryFileSystem {
    const next = new MemoryFileSystem(options)
    const names = new Map(this.#durableFiles)
    for (const { path, inode } of this.#pendingNames.slice(0, randomInteger(this.#random, this.#pendingNames.length + 1))) setName(names, path, inode)
    for (const [path, inode] of names) next.#restore(path, inode.afterCrash(this.#random))
    for (const directory of this.#directories) next.#addDirectory(directory)
    return next
  }

  /** The disk as a killed process leaves it: everything written is there, nobody has a file open. */
  kill(options: MemoryFileSystemOptions = this.#options): MemoryFileSystem {
    const next = new MemoryFileSystem(options)
    for (const [path, inode] of this.#files) next.#restore(path, inode.current.bytes)
    for (const directory of this.#directories) next.#addDirectory(directory)
    return next
  }

  /** Replaces a file's bytes, durably: damage, or a file from elsewhere. */
  setBytes(path: string, bytes: Uint8Array): void {
    this.makeDirectory(dirname(path))
    this.#restore(path, bytes)
  }

  bytesOf(path: string): Uint8Array {
    return Uint8Array.from(this.#inode('read', path).current.bytes)
  }

  get usedBytes(): number {
    let used = 0
    for (const { current } of this.#files.values()) used += current.length
    return used
  }

  #restore(path: string, bytes: Uint8Array): void {
    const inode = new MemoryInode(bytes)
    this.#name(path, inode)
    this.#durableFiles.set(path, inode)
  }

  #addDirectory(path: string): void {
    this.#directories.add(path)
    if (path !== '/') childrenOf(this.#children, dirname(path)).add(basename(path))
  }

  #removeDirectory(path: string): void {
    this.#directories.delete(path)
    this.#children.get(dirname(path))?.delete(basename(path))
  }

  #name(path: string, inode: MemoryInode | null): void {
    setName(this.#files, path, inode)
    const siblings = childrenOf(this.#children, dirname(path))
    if (inode === null) siblings.delete(basename(path))
    else siblings.add(basename(path))
  }

  // ---------------------------------------------------------------------------------------------------- FileSystem

  open(path: string, mode: 'read' | 'write'): FileHandle {
    this.check('open', path)
    if (mode === 'write' && !this.#files.has(path)) {
      this.check('create', path)
      if (!this.#directories.has(dirname(path))) throw storageError('open', path, errno('ENOENT'))
      this.#setName(path, new MemoryInode())
    }
    this.openFiles++
    return new MemoryFile(this, path, this.#inode('open', path))
  }

  readFile(path: string, maxBytes: number): Uint8Array | null {
    const inode = this.#files.get(path)
    if (inode === undefined) return null
    this.check('read', path)
    if (inode.current.length > maxBytes) throw new StreamError('STORAGE_CORRUPT', `${path} is too large`, { details: { path } })
    return Uint8Array.from(inode.current.bytes)
  }

  stat(path: string): FileStatus | null {
    const inode = this.#files.get(path)
    if (inode !== undefined) return { sizeBytes: inode.current.length, modifiedMs: inode.modifiedMs, isDirectory: false }
    return this.#directories.has(path) ? { sizeBytes: 0, modifiedMs: 0, isDirectory: true } : null
  }

  list(directory: string): readonly string[] {
    return [...(this.#children.get(directory) ?? [])].sort()
  }

  makeDirectory(path: string): void {
    this.check('make directory', path)
    for (let directory = path; !this.#directories.has(directory); directory = dirname(directory)) this.#addDirectory(directory)
  }

  rename(from: string, to: string): void {
    this.check('rename', from)
    const inode = this.#inode('rename', from)
    this.#setName(to, inode)
    this.#setName(from, null)
  }

  link(existing: string, path: string): boolean {
    this.check('link', path)
    if (this.#files.has(path)) return false
    this.#setName(path, this.#inode('link', existing))
    return true
  }

  remove(path: string): void {
    this.check('remove', path)
    if (this.#files.has(path)) this.#setName(path, null)
  }

  removeDirectory(path: string): void {
    for (const file of [...this.#files.keys()]) if (file.startsWith(`${path}/`)) this.remove(file)
    for (const directory of [...this.#directories]) if (directory === path || directory.startsWith(`${path}/`)) this.#removeDirectory(directory)
  }

  async syncDirectory(path: string): Promise<void> {
    this.check('sync directory', path)
    const { length } = this.#pendingNames
    await Promise.resolve()
    const changes = this.#pendingNames.slice(0, length)
    for (const change of changes) if (dirname(change.path) === path) setName(this.#durableFiles, change.path, change.inode)
    this.#pendingNames = this.#pendingNames.filter((change, i) => i >= length || dirname(change.path) !== path)
  }

  announce(path: string): Promise<Announcement> {
    this.#announced.add(path)
    return Promise.resolve({ withdraw: () => void this.#announced.delete(path) })
  }

  isAnnounced(path: string): Promise<boolean> {
    return Promise.resolve(this.#announced.has(path))
  }

  // ---------------------------------------------------------------------------------------------------- inside

  now(): number {
    return this.#options.now?.() ?? 0
  }

  check(operation: FileOperation, path: string): void {
    const fault = this.#options.fault?.(operation, path) ?? null
    if (fault !== null) throw storageError(operation, path, errno(fault))
  }

  /** How much of a write goes through: all, or half of it when the disk is full. */
  writable(inode: MemoryInode, path: string, position: number, length: number): { readonly length: number; readonly error: StreamError | null } {
    const { capacityBytes } = this.#options
    const growth = Math.max(0, position + length - inode.current.length)
    const isFull = capacityBytes !== undefined && this.usedBytes + growth > capacityBytes
    const fault = isFull ? 'ENOSPC' : this.#options.fault?.('write', path) ?? null
    if (fault === null) return { length, error: null }
    return { length: fault === 'ENOSPC' ? length >> 1 : 0, error: storageError('write', path, errno(fault)) }
  }

  #inode(operation: string, path: string): MemoryInode {
    const inode = this.#files.get(path)
    if (inode === undefined) throw storageError(operation, path, errno('ENOENT'))
    return inode
  }

  #setName(path: string, inode: MemoryInode | null): void {
    this.#name(path, inode)
    this.#pendingNames.push({ path, inode })
  }
}

function setName(names: Map<string, MemoryInode>, path: string, inode: MemoryInode | null): void {
  if (inode === null) names.delete(path)
  else names.set(path, inode)
}

function childrenOf(children: Map<string, Set<string>>, directory: string): Set<string> {
  const known = children.get(directory)
  if (known !== undefined) return known
  const none = new Set<string>()
  children.set(directory, none)
  return none
}

function errno(code: string): Error {
  return Object.assign(new Error(`${code}: injected`), { code })
}

class MemoryFile implements FileHandle {
  readonly path: string
  readonly #system: MemoryFileSystem
  readonly #inode: MemoryInode
  #open = true

  constructor(system: MemoryFileSystem, path: string, inode: MemoryInode) {
    this.path = path
    this.#system = system
    this.#inode = inode
  }

  sizeBytes(): number {
    return this.#opened().current.length
  }

  read(into: Uint8Array, at: number, length: number, position: number): number {
    const { current } = this.#opened()
    this.#system.check('read', this.path)
    const part = current.bytes.subarray(position, Math.min(current.length, position + length))
    into.set(part, at)
    return part.length
  }

  async readAside(into: Uint8Array, position: number): Promise<number> {
    const inode = this.#opened()
    await Promise.resolve()
    this.#system.check('read', this.path)
    const part = inode.current.bytes.subarray(position, position + into.length)
    into.set(part)
    return part.length
  }

  write(parts: readonly Uint8Array[], position: number): void {
    const inode = this.#opened()
    let at = position
    for (const part of parts) {
      const { length, error } = this.#system.writable(inode, this.path, at, part.length)
      inode.modifiedMs = this.#system.now()
      if (length > 0) inode.apply({ kind: 'write', position: at, bytes: Uint8Array.from(part.subarray(0, length)) })
      if (error !== null) throw error
      at += part.length
    }
  }

  truncate(sizeBytes: number): void {
    const inode = this.#opened()
    this.#system.check('truncate', this.path)
    inode.apply({ kind: 'truncate', sizeBytes })
  }

  async sync(): Promise<void> {
    const inode = this.#opened()
    const changes = inode.pending.slice()
    try {
      this.#system.check('sync', this.path)
    } catch (error) {
      inode.forget()
      throw error
    }
    await Promise.resolve()
    inode.settle(changes)
  }

  close(): void {
    this.#opened()
    this.#open = false
    this.#system.openFiles--
  }

  #opened(): MemoryInode {
    if (!this.#open) throw storageError('use', this.path, errno('EBADF'))
    return this.#inode
  }
}
