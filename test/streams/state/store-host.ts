import { StreamRecord, noHeaders, noOrigin } from '../../../src/streams/stream-record.ts'
import { CacheBudget } from '../../../src/streams/state/caching-byte-store.ts'
import type { RowOrigins } from '../../../src/streams/state/row-origins.ts'
import type { StoreHost } from '../../../src/streams/state/open-store.ts'
import type { StoreSpec } from '../../../src/streams/topology/node.ts'
import { stringSerde } from '../../../src/core/index.ts'
import type { Header, RecordSpan, Serde } from '../../../src/core/index.ts'

export interface LoggedRow {
  readonly key: Uint8Array
  readonly value: Uint8Array | null
  readonly timestamp: number
  readonly headers: readonly Header[]
}

/** A host that keeps what stores log, and lets a test say which record is being processed. */
export class TestStoreHost implements StoreHost {
  readonly logged: LoggedRow[] = []
  readonly cacheBudget: CacheBudget | null
  expiredRows = 0
  #current = recordAt(0)

  constructor(cacheMaxBytes = 0) {
    this.cacheBudget = cacheMaxBytes > 0 ? new CacheBudget(cacheMaxBytes) : null
  }

  at(timestamp: number): void {
    this.#current = recordAt(timestamp)
  }

  log(_store: StoreSpec, key: Uint8Array, value: Uint8Array | null, timestamp: number, headers: readonly Header[]): void {
    this.logged.push({ key: new Uint8Array(key), value: value && new Uint8Array(value), timestamp, headers })
  }

  logSpan(_store: StoreSpec, { bytes, view, keyAt, keyLength, valueAt, valueLength }: RecordSpan, timestamp: number): void {
    // The view is of the same bytes: long parts are copied from these, short ones from that.
    const key = Uint8Array.from({ length: keyLength }, (_, index) => view.getUint8(keyAt + index))
    const value = valueLength < 0 ? null : bytes.slice(valueAt, valueAt + valueLength)
    this.logged.push({ key, value, timestamp, headers: noHeaders })
  }

  expired(): void {
    this.expiredRows++
  }

  readonly currentRecord = (): StreamRecord => this.#current

  readonly noteOrigin = (origins: RowOrigins, row: number): void => origins.set(row, this.#current)

  readonly enter = (record: StreamRecord): void => {
    this.#current = record
  }

  readonly enterRow = (origins: RowOrigins, row: number): void => {
    this.#current = origins.get(row)
  }
}

function recordAt(timestamp: number): StreamRecord {
  return new StreamRecord(null, null, timestamp, noHeaders, noOrigin)
}

export function specOf(fields: Partial<StoreSpec> & Pick<StoreSpec, 'type'>): StoreSpec {
  const text = stringSerde as Serde<unknown>
  return { name: 's', keySerde: text, valueSerde: text, persistent: true, caching: false, changelog: { sourceTopic: null, topicConfig: {} }, ...fields }
}
