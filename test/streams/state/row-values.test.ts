import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { stringSerde } from '../../../src/core/index.ts'
import type { Serde } from '../../../src/core/index.ts'
import { ByteRows } from '../../../src/streams/state/byte-rows.ts'
import { CacheBudget, CachingByteStore } from '../../../src/streams/state/caching-byte-store.ts'
import type { CachingOptions } from '../../../src/streams/state/caching-byte-store.ts'
import { FlushedRow } from '../../../src/streams/state/flushed-row.ts'
import { KeyValueStore } from '../../../src/streams/state/key-value-store.ts'
import { MemoryByteStore } from '../../../src/streams/state/memory-byte-store.ts'
import { RowOrigins } from '../../../src/streams/state/row-origins.ts'
import { RowValues } from '../../../src/streams/state/row-values.ts'
import { ScratchBytes } from '../../../src/streams/state/scratch-bytes.ts'
import { valueAndTimestampSerde } from '../../../src/streams/state/value-and-timestamp.ts'
import { WriteBackStore } from '../../../src/streams/state/write-back-store.ts'
import { StreamRecord, noHeaders, noOrigin } from '../../../src/streams/stream-record.ts'

const keyCount = 40
const value = fc.oneof({ weight: 6, arbitrary: fc.string({ maxLength: 12 }) }, { weight: 1, arbitrary: fc.constantFrom('größer', 'x'.repeat(150), 'y'.repeat(3_000)) })
const step = fc.oneof(
  { weight: 5, arbitrary: fc.record({ do: fc.constantFrom('put' as const, 'remove' as const, 'write over' as const), key: fc.nat(keyCount - 1), value }) },
  // From none: on from where the last reading ended.
  { weight: 5, arbitrary: fc.record({ do: fc.constant('read' as const), from: fc.option(fc.nat(keyCount - 1), { freq: 1 }), count: fc.nat(15), by: fc.constantFrom(1, 1, 1, -1, 3) }) },
)

/** The serde of texts, which counts how many were cut from a string of many. */
function countingSerde(): Serde<string> & { cut: number } {
  const serde = {
    ...stringSerde,
    cut: 0,
    deserializeFrom(...args: Parameters<NonNullable<Serde<string>['deserializeFrom']>>) {
      serde.cut++
      return stringSerde.deserializeFrom!(...args)
    },
  }
  return serde
}

const record = new StreamRecord(null, null, 1, noHeaders, noOrigin)
const options = (): CachingOptions => ({ budget: new CacheBudget(1_000_000), currentRecord: () => record, noteOrigin: (origins, row) => origins.set(row, record), enter: () => {}, enterRow: () => {} })
const keyOf = (key: number) => Buffer.from(`key-${key}`)

describe('RowValues', () => {
  it('reads the value that a row has, whatever happened to the rows before, and in whatever order they are read', () => {
    const serde = countingSerde()
    fc.assert(fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const rows = new ByteRows()
      const values = new RowValues()
      const model = new Map<number, string>()
      let last = 0
      const put = (key: number, text: string) => {
        const row = rows.find(keyOf(key))
        if (row < 0) rows.add(keyOf(key), Buffer.from(text))
        else rows.setValue(row, Buffer.from(text))
        model.set(key, text)
      }
      for (let key = 0; key < keyCount; key++) put(key, `value ${key}`)
      for (const each of steps) {
        if (each.do === 'read') {
          for (let index = 0; index < each.count; index++) {
            last = index === 0 && each.from !== null ? each.from : (last + each.by + keyCount) % keyCount
            if (model.has(last)) expect(values.read(serde, rows, rows.find(keyOf(last)), 0)).toBe(model.get(last))
          }
        } else if (each.do === 'put') put(each.key, each.value)
        else if (each.do === 'remove') {
          const row = rows.find(keyOf(each.key))
          if (row >= 0) rows.remove(row)
          model.delete(each.key)
        } else if (each.do === 'write over') {
          const row = rows.find(keyOf(each.key))
          if (row < 0) continue
          const text = 'abcdefgh'[each.value.length % 8]!.repeat(rows.valueLength(row))
          rows.overwritten()
          rows.page(row).set(Buffer.from(text), rows.offset(row) + rows.keyLength(row))
          model.set(each.key, text)
        }
      }
    }), { numRuns: 300 })
    expect(serde.cut).toBeGreaterThan(300)
  })

  it('reads rows in no order without a string for many', () => {
    const rows = new ByteRows()
    const [values, serde] = [new RowValues(), countingSerde()]
    for (let key = 0; key < 500; key++) {
      rows.find(keyOf(key))
      rows.add(keyOf(key), Buffer.from(`value ${key}`))
    }
    for (let key = 0; key < 500; key++) expect(values.read(serde, rows, rows.find(keyOf((key * 211) % 500)), 2)).toBe(`lue ${(key * 211) % 500}`)
    for (let key = 499; key > 0; key--) values.read(serde, rows, rows.find(keyOf(key)), 0)
    expect(serde.cut).toBe(0)
    for (let key = 0; key < 500; key++) values.read(serde, rows, rows.find(keyOf(key)), 0)
    expect(serde.cut).toBeGreaterThan(450)
  })
})

