import { StreamError } from '../../core/index.ts'
import type { Serde } from '../../core/index.ts'
import type { ByteStore } from './byte-store.ts'
import { readInt32, readInt64, writeInt32, writeInt64 } from './bytes.ts'
import { LeavingRows } from './leaving-rows.ts'
import { joinBytes } from './store-keys.ts'

export type JoinSide = 'left' | 'right'

/** Rows of one side, time and key that have found no partner so far, in the order in which they came. */
export interface ParkedRows {
  readonly timestamp: number
  readonly side: JoinSide
  readonly key: unknown
  readonly values: readonly unknown[]
}

export interface OuterJoinSerdes {
  readonly keySerde: Serde<unknown>
  readonly leftSerde: Serde<unknown>
  readonly rightSerde: Serde<unknown>
}

/**
 * Where a left or outer stream join parks rows until their window has passed. Layouts as Kafka Streams has them:
 * ```
 *   key     timestamp (8) · side (1: 1 left, 0 right) · key bytes
 *   value   1 · count (4) · for each: size (4) · side (1) · value bytes
 * ```
 */
export class OuterJoinStore {
  readonly #bytes: LeavingRows
  readonly #serdes: OuterJoinSerdes

  constructor(bytes: ByteStore, serdes: OuterJoinSerdes) {
    this.#bytes = new LeavingRows(bytes)
    this.#serdes = serdes
  }

  park(key: unknown, timestamp: number, side: JoinSide, value: unknown): void {
    const rowKey = this.#rowKey(key, timestamp, side)
    const parked = this.#bytes.get(rowKey)
    const item = joinBytes(Uint8Array.of(sideByte(side)), this.#valueSerde(side).serialize(value))
    this.#bytes.put(rowKey, encodeList([...(parked === null ? [] : decodeList(parked)), item]))
  }

  /** They found a partner, or were sent on without one. */
  remove(key: unknown, timestamp: number, side: JoinSide): void {
    const rowKey = this.#rowKey(key, timestamp, side)
    if (this.#bytes.get(rowKey) !== null) this.#bytes.delete(rowKey)
  }

  /** By time, the right side before the left, then by key. */
  *all(): Iterable<ParkedRows> {
    for (const { key, value } of this.#bytes.all()) {
      const side = key[8] === 1 ? 'left' : 'right'
      yield {
        timestamp: readInt64(key, 0),
        side,
        key: this.#serdes.keySerde.deserialize(key.subarray(9)),
        values: decodeList(value).map((item) => this.#valueSerde(side).deserialize(item.subarray(1))),
      }
    }
  }

  rollback(): void {
    this.#bytes.rollback()
  }

  #rowKey(key: unknown, timestamp: number, side: JoinSide): Uint8Array {
    const keyBytes = this.#serdes.keySerde.serialize(key)
    const rowKey = new Uint8Array(9 + keyBytes.length)
    writeInt64(rowKey, 0, timestamp)
    rowKey[8] = sideByte(side)
    rowKey.set(keyBytes, 9)
    return rowKey
  }

  #valueSerde(side: JoinSide): Serde<unknown> {
    return side === 'left' ? this.#serdes.leftSerde : this.#serdes.rightSerde
  }
}

const variableSizes = 1

function sideByte(side: JoinSide): number {
  return side === 'left' ? 1 : 0
}

function encodeList(items: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(items.reduce((length, item) => length + 4 + item.length, 5))
  bytes[0] = variableSizes
  writeInt32(bytes, 1, items.length)
  let at = 5
  for (const item of items) {
    writeInt32(bytes, at, item.length)
    bytes.set(item, at + 4)
    at += 4 + item.length
  }
  return bytes
}

function decodeList(bytes: Uint8Array): readonly Uint8Array[] {
  const items: Uint8Array[] = []
  const count = bytes.length < 5 ? -1 : readInt32(bytes, 1)
  let at = 5
  for (let index = 0; index < count && at + 4 <= bytes.length; index++) {
    const size = readInt32(bytes, at)
    items.push(bytes.subarray(at + 4, at + 4 + size))
    at += 4 + size
  }
  if (items.length === count && at === bytes.length) return items
  throw new StreamError('DESERIALIZATION_FAILED', `a list of rows that wait for a partner is damaged: ${count} items were announced in ${bytes.length} bytes`)
}
