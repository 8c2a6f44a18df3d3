import type { OpenStore } from '../state/open-store.ts'
import { KeyValueStore } from '../state/key-value-store.ts'
import type { RowUpdate } from '../state/row-update.ts'
import { WindowStore } from '../state/window-store.ts'
import { readKey } from '../record-head.ts'
import { unread, writesWhatWasRead } from '../stream-record.ts'
import type { InputBatch, InputPlace } from '../stream-record.ts'
import type { StoreSpec } from '../topology/node.ts'
import type { Aggregation } from './aggregation.ts'
import { argumentsSeen } from './run-source.ts'

/** So many arguments of an aggregator can be had without a record: aggregate, value, key. */
const argumentsWithoutRecord = 3

/** Aggregates what was read without a record for it: rows are looked up by the key as it stands in its batch. What `aggregateNext` and a kept table do. */
export class ReadAggregation {
  readonly rows: RowUpdate
  /** False: the aggregator does not look at values. */
  readonly seesValue: boolean
  readonly #initializer: Aggregation['initializer']
  readonly #aggregator: Aggregation['aggregator']
  readonly #spec: StoreSpec
  readonly #seesKey: boolean
  #place: InputPlace | null = null
  #keysStand = false

  constructor(aggregation: Aggregation, spec: StoreSpec, rows: RowUpdate) {
    this.#initializer = aggregation.initializer
    this.#aggregator = aggregation.aggregator
    this.#spec = spec
    this.rows = rows
    const seen = argumentsSeen(aggregation.aggregator, argumentsWithoutRecord + 1)
    this.seesValue = seen > 1 || aggregation.initializer === null
    this.#seesKey = seen > 2
  }

  /** The row is that of this key from now on. False: it is not known how its bytes are those of a row. */
  setKey({ place, reader }: InputBatch, mark: number, key: unknown, isKeyRead: boolean): boolean {
    if (key === null || !isKeyRead || reader.positionOf === undefined) return false
    if (place !== this.#place) {
      this.#place = place
      this.#keysStand = writesWhatWasRead(place.keySerde, this.#spec.keySerde)
    }
    if (this.#keysStand) this.rows.setKey(reader.positionOf(mark))
    return this.#keysStand
  }

  /** Adds a value to the row. */
  add(batch: InputBatch, mark: number, timestamp: number, key: unknown, value: unknown): void {
    const { rows } = this
    rows.read()
    const before = rows.value
    rows.write(this.#next(batch, mark, before, key, value), before === null ? timestamp : Math.max(rows.timestamp, timestamp))
  }

  #next(batch: InputBatch, mark: number, before: unknown, key: unknown, value: unknown): unknown {
    const initializer = this.#initializer
    const aggregator = this.#aggregator
    if (before === null && initializer === null) return value
    const aggregate = before === null ? initializer!() : before
    return this.#seesKey ? aggregator(aggregate, value, key === unread ? readKey(batch, mark) : key, undefined as never) : aggregator(aggregate, value, undefined as never, undefined as never)
  }
}

/** null where that is not to be: rows do not wait in a cache, old values are asked for, or the aggregator looks at records. */
export function readAggregation(aggregation: Aggregation, store: OpenStore, sendOldValues: boolean): ReadAggregation | null {
  const { spec, view } = store
  if (sendOldValues || !store.cached || !spec.type.startsWith('timestamped-') || spec.keepsHeaders === true) return null
  if (argumentsSeen(aggregation.aggregator, argumentsWithoutRecord + 1) > argumentsWithoutRecord) return null
  const rows = view instanceof KeyValueStore || view instanceof WindowStore ? view.rowUpdate(spec.valueSerde) : null
  return rows === null ? null : new ReadAggregation(aggregation, spec, rows)
}
