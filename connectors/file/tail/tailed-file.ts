/**
 * One file that is being read, by whatever name it goes.
 *
 *   opened ──► lines … lines ──► at its end ──grows──► lines …
 *                                    │ cut or written anew: `replaced`, read again from its beginning
 *                                    └ rotated away and quiet: last line without newline given, closed; opened again if it grows
 *
 * `position` is the start of the first line that was not given yet. Every read begins a few bytes before it and compares
 * them with what was there when they were read first (the guard), so a file that was cut and written anew between two looks
 * is noticed even if it has grown beyond the position again.
 *
 * All calls to the operating system are synchronous: the task runs in a thread of its own, reads come from the page cache,
 * and a file system that hangs stops this thread instead of the pool that the whole process shares.
 */
import { closeSync, fstatSync, openSync, readSync } from 'node:fs'
import type { SourceOffset, SourcePartition } from 'millrace/connect'
import { fingerprintBytes, finalFingerprintOf, fingerprintOf, guardBytes, guardOf, sourcePartitionOf } from './file-identity.ts'
import type { FileIdentity } from './file-identity.ts'
import type { FileEncoding } from '../lines/text-decoder.ts'
import { bigEndianEnds, cutText, littleEndianEnds, narrowEnds, splitLines } from './line-splitter.ts'
import type { LineEnds, SpanArena } from './line-splitter.ts'

/** At a time, when lines are counted: even, so that no character of UTF-16 is cut. */
const countedBytes = 256 * 1024

export interface ReadLimits {
  /** Most bytes that one turn takes from the file. */
  readonly turnBytes: number
  readonly maxLineBytes: number
}

/** Complete lines; the memory belongs to the next turn. */
export interface LineBlock {
  readonly kind: 'lines'
  readonly file: TailedFile
  /** Who the file was then: it may be cut and written anew before the lines are given. */
  readonly sourcePartition: SourcePartition
  readonly bytes: Buffer
  /** Begin and end of each line in `bytes`. */
  readonly spans: Uint32Array
  readonly recordCount: number
  /** Position in the file of `bytes[0]`. */
  readonly origin: number
  /** Position after the last line, and the offset to store for it. */
  readonly next: number
  readonly offset: SourceOffset
  /** How many lines stand before the first one; unset where nobody counts. */
  readonly linesBefore: number | undefined
}

/** A line longer than allowed: its beginning, and where the next one starts. */
export interface OverlongLine {
  readonly kind: 'overlong'
  readonly file: TailedFile
  readonly sourcePartition: SourcePartition
  readonly bytes: Buffer
  readonly start: number
  readonly lineBytes: number
  readonly next: number
  readonly offset: SourceOffset
  readonly linesBefore: number | undefined
}

export type Turn =
  | LineBlock
  | OverlongLine
  /** Nothing complete; `busy` when a long line is still being looked through. */
  | { readonly kind: 'none'; readonly busy: boolean }
  /** What stood before the position is gone: identify the file anew, it is read from its beginning. */
  | { readonly kind: 'replaced' }

const idle: Turn = { kind: 'none', busy: false }
const busy: Turn = { kind: 'none', busy: true }
const replaced: Turn = { kind: 'replaced' }

export interface StoredPosition {
  readonly position: number
  /** Absent: not checked. */
  readonly guard?: string
}

/** The offset to store after line `index` of a block, from the block's own memory. */
export function offsetAfter(block: LineBlock, index: number): SourceOffset {
  if (index === block.recordCount - 1) return block.offset
  const { bytes, spans, origin, file } = block
  const end = spans[2 * (index + 1)]! // lines stand side by side: behind this one is where the next one begins
  const position = origin + end
  const start = end - Math.min(guardBytes, position)
  return { position, guard: guardOf(bytes.subarray(start, end)), path: file.path }
}

export class TailedFile {
  readonly key: string
  readonly device: string
  readonly inode: string
  /** Where it was seen last. */
  path: string
  /** Unset until the file holds enough to be told from others. */
  fingerprint: string | undefined
  #handle: number | undefined
  #position = 0
  /** There is no newline between the position and here. */
  #scanned = 0
  #size = 0
  #modifiedMs = -1
  readonly #guard = Buffer.alloc(guardBytes)
  #encoding: FileEncoding
  #ends: LineEnds
  #spooled = false
  #partition: SourcePartition | undefined
  /** Before the position; unset where nobody counts. */
  #lines: number | undefined