describe('A stretch of rows', () => {
  /** Of rows of 96 bytes, some of which were read. */
  function tableOf(count: number, read: number) {
    const rows = new ByteRows()
    const [values, serde] = [new RowValues(), countingSerde()]
    const put = (key: number, text: string) => {
      rows.find(keyOf(key))
      rows.add(keyOf(key), Buffer.from(text.padEnd(96 - keyOf(key).length, '.')))
    }
    for (let key = 0; key < count; key++) put(key, `value ${key}`)
    const textOf = (row: number) => values.read(serde, rows, row, 0).replaceAll('.', '')
    for (let key = 0; key < read; key++) expect(textOf(rows.find(keyOf(key)))).toBe(`value ${key}`)
    expect(serde.cut).toBeGreaterThan(0)
    return { rows, put, textOf }
  }

  it('is read anew when a row has come to where another one was', () => {
    const { rows, put, textOf } = tableOf(40, 20)
    rows.remove(rows.find(keyOf(20)))
    put(99, 'another')
    expect(textOf(rows.find(keyOf(99)))).toBe('another')
  })

  it('is not taken for that of another page', () => {
    const { rows, textOf } = tableOf(20_000, 20)
    const first = rows.find(keyOf(19))
    const end = rows.offset(first) + 96
    const other = Array.from({ length: 20_000 }, (_, key) => rows.find(keyOf(key))).find((row) => rows.page(row) !== rows.page(first) && rows.offset(row) >= end)!
    expect(rows.offset(other) - end).toBeLessThan(96)
    expect(textOf(other)).toBe(Buffer.from(rows.value(other)!).toString().replaceAll('.', ''))
  })
})

describe.each(['rows of its own', 'those of the store'])('A store with a cache that has %s', (kind) => {
  it('shows other tables what a row was written over with', () => {
    const serde = countingSerde()
    const store = new MemoryByteStore()
    const cache = kind === 'rows of its own' ? new CachingByteStore(store, options()) : new WriteBackStore(store, null, options())
    const table = new KeyValueStore(cache, stringSerde, valueAndTimestampSerde(serde))
    const asking = new ByteRows()
    const values = new RowValues()
    const [key, asked] = [new ScratchBytes(), new FlushedRow(asking, new RowOrigins())]
    for (let index = 0; index < keyCount; index++) {
      asking.find(keyOf(index))
      asking.add(keyOf(index), null)
      table.put(`key-${index}`, { value: `v${index % 10}`, timestamp: index })
    }
    for (let index = 0; index < keyCount; index++) {
      const row = cache.findIn(key, key.take(keyOf(index)))
      if (index === keyCount / 2) {
        for (let later = 0; later < keyCount; later++) {
          const other = cache.findIn(key, key.take(keyOf(later)))
          expect(cache.overwrites(other)).toBe(true)
          cache.table.page(other)[cache.table.offset(other) + cache.table.keyLength(other) + 9] = 48 + ((later + 1) % 10)
        }
      }
      const expected = `v${(index < keyCount / 2 ? index : index + 1) % 10}`
      asked.row = index
      expect(table.getOfRow(asked)).toEqual({ value: expected, timestamp: index })
      expect(values.read(serde, cache.table as ByteRows, row, 8)).toBe(expected)
    }
    expect(serde.cut).toBeGreaterThan(keyCount / 2)
  })
})
