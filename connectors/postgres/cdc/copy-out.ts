/**
 * Rows by COPY … TO STDOUT: the server writes them fastest that way. They are kept as the bytes they came in, block by block:
 *
 *   COPY ──► rows ──► a block ──► a bounded queue of blocks ──► take()
 *              │ queue full: the socket is paused, and the server waits
 */
import type { Clock } from 'millrace/connect'
import type { Client, Connection, Submittable } from 'pg'
import type { Duplex } from 'node:stream'
import { copyHeaderBytes, tapCopyData } from './copy-tap.ts'
import type { CopyTap } from './copy-tap.ts'
import { CopyRow } from './copy-row.ts'

/** Rows as COPY writes them, one behind the other. Good until the next block is taken. */
export interface RowBlock {
  readonly bytes: Buffer
  readonly rowCount: number
  startOf(row: number): number
  /** Behind its newline. */
  endOf(row: number): number
  /** Its cells, good until the next call. */
  row(row: number): CopyRow
}

export interface CopyOptions {
  /** Most rows of a block. */
  readonly blockRows: number
  readonly clock: Clock
  /** The server is taken for gone when it says nothing for so long though its answer is wanted. */
  readonly silenceTimeoutMs: number
}

/** The part of pg's connection that is used here. */
interface CopyConnection {
  readonly stream: Duplex
  query(text: string): void
}

/** A block is given when it holds so many bytes, whatever it holds. */
const blockBytes = 262_144
const queuedBlocks = 2
/** One huge row must not cost its memory for ever. */
const largestKept = 4 * 1_048_576
/** For pg, 0 is no time-out of a query's own. */
const noTimeoutMs = 2_147_483_647

/** One statement, as pg's queue of queries takes it. */
export class CopyOut implements Submittable {
  readonly query_timeout = noTimeoutMs
  readonly #text: string
  readonly #options: CopyOptions
  readonly #full: FillingBlock[] = []
  /** Blocks that may be filled anew. */
  readonly #spare: FillingBlock[] = []
  #lent: FillingBlock | undefined
  #filling = new FillingBlock()
  #stream: Duplex | undefined
  #tap: CopyTap | undefined
  #isPaused = false
  #error: Error | undefined
  #hasEnded = false
  #wake: (() => void) | undefined

  constructor(client: Client, query: string, options: CopyOptions) {
    this.#text = `copy (${query}) to stdout`
    this.#options = options
    client.query(this)
  }

  /** Null when there are no more. @throws what the server says */
  async take(): Promise<RowBlock | null> {
    if (this.#lent !== undefined) this.#spare.push(this.#lent)
    this.#lent = undefined
    while (this.#full.length === 0 && !this.#hasEnded) await this.#arrival()
    if (this.#error !== undefined) throw this.#error
    this.#lent = this.#full.shift()
    if (this.#isPaused) {
      this.#isPaused = false
      this.#stream?.resume()
    }
    return this.#lent ?? null
  }

  submit(connection: Connection): void {
    const used = connection as unknown as CopyConnection
    this.#stream = used.stream
    this.#tap = tapCopyData(used.stream, (bytes, start, end) => this.#receive(bytes, start, end))
    used.query(this.#text)
  }

  #receive(bytes: Buffer, start: number, end: number): void {
    for (let at = start; at < end;) {
      const block = this.#filling
      at = block.add(bytes, at, end, this.#options.blockRows)
      if (block.rowCount >= this.#options.blockRows || block.length >= blockBytes) this.#finishBlock()
    }
    if (this.#full.length >= queuedBlocks && !this.#isPaused) {
      this.#isPaused = true
      this.#stream?.pause()
    }
  }

  handleError(error: Error): void {
    this.#tap?.close()
    this.#error ??= error
    this.callback()
  }

  handleReadyForQuery(): void {
    this.callback()
  }

  handleCommandComplete(): void {
    this.#tap?.close()
    if (this.#filling.rowCount > 0) this.#finishBlock()
  }

  /** Called when it is over; pg wraps it to end its time-out. */
  callback = (error?: Error | null): void => {
    this.#error ??= error ?? undefined
    this.#hasEnded = true
    this.#wake?.()
  }

  #finishBlock(): void {
    this.#full.push(this.#filling)
    this.#filling = this.#spare.pop() ?? new FillingBlock()
    this.#filling.clear()
    this.#wake?.()
  }

  #arrival(): Promise<void> {
    const { clock, silenceTimeoutMs } = this.#options
    return new Promise((resolve) => {
      const done = () => {
        timer?.cancel()
        this.#wake = undefined
        resolve()
      }
      const timer = Number.isFinite(silenceTimeoutMs) ? clock.setTimer(silenceTimeoutMs, () => {
        this.#hasEnded = true
        this.#error ??= new Error(`Connection terminated: the server has sent no rows for ${silenceTimeoutMs} ms`)
        done()
      }) : undefined
      this.#wake = done
    })
  }
}

class FillingBlock implements RowBlock {
  bytes: Buffer = Buffer.allocUnsafe(65_536)
  length = 0
  rowCount = 0
  #starts = new Int32Array(2_048)
  readonly #row = new CopyRow()

  clear(): void {
    this.length = 0
    this.rowCount = 0
    if (this.bytes.length > largestKept) this.bytes = Buffer.allocUnsafe(65_536)
  }

  startOf(row: number): number {
    return this.#starts[row]!
  }

  endOf(row: number): number {
    return row + 1 < this.rowCount ? this.#starts[row + 1]! - copyHeaderBytes : this.length
  }

  row(row: number): CopyRow {
    return this.#row.read(this.bytes, this.startOf(row), this.endOf(row))
  }

  /** Takes rows with their headers until it is full. @returns where the rest begins */
  add(rows: Buffer, start: number, end: number, mostRows: number): number {
    let at = start
    for (const shift = this.length - start; at < end && this.rowCount < mostRows && at + shift < blockBytes; at += 1 + rows.readUInt32BE(at + 1)) {
      if (this.rowCount === this.#starts.length) this.#enlargeStarts()
      this.#starts[this.rowCount++] = at + shift + copyHeaderBytes
    }
    const length = this.length + at - start
    if (length > this.bytes.length) {
      const larger = Buffer.allocUnsafe(Math.max(2 * this.bytes.length, length))
      larger.set(this.bytes.subarray(0, this.length))
      this.bytes = larger
    }
    rows.copy(this.bytes, this.length, start, at)
    this.length = length
    return at
  }

  #enlargeStarts(): void {
    const larger = new Int32Array(2 * this.#starts.length)
    larger.set(this.#starts)
    this.#starts = larger
  }
}
