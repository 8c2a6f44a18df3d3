import { StreamError } from '../../core/index.ts'
import type { Header } from '../../core/index.ts'
import { equalBytes, readInt32, readInt64, writeInt32, writeInt64 } from './bytes.ts'

/** A row that waits in a buffer, with the record that brought it. Values are serialised. */
export interface BufferedRow {
  readonly timestamp: number
  readonly offset: number
  readonly topic: string
  readonly partition: number
  readonly headers: readonly Header[]
  /** What downstream knew of the row when it came in. */
  readonly priorValue: Uint8Array | null
  readonly oldValue: Uint8Array | null
  readonly newValue: Uint8Array | null
}

const absent = -1
/** The old value is the same as the prior one, and not written twice. */
const sameAsPrior = -2

const encoder = new TextEncoder()
const decoder = new TextDecoder()

/**
 * Kafka Streams' layout of a buffered row (version 3 of the suppress changelog):
 * ```
 *   timestamp (8) · offset (8) · topic (4 + bytes) · partition (4) · headers (4 + each: 4 + key, 4 + value)
 *   prior value (4 + bytes) · old value (4 + bytes) · new value (4 + bytes) · time in the buffer (8)
 * ```
 */
export function encodeBuffered(row: BufferedRow, time: number): Uint8Array {
  const topic = encoder.encode(row.topic)
  const headers = row.headers.map(({ key, value }) => ({ key: encoder.encode(key), value }))
  const headerBytes = headers.reduce((sum, { key, value }) => sum + 8 + key.length + (value?.length ?? 0), 0)
  const oldIsPrior = row.priorValue !== null && row.oldValue !== null && equalBytes(row.priorValue, row.oldValue)
  const values = (row.priorValue?.length ?? 0) + (oldIsPrior ? 0 : (row.oldValue?.length ?? 0)) + (row.newValue?.length ?? 0)
  const out = new Writer(8 + 8 + 4 + topic.length + 4 + 4 + headerBytes + 12 + values + 8)
  out.long(row.timestamp)
  out.long(row.offset)
  out.sized(topic)
  out.int(row.partition)
  out.int(headers.length)
  for (const { key, value } of headers) {
    out.sized(key)
    out.sized(value)
  }
  out.sized(row.priorValue)
  if (oldIsPrior) out.int(sameAsPrior)
  else out.sized(row.oldValue)
  out.sized(row.newValue)
  out.long(time)
  return out.bytes
}

export function decodeBuffered(bytes: Uint8Array): { readonly row: BufferedRow; readonly time: number } {
  const input = new Reader(bytes)
  const timestamp = input.long()
  const offset = input.long()
  const topic = decoder.decode(input.sized() ?? new Uint8Array(0))
  const partition = input.int()
  const headers = Array.from({ length: input.count() }, () => ({ key: decoder.decode(input.sized() ?? new Uint8Array(0)), value: input.sized() }))
  const priorValue = input.sized()
  const oldValue = input.sized(priorValue)
  const newValue = input.sized()
  return { row: { timestamp, offset, topic, partition, headers, priorValue, oldValue, newValue }, time: input.long() }
}

class Writer {
  readonly bytes: Uint8Array
  #at = 0

  constructor(length: number) {
    this.bytes = new Uint8Array(length)
  }

  long(value: number): void {
    writeInt64(this.bytes, this.#at, value)
    this.#at += 8
  }

  int(value: number): void {
    writeInt32(this.bytes, this.#at, value)
    this.#at += 4
  }

  sized(value: Uint8Array | null): void {
    this.int(value === null ? absent : value.length)
    if (value === null) return
    this.bytes.set(value, this.#at)
    this.#at += value.length
  }
}

class Reader {
  readonly #bytes: Uint8Array
  #at = 0

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes
  }

  long(): number {
    return readInt64(this.#bytes, this.#take(8))
  }

  int(): number {
    return readInt32(this.#bytes, this.#take(4))
  }

  /** A number of items, each of which takes 8 bytes at least. */
  count(): number {
    const count = this.int()
    if (count >= 0 && count * 8 <= this.#bytes.length - this.#at) return count
    throw damaged(this.#bytes)
  }

  sized(prior: Uint8Array | null = null): Uint8Array | null {
    const size = this.int()
    if (size === absent) return null
    if (size === sameAsPrior) return prior
    const from = this.#take(size)
    return this.#bytes.subarray(from, from + size)
  }

  #take(size: number): number {
    const from = this.#at
    if (size < 0 || from + size > this.#bytes.length) throw damaged(this.#bytes)
    this.#at += size
    return from
  }
}

function damaged(bytes: Uint8Array): StreamError {
  return new StreamError('DESERIALIZATION_FAILED', `a buffered row of ${bytes.length} bytes does not have the form of one`)
}
