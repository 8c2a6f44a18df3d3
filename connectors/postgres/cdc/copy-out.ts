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
import { nullCell } from './pgoutput.ts'

/** Rows, one behind the other. Good until the next block is taken. */
export interface RowBlock {
  readonly bytes: Buffer
  /** Start and end of each cell, row by row; `nullCell` in place of the start of a null. */
  readonly cells: Int32Array
  readonly rowCount: number
}

export interface CopyOptions {
  readonly columnCount: number
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
  #filling: FillingBlock
  #stream: Duplex | undefined
  #tap: CopyTap | undefined
  #isPaused = false
  #error: Error | undefined
  #hasEnded = false
  #wake: (() => void) | undefined

  constructor(client: Client, query: string, options: CopyOptions) {
    this.#text = `copy (${query}) to stdout`
    this.#options = options
    this.#filling = new FillingBlock(options.columnCount)
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
      const next = at + 1 + bytes.readUInt32BE(at + 1)
      const block = this.#filling
      block.add(bytes, at + copyHeaderBytes, next)
      if (block.rowCount >= this.#options.blockRows || block.length >= blockBytes) this.#finishBlock()
      at = next
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
    this.#filling = this.#spare.pop() ?? new FillingBlock(this.#options.columnCount)
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

const tab = 0x09
const newline = 0x0a
const backslash = 0x5c
const letterN = 0x4e

class FillingBlock implements RowBlock {
  bytes: Buffer = Buffer.allocUnsafe(65_536)
  cells = new Int32Array(4_096)
  length = 0
  rowCount = 0
  readonly #cellsPerRow: number

  constructor(columnCount: number) {
    this.#cellsPerRow = 2 * columnCount
  }

  clear(): void {
    this.length = 0
    this.rowCount = 0
  }

  /** Takes a row in the text format of COPY, which stands between the two places, without its escapes. */
  add(row: Buffer, from: number, to: number): void {
    const most = this.length + to - from
    if (most > this.bytes.length) this.bytes = enlarged(this.bytes, this.length, most)
    let cell = this.#cellsPerRow * this.rowCount
    if (cell + this.#cellsPerRow > this.cells.length) {
      const cells = new Int32Array(2 * this.cells.length + this.#cellsPerRow)
      cells.set(this.cells)
      this.cells = cells
    }
    this.rowCount++
    const { bytes, cells } = this
    const last = this.#cellsPerRow * this.rowCount
    let length = this.length
    let start = length
    let isNull = false
    for (let at = from; at < to; at++) {
      const byte = row[at]!
      if (byte > backslash || (byte !== tab && byte !== newline && byte !== backslash)) bytes[length++] = byte
      else if (byte === backslash) {
        const escaped = row[++at]!
        if (escaped === letterN) isNull = true
        else bytes[length++] = characters.get(escaped) ?? escaped
      } else if (cell < last) {
        cells[cell++] = isNull ? nullCell : start
        cells[cell++] = isNull ? nullCell : length
        start = length
        isNull = false
      }
    }
    this.length = length
  }
}

const characters: ReadonlyMap<number, number> = new Map([['b', '\b'], ['f', '\f'], ['n', '\n'], ['r', '\r'], ['t', '\t'], ['v', '\v']].map(([letter, character]) => [letter!.charCodeAt(0), character!.charCodeAt(0)]))

function enlarged(bytes: Buffer, length: number, wanted: number): Buffer {
  const larger = Buffer.allocUnsafe(Math.max(2 * bytes.length, wanted))
  larger.set(bytes.subarray(0, length))
  return larger
}
