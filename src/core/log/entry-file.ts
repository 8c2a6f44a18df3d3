import { assert } from '../assert.ts'
import type { FileHandle, FileSystem } from './file-system.ts'
import type { ReadHandles } from './read-handles.ts'

export interface EntryFileOptions {
  readonly fileSystem: FileSystem
  readonly handles: ReadHandles
  readonly path: string
  readonly entryBytes: number
}

const initialEntries = 64

/**
 * The entries of an index: all of one size, appended in order.
 * ```
 *   growing: in memory, written by flush ──seal──▶ sealed: on disk only, read entry by entry
 * ```
 * Kafka preallocates and maps the files of the active segment; here they are written when the segment is sealed or the log is
 * closed, because after a crash the entries come back from the log itself.
 */
export class EntryFile {
  readonly path: string
  readonly #options: EntryFileOptions
  readonly #entryBytes: number
  /** Entries while growing; one entry at a time when sealed. */
  #bytes: Uint8Array
  #count: number
  #flushed = 0
  #growing: boolean

  private constructor(options: EntryFileOptions, bytes: Uint8Array, count: number, growing: boolean) {
    this.path = options.path
    this.#options = options
    this.#entryBytes = options.entryBytes
    this.#bytes = bytes
    this.#count = count
    this.#growing = growing
  }

  /** Empty, whatever the file holds. */
  static create(options: EntryFileOptions): EntryFile {
    return new EntryFile(options, new Uint8Array(initialEntries * options.entryBytes), 0, true)
  }

  /** Growing, with the entries of the file; empty when there is none. A size that is not whole entries is cut to them. */
  static load(options: EntryFileOptions, maxBytes: number): EntryFile {
    const bytes = options.fileSystem.readFile(options.path, maxBytes) ?? new Uint8Array(0)
    const file = new EntryFile(options, bytes, Math.floor(bytes.length / options.entryBytes), true)
    file.#flushed = file.#count
    return file
  }

  /** Sealed, over the file as it is; null when it is missing or not whole entries. */
  static openSealed(options: EntryFileOptions): EntryFile | null {
    const sizeBytes = options.fileSystem.stat(options.path)?.sizeBytes
    if (sizeBytes === undefined || sizeBytes % options.entryBytes !== 0) return null
    return new EntryFile(options, new Uint8Array(options.entryBytes), sizeBytes / options.entryBytes, false)
  }

  get count(): number {
    return this.#count
  }

  get sizeBytes(): number {
    return this.#count * this.#entryBytes
  }

  /** The bytes that `entryAt` points into, after it was called. */
  get bytes(): Uint8Array {
    return this.#bytes
  }

  /** Where entry `index` begins in `bytes`, until the next call. */
  entryAt(index: number): number {
    assert(index >= 0 && index < this.#count, `index entry ${index} of ${this.#count}`)
    if (this.#growing) return index * this.#entryBytes
    this.#options.handles.use(this.path).read(this.#bytes, 0, this.#entryBytes, index * this.#entryBytes)
    return 0
  }

  /** Makes room for one entry at the end, which the caller writes into `bytes` at the position returned. */
  add(): number {
    assert(this.#growing, `an entry for the sealed index ${this.path}`)
    const at = this.sizeBytes
    if (at + this.#entryBytes > this.#bytes.length) {
      const larger = new Uint8Array(Math.max(initialEntries * this.#entryBytes, this.#bytes.length * 2))
      larger.set(this.#bytes.subarray(0, at))
      this.#bytes = larger
    }
    this.#count++
    return at
  }

  /** Forgets the entries from `count` on. */
  truncate(count: number): void {
    assert(this.#growing, `truncation of the sealed index ${this.path}`)
    if (count >= this.#count) return
    this.#count = count
    this.#flushed = Math.min(this.#flushed, count)
  }

  /** Writes what is not in the file yet, and leaves the file with exactly the entries. Durable only when `sync` asks for it. */
  async flush(options: { readonly sync: boolean }): Promise<void> {
    if (!this.#growing) return
    const file = this.#options.fileSystem.open(this.path, 'write')
    try {
      this.#write(file)
      if (options.sync) await file.sync()
    } catch (error) {
      // After a failed sync the kernel forgets that the pages are dirty: only writing them again brings them to disk.
      this.#flushed = 0
      throw error
    } finally {
      file.close()
    }
  }

  #write(file: FileHandle): void {
    const from = Math.min(this.#flushed * this.#entryBytes, file.sizeBytes())
    if (file.sizeBytes() > this.sizeBytes) file.truncate(this.sizeBytes)
    if (from < this.sizeBytes) file.write([this.#bytes.subarray(from, this.sizeBytes)], from)
    this.#flushed = this.#count
  }

  /** Drops the memory; the file has been flushed. */
  seal(): void {
    assert(this.#flushed === this.#count, `seal of the unflushed index ${this.path}`)
    this.#growing = false
    this.#bytes = new Uint8Array(this.#entryBytes)
  }
}
