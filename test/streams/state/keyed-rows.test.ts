import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { bytesSerde, longSerde, stringSerde } from '../../../src/core/index.ts'
import { CacheBudget, CachingByteStore } from '../../../src/streams/state/caching-byte-store.ts'
import { KeyedRows } from '../../../src/streams/state/keyed-rows.ts'
import { MemoryByteStore } from '../../../src/streams/state/memory-byte-store.ts'
import { StreamRecord, noHeaders } from '../../../src/streams/stream-record.ts'

/** Each names a key, and the one that is read in between; a count is read, and put with one more. */
const step = fc.oneof(
  { weight: 10, arbitrary: fc.record({ do: fc.constantFrom('count' as const, 'delete' as const), key: fc.nat(12), between: fc.option(fc.nat(12)) }) },
  { weight: 1, arbitrary: fc.constant({ do: 'commit' as const }) },
  { weight: 1, arbitrary: fc.constant({ do: 'rollback' as const }) },
)

describe('KeyedRows', () => {
  it('replaces the row that was read, and no other, whatever the cache lets go in between', () => {
    fc.assert(fc.property(fc.array(step, { maxLength: 120 }), fc.constantFrom(0, 200, 700, 100_000), (steps, maxBytes) => {
      const { bytes, cache } = storeWith(maxBytes)
      const rows = new KeyedRows(bytes, longSerde)
      const get = (key: number) => rows.get(write(rows, key))
      let model = new Map<number, number>()
      let committed = new Map(model)
      for (const each of steps) {
        if (each.do === 'commit') {
          cache?.flush()
          bytes.commit()
          committed = new Map(model)
        } else if (each.do === 'rollback') {
          bytes.rollback()
          model = new Map(committed)
        } else {
          const { key, between } = each
          expect(get(key)).toBe(model.get(key) ?? null)
          if (between !== null) expect(get(between)).toBe(model.get(between) ?? null)
          const next = each.do === 'delete' ? null : (model.get(key) ?? 0) + 1
          rows.put(between === null ? keyText(key).length : write(rows, key), next)
          if (next === null) model.delete(key)
          else model.set(key, next)
        }
      }
      for (let key = 0; key <= 12; key++) expect(get(key)).toBe(model.get(key) ?? null)
    }))
  })
})

const keepsItsBytes = { serialize: (bytes: Uint8Array) => bytes, deserialize: (bytes: Uint8Array) => bytes }

describe.each([['bytesSerde', bytesSerde], ['a serde that keeps what it reads', keepsItsBytes]])('KeyedRows with %s', (_name, serde) => {
  it.each([0, 100_000])('gives values that no later call changes, and that change no row (cache of %i bytes)', (maxBytes) => {
    const rows = new KeyedRows(storeWith(maxBytes).bytes, serde)
    rows.put(write(rows, 1), Buffer.from('one'))
    rows.put(write(rows, 2), Buffer.from('two'))
    const [first, second] = [rows.get(write(rows, 1))!, rows.get(write(rows, 2))!]
    expect([first, second].map((value) => Buffer.from(value).toString())).toEqual(['one', 'two'])
    first.fill(0)
    expect(Buffer.from(rows.get(write(rows, 1))!).toString()).toBe('one')
  })
})

/** 0: without a cache. */
function storeWith(maxBytes: number) {
  const memory = new MemoryByteStore()
  if (maxBytes === 0) return { bytes: memory, cache: null }
  const record = new StreamRecord(null, null, 0, noHeaders, { topic: 'in', partition: 0, offset: 0, rawKey: null, rawValue: null })
  const cache = new CachingByteStore(memory, { budget: new CacheBudget(maxBytes), currentRecord: () => record, noteOrigin: (origins, row) => origins.set(row, record), enter: () => {}, enterRow: () => {} })
  return { bytes: cache, cache }
}

/** Of lengths that are whole words and others. */
function keyText(key: number): string {
  return `key${'-'.repeat(key % 5)}${key}`
}

function write(rows: KeyedRows<unknown>, key: number): number {
  rows.keyChanges()
  return rows.key.write(stringSerde, keyText(key), 0)
}
