/**
 * The replication protocol on a connection of its own: messages in, status out.
 *
 *   START_REPLICATION ──► messages ──► a bounded queue ──► take()
 *                          │ queue full: the socket is paused
 *   every status interval, whatever the queue holds: "still here, durable up to …"
 *
 * The server ends a connection that it does not hear from (`wal_sender_timeout`). So the status goes out on a timer and never waits for
 * whoever reads the queue.
 */
import type { Clock, Timer } from 'millrace/connect'
import type { Client, Submittable } from 'pg'
import type { Duplex } from 'node:stream'
import { endClient } from '../connection.ts'
import { copyHeaderBytes, tapCopyData } from './copy-tap.ts'
import { lsnText } from './lsn.ts'
import { MessageBlock } from './message-block.ts'
import { quoteName, quoteText } from '../sink/sql-text.ts'

/** The part of pg's connection that is used here. */
interface CopyConnection {
  readonly stream: Duplex
  query(text: string): void
  sendCopyFromChunk(bytes: Buffer): void
}

export interface StreamOptions {
  readonly slot: string
  readonly publication: string
  readonly startLsn: bigint
  /** Whether the server sends logical messages: from PostgreSQL 14 on. */
  readonly messages: boolean
  /** Everything before this is durable with us already; 0: nothing is known to be. */
  readonly durableLsn: bigint
  readonly statusIntervalMs: number
  readonly maxQueuedBytes: number
  /** A server that is asked every status interval and has said nothing for so long is taken for gone. */
  readonly silenceTimeoutMs: number
}

/** A block is full at so many bytes. */
const blockBytes = 131_072
const spareBlocks = 2

/**
 * The server hands each change to its socket by itself. Whoever reads them as they come reads a few hundred bytes at a time, and waking it costs
 * the server more than the change: when small pieces come one upon the other, the socket rests, and what gathers is read in one go.
 */
const restMs = 1
const smallBytes = 32_768
/** So many small pieces, each within `restMs` of the one before, are a stream of changes, and not one that somebody waits for. */
const piecesOfStream = 4

/** Of copy data: its header and a tag; then two positions and a time. */
const positionStart = copyHeaderBytes + 1
const messageStart = positionStart + 24
const keepAliveTag = 0x6b
/** Behind the tag of a keep-alive, a position and a time: whether an answer is wanted. */
const answerWanted = positionStart + 16

const epochMicros = 946_684_800_000_000n

/** A status update: 'r', three positions, the time, and whether an answer is wanted. */
const statusBytes = 34

export class ReplicationStream {
  readonly #client: Client
  readonly #clock: Clock
  readonly #options: StreamOptions
  readonly #full: MessageBlock[] = []
  /** May be filled anew. */
  readonly #spare: MessageBlock[] = []
  #filling = new MessageBlock()
  #lent: MessageBlock | undefined
  #queuedBytes = 0
  #paused = false
  #error: Error | undefined
  #wake: (() => void) | undefined
  #timer: Timer | undefined
  #connection: CopyConnection | undefined
  #durableLsn: bigint
  #receivedHigh: number
  #receivedLow: number
  #closed = false
  #heardMs: number
  #rest: Timer | undefined
  /** Small pieces that came one upon the other. */
  #pieces = 0

  constructor(client: Client, clock: Clock, options: StreamOptions) {
    this.#client = client
    this.#clock = clock
    this.#options = options
    this.#durableLsn = options.durableLsn
    this.#receivedHigh = Number(options.startLsn >> 32n)
    this.#receivedLow = Number(BigInt.asUintN(32, options.startLsn))
    this.#heardMs = clock.monotonic()
  }