  constructor({ key, device, inode, path }: { readonly key: string; readonly device: string; readonly inode: string; readonly path: string }, encoding: FileEncoding = 'bytes') {
    this.key = key
    this.device = device
    this.inode = inode
    this.path = path
    this.#encoding = encoding
    this.#ends = lineEnds(encoding)
  }

  /** The inflated content of a compressed file; `handle` undefined: it was read to its end before, and need not be opened. */
  static ofSpool(found: { readonly key: string; readonly device: string; readonly inode: string; readonly path: string }, encoding: FileEncoding, handle: number | undefined): TailedFile {
    const file = new TailedFile(found, encoding)
    file.#spooled = true
    file.#handle = handle
    if (handle !== undefined) file.#size = fstatSync(handle).size
    return file
  }

  /** It never grows, and once closed it is never opened again. */
  get isSpooled(): boolean {
    return this.#spooled
  }

  /** How its bytes are to be understood; a byte order mark has decided, where that was left to it. */
  get encoding(): FileEncoding {
    return this.#encoding
  }

  get position(): number {
    return this.#position
  }

  get identity(): FileIdentity | undefined {
    return this.fingerprint === undefined ? undefined : { device: this.device, inode: this.inode, fingerprint: this.fingerprint }
  }

  /** One object as long as the file is the same. Lines come from identified files only. */
  get sourcePartition(): SourcePartition {
    if (this.#partition === undefined || this.#partition['fingerprint'] !== this.fingerprint) this.#partition = sourcePartitionOf(this.identity as FileIdentity)
    return this.#partition
  }

  get isOpen(): boolean {
    return this.#handle !== undefined
  }

  /** Bytes that were there at the last look and not given. */
  get unreadBytes(): number {
    return Math.max(0, this.#size - this.#position)
  }

  /** Opens the file under its path. False when another file has taken the name. @throws what the system says */
  open(): boolean {
    if (this.#handle !== undefined) return true
    if (this.#spooled) return false
    const handle = openSync(this.path, 'r')
    const stats = fstatSync(handle, { bigint: true })
    if (`${stats.dev}:${stats.ino}` !== this.key) {
      closeSync(handle)
      return false
    }
    this.#handle = handle
    this.#size = Number(stats.size)
    this.#modifiedMs = -1
    return true
  }

  close(): void {
    if (this.#handle !== undefined) closeSync(this.#handle)
    this.#handle = undefined
  }

  /** Reads the beginning and sets the fingerprint, if there is enough of it. `final`: the file does not grow any more. */
  identify(final = false): string | undefined {
    const head = this.#readAt(0, fingerprintBytes)
    if (this.#encoding === 'utf-16' && head.length >= 2) {
      this.#encoding = head[0] === 0xfe && head[1] === 0xff ? 'utf-16be' : 'utf-16le'
      this.#ends = lineEnds(this.#encoding)
    }
    this.fingerprint = (final || this.#spooled) && head.length > 0 ? finalFingerprintOf(head) : fingerprintOf(head)
    return this.fingerprint
  }

  /** True if the bytes before the stored position are those that were there when it was stored. */
  holds({ position, guard }: StoredPosition): boolean {
    if (position > this.#look().size) return false
    const start = Math.max(0, position - guardBytes)
    return guard === undefined || guardOf(this.#readAt(start, position - start)) === guard
  }

  /** Goes on from here. */
  seek(position: number): void {
    this.#position = position
    this.#scanned = position
    this.#modifiedMs = -1
    const start = Math.max(0, position - guardBytes)
    this.#readAt(start, position - start).copy(this.#guard)
    if (this.#lines !== undefined) this.#lines = this.#linesBefore(position)
  }

  /** From here on lines are counted. Reads all that stands before the position. */
  countLines(): void {
    this.#lines ??= this.#linesBefore(this.#position)
  }

  #linesBefore(position: number): number {
    const chunk = Buffer.allocUnsafe(Math.min(position, countedBytes))
    let lines = 0
    for (let at = 0; at < position; at += chunk.length) {
      const part = chunk.subarray(0, this.#readInto(chunk, 0, Math.min(chunk.length, position - at), at))
      for (let end = this.#ends.find(part, 0); end >= 0; end = this.#ends.find(part, end + this.#ends.width)) lines++
    }
    return lines
  }

  /** The start of the last line: where reading begins if only what comes from now on is wanted. */
  seekEnd(lookBackBytes: number): void {
    const size = this.#look().size
    const start = Math.max(0, size - lookBackBytes - ((size - lookBackBytes) % this.#ends.width))
    const tail = this.#readAt(start, size - start)
    let last = -1
    for (let at = this.#ends.find(tail, 0); at >= 0; at = this.#ends.find(tail, at + this.#ends.width)) last = at
    this.seek(last >= 0 ? start + last + this.#ends.width : start === 0 ? 0 : size)
  }

  /** The first line without its end, at most its first `maxBytes`. */
  firstLine(maxBytes: number): Buffer {
    const head = this.#readAt(0, Math.min(maxBytes, this.#look().size))
    const at = this.#ends.find(head, 0)
    return at < 0 ? head : head.subarray(0, this.#ends.withoutReturn(head, 0, at))
  }

  /** True if what stood before the position is not there any more. */
  isReplaced(): boolean {
    return this.#look().size < this.#position || !this.#guardHolds()
  }

  storedPosition(): Required<StoredPosition> {
    return { position: this.#position, guard: guardOf(this.#guard.subarray(0, Math.min(guardBytes, this.#position))) }
  }

  /** The offset to store for the present position. */
  offset(): SourceOffset {
    return { ...this.storedPosition(), path: this.path, ...(this.#spooled && this.#position >= this.#size ? { done: true } : {}) }
  }

  /** True if both hold something now, begin alike and go on so as far as the shorter one reaches. */
  beginsAs(other: TailedFile): boolean {
    const shared = Math.min(this.#look().size, other.#look().size)
    const tail = Math.max(0, shared - fingerprintBytes)
    return shared > 0 && [0, tail].every((start) => {
      const length = Math.min(fingerprintBytes, shared - start)
      return this.#readAt(start, length).equals(other.#readAt(start, length))
    })
  }

  /** Takes the next complete lines, into `into` from index `at` on. @throws what the system says */
  take(into: Buffer, at: number, spans: SpanArena, limits: ReadLimits): Turn {
    const { size, modifiedMs } = this.#look()
    if (size < this.#position) return replaced
    const unchanged = size === this.#size && modifiedMs === this.#modifiedMs
    this.#size = size
    this.#modifiedMs = modifiedMs
    if (size <= this.#scanned) return unchanged || this.#guardHolds() ? idle : replaced
    if (this.#scanned - this.#position >= limits.turnBytes) return this.#scanLongLine(into, at, limits, size)
    return this.#takeChunk(into, at, spans, limits, size)
  }

  /** The last line of a file that does not grow any more, though no newline ends it. */
  takeUnfinished(limits: ReadLimits): LineBlock | OverlongLine | undefined {
    const size = this.#look().size
    if (size <= this.#position) return undefined
    if (this.fingerprint === undefined) this.identify(true)
    return this.#takeLine(size, size, limits)
  }

  #takeChunk(into: Buffer, at: number, spans: SpanArena, limits: ReadLimits, size: number): Turn {
    const before = Math.min(guardBytes, this.#position)
    const start = this.#position - before
    const wanted = Math.min(into.length - at, before + limits.turnBytes, size - start)
    const end = at + this.#readInto(into, at, wanted, start)
    const from = at + before
    if (end < from || into.compare(this.#guard, 0, before, at, from) !== 0) return replaced
    const firstSpan = spans.length
    const { next, overlongEnd } = splitLines(into, from, end, limits.maxLineBytes, spans, this.#ends)
    if (next > from) {
      this.#advance(into, next, start - at + next)
      return this.#block(into, spans.since(firstSpan), start - at)
    }
    if (overlongEnd !== undefined) return this.#takeLine(start - at + overlongEnd, start - at + overlongEnd + this.#ends.width, limits)
    this.#scanned = start - at + end - ((end - from) % this.#ends.width)
    return this.#scanned < size ? busy : idle
  }

  /** Looks for the end of a line that is longer than a turn, without keeping what it passes. */
  #scanLongLine(into: Buffer, at: number, limits: ReadLimits, size: number): Turn {
    if (!this.#guardHolds()) return replaced
    const wanted = Math.min(into.length - at, limits.turnBytes, size - this.#scanned)
    const got = this.#readInto(into, at, wanted, this.#scanned)
    const newline = this.#ends.find(into.subarray(at, at + got), 0)
    if (newline < 0) {
      const whole = got - (got % this.#ends.width)
      this.#scanned += whole
      return whole === 0 ? idle : busy
    }
    const end = this.#scanned + newline
    return this.#takeLine(end, end + this.#ends.width, limits)
  }

  /** The one line from the position to `end`, in memory of its own. */
  #takeLine(end: number, next: number, limits: ReadLimits): LineBlock | OverlongLine {
    const start = this.#position
    const before = Math.min(guardBytes, start)
    const length = Math.min(end - start, limits.maxLineBytes + 4)
    const bytes = this.#readAt(start - before, before + length)
    const isWhole = next > end && end - start === length
    const withoutReturn = isWhole ? this.#ends.withoutReturn(bytes, before, before + length) - before : length
    const guardStart = Math.max(0, next - guardBytes)
    const guard = this.#readAt(guardStart, next - guardStart)
    this.#advance(guard, guard.length, next)
    if (withoutReturn <= limits.maxLineBytes) return this.#block(bytes, Uint32Array.of(before, before + withoutReturn), start - before)
    const kept = cutText(bytes.subarray(before), limits.maxLineBytes, this.#ends)
    return { kind: 'overlong', file: this, sourcePartition: this.sourcePartition, bytes: kept, start, lineBytes: end - start, next, offset: this.offset(), linesBefore: this.#passLines(1) }
  }

  #block(bytes: Buffer, spans: Uint32Array, origin: number): LineBlock {
    const [next, offset] = [this.#position, this.offset()]
    const recordCount = spans.length / 2
    return { kind: 'lines', file: this, sourcePartition: this.sourcePartition, bytes, spans, recordCount, origin, next, offset, linesBefore: this.#passLines(recordCount) }
  }

  /** How many there were before. */
  #passLines(count: number): number | undefined {
    const before = this.#lines
    if (before !== undefined) this.#lines = before + count
    return before
  }

  /** `bytes` ends, at `end`, with what stands before the new position. */
  #advance(bytes: Buffer, end: number, position: number): void {
    bytes.copy(this.#guard, 0, end - Math.min(guardBytes, position), end)
    this.#position = position
    this.#scanned = position
  }

  #guardHolds(): boolean {
    const before = Math.min(guardBytes, this.#position)
    return this.#readAt(this.#position - before, before).compare(this.#guard, 0, before) === 0
  }

  #look(): { size: number; modifiedMs: number } {
    const { size, mtimeMs } = fstatSync(this.#opened())
    return { size, modifiedMs: mtimeMs }
  }

  #readAt(position: number, length: number): Buffer {
    const bytes = Buffer.allocUnsafe(length)
    return bytes.subarray(0, this.#readInto(bytes, 0, length, position))
  }

  #readInto(into: Buffer, at: number, length: number, position: number): number {
    let got = 0
    while (got < length) {
      const count = readSync(this.#opened(), into, at + got, length - got, position + got)
      if (count === 0) break
      got += count
    }
    return got
  }

  #opened(): number {
    if (this.#handle === undefined) throw new Error(`${this.path} is read before it is opened`)
    return this.#handle
  }
}

function lineEnds(encoding: FileEncoding): LineEnds {
  if (encoding === 'utf-16' || encoding === 'utf-16le') return littleEndianEnds
  return encoding === 'utf-16be' ? bigEndianEnds : narrowEnds
}
