import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { ByteStore } from '../../../src/streams/state/byte-store.ts'
import { DuplicateRows } from '../../../src/streams/state/duplicate-rows.ts'
import { windowKey, windowSequenceOf, windowStartOf, windowSuffix } from '../../../src/streams/state/store-keys.ts'
import { byteStoreContract } from '../../contract/byte-store-contract.ts'

const keys = ['', 'a', 'ab', 'abcd', 'abcde', 'é']
const row = fc.record({ key: fc.constantFrom(...keys), start: fc.nat(5), value: fc.string({ maxLength: 12 }), number: fc.option(fc.nat(8), { freq: 4 }) })
const command = fc.oneof({ weight: 4, arbitrary: row }, { weight: 1, arbitrary: fc.constantFrom('seal' as const, 'commit' as const, 'rollback' as const) })
type Content = ReadonlyMap<string, string>

/** Whole keys in the order of bytes, with their values. */
function sorted(content: Content): readonly (readonly [string, string])[] {
  return [...content].sort(([a], [b]) => (a < b ? -1 : 1))
}

/** Any keys: they get start and number 0. */
function withSuffix(store: DuplicateRows): ByteStore {
  const bare = ({ key, value }: { key: Uint8Array; value: Uint8Array }) => ({ key: key.slice(0, -windowSuffix), value })
  return {
    get: (key) => store.get(windowKey(key, 0)),
    borrow: (key) => store.borrow(windowKey(key, 0)),
    put: (key, value) => store.put(windowKey(key, 0), value),
    *scan({ from, to, ...rest }) {
      for (const entry of store.scan({ ...rest, ...(from && { from: windowKey(from, 0) }), ...(to && { to: windowKey(to, 0) }) })) yield bare(entry)
    },
    count: () => store.count(),
    commit: () => store.commit(),
    rollback: () => store.rollback(),
  }
}

describe('DuplicateRows', () => {
  byteStoreContract(() => withSuffix(new DuplicateRows()))

  it('finds the rows of each key in their order, and goes back to what was committed or sealed, also where numbers come again', () => {
    fc.assert(fc.property(fc.array(command, { maxLength: 40, size: 'max' }), (commands) => {
      const store = new DuplicateRows()
      let [committed, sealed, current]: [Content, Content | null, Map<string, string>] = [new Map(), null, new Map()]
      for (const [index, step] of commands.entries()) {
        if (typeof step === 'object') {
          const key = windowKey(Buffer.from(step.key), step.start, step.number ?? 10 + index)
          store.put(key, Buffer.from(step.value))
          current.set(Buffer.from(key).toString('hex'), step.value)
        } else if (step === 'rollback') {
          store.rollback()
          ;[sealed, current] = [null, new Map(committed)]
        } else if (step === 'commit') {
          store.commit()
          ;[committed, sealed] = [sealed ?? new Map(current), null]
        } else if (sealed === null) {
          store.seal()
          sealed = new Map(current)
        }
        expect(store.count()).toBe(current.size)
        for (const key of keys) {
          const found = store.rowsOf(Buffer.from(key)).map((number) => store.entryAt(number)!)
          const expected = sorted(current).filter(([hex]) => hex.slice(0, -2 * windowSuffix) === Buffer.from(key).toString('hex'))
          expect(found.map((entry) => [Buffer.from(entry.key).toString('hex'), Buffer.from(entry.value).toString()])).toEqual(expected)
        }
        expect([...store.scan({})].map((entry) => [Buffer.from(entry.key).toString('hex'), Buffer.from(entry.value).toString()])).toEqual(sorted(current))
      }
    }), { numRuns: 80 })
  })

  it('finds among thousands of rows of a key those of a time, whatever the order in which they came', () => {
    const store = new DuplicateRows()
    const key = Buffer.from('hot')
    const startOf = (index: number) => (index * 7_919) % 5_000
    for (let index = 0; index < 5_000; index++) store.put(windowKey(key, startOf(index), index), key)
    const starts = store.rowsOf(key).map((number) => windowStartOf(store.entryAt(number)!.key))
    expect(starts).toEqual(Array.from({ length: 5_000 }, (_, start) => start))
    expect(windowSequenceOf(store.entryAt(store.rowsOf(key)[startOf(17)]!)!.key)).toBe(17)
  })
})
