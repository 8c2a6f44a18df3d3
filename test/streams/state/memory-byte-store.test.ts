import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { ByteRows } from '../../../src/streams/state/byte-rows.ts'
import { prefixEnd } from '../../../src/streams/state/bytes.ts'
import { ChangelogByteStore } from '../../../src/streams/state/changelog-byte-store.ts'
import { MemoryByteStore } from '../../../src/streams/state/memory-byte-store.ts'
import { byteStoreContract } from '../../contract/byte-store-contract.ts'

const put = fc.record({ isRow: fc.boolean(), key: fc.nat(1), value: fc.option(fc.string({ maxLength: 12 }), { freq: 2 }) })
const command = fc.oneof({ weight: 2, arbitrary: put }, { weight: 1, arbitrary: fc.constantFrom('seal' as const, 'commit' as const, 'rollback' as const) })
type Content = ReadonlyMap<number, string>

function contentOf(store: MemoryByteStore): Content {
  return new Map([...store.scan({})].map(({ key, value }) => [key[0]!, Buffer.from(value).toString()]))
}

function putBytes(store: MemoryByteStore, key: Uint8Array, value: Uint8Array | null): void {
  store.put(key, value)
}

/** From a row of another table, which has others in front. */
function putAsRow(store: MemoryByteStore, key: Uint8Array, value: Uint8Array | null): void {
  const table = new ByteRows()
  for (const other of [Buffer.from('another'), key]) if (table.find(other) < 0) table.add(other, value)
  store.putRow(table, table.find(key))
}

describe('MemoryByteStore', () => {
  byteStoreContract(() => new MemoryByteStore())

  describe('by rows of another table', () => {
    byteStoreContract(() => Object.assign(new MemoryByteStore(), { put(this: MemoryByteStore, key: Uint8Array, value: Uint8Array | null) { putAsRow(this, key, value) } }))
  })

  it('commits what was sealed and nothing that came later, and rolls back both until then', () => {
    fc.assert(fc.property(fc.array(command, { maxLength: 60, size: 'max' }), (commands) => {
      const store = new MemoryByteStore()
      let [committed, sealed, current]: [Content, Content | null, Map<number, string>] = [new Map(), null, new Map()]
      for (const step of commands) {
        if (typeof step === 'object') {
          const { isRow, key, value } = step
          ;(isRow ? putAsRow : putBytes)(store, Uint8Array.of(key), value === null ? null : Buffer.from(value))
          if (step.value === null) current.delete(step.key)
          else current.set(step.key, step.value)
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
        expect(contentOf(store)).toEqual(new Map([...current].sort(([a], [b]) => a - b)))
        expect(store.count()).toBe(current.size)
      }
    }), { numRuns: 500 })
  })
  it('gives the rows whose keys begin alike as a scan does, whatever came, went and was rolled back', () => {
    const row = fc.record({ base: fc.constantFrom('', 'a', 'ab', 'b'), rest: fc.string({ maxLength: 2 }), value: fc.option(fc.string({ maxLength: 12 }), { freq: 2 }) })
    const step = fc.oneof({ weight: 4, arbitrary: row }, { weight: 1, arbitrary: fc.constantFrom('commit' as const, 'rollback' as const) })
    fc.assert(fc.property(fc.array(step, { maxLength: 60, size: 'max' }), fc.nat(60), (steps, begin) => {
      const memory = new MemoryByteStore()
      const store = new ChangelogByteStore(memory, { put() {}, putRow() {} })
      for (const [index, each] of steps.entries()) {
        if (each === 'commit') store.commit()
        else if (each === 'rollback') store.rollback()
        else store.put(Buffer.from(`${String.fromCharCode(each.base.length)}${each.base}${each.rest}`), each.value === null ? null : Buffer.from(each.value))
        if (index < begin) continue
        for (const base of ['', 'a', 'ab', 'b']) {
          const from = Buffer.from(`${String.fromCharCode(base.length)}${base}`)
          expect([...store.scanOf(from, (key) => 1 + key[0]!)!]).toEqual([...store.scan({ from, to: prefixEnd(from)! })])
        }
      }
    }))
  })
})