  start(): void {
    const { slot, publication, startLsn, messages } = this.#options
    const text =
      `START_REPLICATION SLOT ${quoteName(slot)} LOGICAL ${lsnText(startLsn)} ` +
      `(proto_version '1', publication_names ${quoteText(quoteName(publication))}${messages ? `, messages 'true'` : ''})`
    const fail = (error: Error) => this.#fail(error)
    const query: Submittable & Record<string, unknown> = {
      submit: (connection) => {
        this.#connection = connection as unknown as CopyConnection
        tapCopyData(this.#connection.stream, (bytes, start, end) => this.#receive(bytes, start, end))
        this.#connection.query(text)
      },
      handleError: fail,
      handleCommandComplete: () => fail(new Error('the server ended the replication')),
      handleReadyForQuery: () => undefined,
      handleRowDescription: () => undefined,
      handleDataRow: () => undefined,
    }
    this.#client.on('error', fail)
    this.#client.on('end', () => fail(new Error('the server closed the connection')))
    this.#client.query(query)
    this.#keepAlive()
  }

  /** The end of the log as far as the server has sent it; what it holds for us is in the queue or was taken. */
  get receivedLsn(): bigint {
    return (BigInt(this.#receivedHigh) << 32n) | BigInt(this.#receivedLow)
  }

  get queuedBytes(): number {
    return this.#queuedBytes
  }

  get isEmpty(): boolean {
    return this.#full.length === 0 && this.#filling.messageCount === 0
  }

  /**
   * Waits at most `timeoutMs` for messages. They are good until the next call; undefined: none came.
   * @throws what ended the connection, once the queue is empty
   */
  async take(timeoutMs: number, signal: AbortSignal): Promise<MessageBlock | undefined> {
    if (this.#lent !== undefined && this.#spare.length < spareBlocks) this.#spare.push(this.#lent)
    this.#lent = undefined
    if (this.isEmpty && this.#error === undefined) await this.#arrival(timeoutMs, signal)
    if (this.isEmpty && this.#error !== undefined) throw this.#error
    if (this.#full.length === 0 && this.#filling.messageCount > 0) this.#finishBlock()
    this.#lent = this.#full.shift()
    this.#queuedBytes -= this.#lent?.length ?? 0
    if (this.#paused && this.#queuedBytes <= this.#options.maxQueuedBytes / 2) {
      this.#paused = false
      this.#goOn()
    }
    return this.#lent
  }

  #finishBlock(): void {
    this.#full.push(this.#filling)
    this.#filling = this.#spare.pop() ?? new MessageBlock()
    this.#filling.clear()
  }

  /** Everything before `lsn` is durable with us: the server may forget it. */
  confirm(lsn: bigint): void {
    if (lsn > this.#durableLsn) this.#durableLsn = lsn
  }

  /** What comes from now on is dropped. */
  async close(): Promise<void> {
    this.#closed = true
    this.#timer?.cancel()
    this.#rest?.cancel()
    if (this.#error === undefined) this.#sendStatus()
    this.#connection?.stream.resume()
    await endClient(this.#client)
  }

  /** Messages for us, and keep-alives between them. */
  #receive(bytes: Buffer, start: number, end: number): void {
    if (this.#closed) return
    this.#restAfter(end - start)
    const block = this.#filling
    const from = block.add(bytes, start, end) - start
    for (let at = start; at < end;) {
      const next = at + 1 + bytes.readUInt32BE(at + 1)
      this.#noteReceived(bytes.readUInt32BE(at + positionStart), bytes.readUInt32BE(at + positionStart + 4))
      if (bytes[at + copyHeaderBytes] !== keepAliveTag) block.mark(from + at + messageStart, from + next)
      else if (bytes[at + answerWanted] === 1) this.#sendStatus()
      at = next
    }
    if (block.messageCount === 0) block.clear()
    else this.#queue(end - start)
  }

  #queue(byteCount: number): void {
    this.#queuedBytes += byteCount
    if (this.#filling.length >= blockBytes) this.#finishBlock()
    if (this.#queuedBytes > this.#options.maxQueuedBytes && !this.#paused) {
      this.#paused = true
      this.#connection?.stream.pause()
    }
    this.#wake?.()
  }

  #restAfter(byteCount: number): void {
    const nowMs = this.#clock.monotonic()
    this.#pieces = byteCount < smallBytes && nowMs - this.#heardMs < restMs ? this.#pieces + 1 : 0
    this.#heardMs = nowMs
    if (this.#pieces < piecesOfStream || this.#rest !== undefined) return
    this.#connection?.stream.pause()
    this.#rest = this.#clock.setTimer(restMs, () => {
      this.#rest = undefined
      if (!this.#paused) this.#goOn()
    })
  }

  #goOn(): void {
    if (this.#rest !== undefined) return
    this.#heardMs = this.#clock.monotonic()
    this.#connection?.stream.resume()
  }

  /** In halves: a number of 64 bits costs memory each time. */
  #noteReceived(high: number, low: number): void {
    if (high < this.#receivedHigh || (high === this.#receivedHigh && low <= this.#receivedLow)) return
    this.#receivedHigh = high
    this.#receivedLow = low
  }

  #keepAlive(): void {
    this.#timer = this.#clock.setTimer(this.#options.statusIntervalMs, () => {
      if (this.#closed || this.#error !== undefined) return
      const silentMs = this.#clock.monotonic() - this.#heardMs
      if (!this.#paused && silentMs > this.#options.silenceTimeoutMs) return this.#fail(new Error(`the server has said nothing for ${Math.round(silentMs)} ms: the connection is taken for dead`))
      this.#sendStatus('answer, please')
      this.#keepAlive()
    })
  }

  /** The answer says how far the log goes, also where it holds nothing for us. */
  #sendStatus(answer?: 'answer, please'): void {
    const status = Buffer.alloc(statusBytes)
    status[0] = 0x72 // r
    status.writeUInt32BE(this.#receivedHigh, 1)
    status.writeUInt32BE(this.#receivedLow, 5)
    status.writeBigUInt64BE(this.#durableLsn, 9)
    status.writeBigUInt64BE(this.#durableLsn, 17)
    status.writeBigInt64BE(BigInt(this.#clock.now()) * 1000n - epochMicros, 25)
    status[33] = answer === undefined ? 0 : 1
    this.#connection?.sendCopyFromChunk(status)
  }

  #fail(error: Error): void {
    this.#error ??= error
    this.#wake?.()
  }

  #arrival(timeoutMs: number, signal: AbortSignal): Promise<void> {
    if (signal.aborted) return Promise.resolve()
    return new Promise((resolve) => {
      const done = () => {
        timer.cancel()
        signal.removeEventListener('abort', done)
        this.#wake = undefined
        resolve()
      }
      const timer = this.#clock.setTimer(timeoutMs, done)
      signal.addEventListener('abort', done, { once: true })
      this.#wake = done
    })
  }
}
