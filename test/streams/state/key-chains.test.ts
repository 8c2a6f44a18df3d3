import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { ByteRows } from '../../../src/streams/state/byte-rows.ts'
import { KeyChains } from '../../../src/streams/state/key-chains.ts'

const suffixBytes = 2

describe('KeyChains', () => {
  it('finds the rows of each key in their order, whatever came and went', () => {
    const step = fc.record({ key: fc.constantFrom('', 'a', 'ab', 'abcd', 'abcde'), suffix: fc.nat(300), remove: fc.boolean() })
    fc.assert(fc.property(fc.array(step, { maxLength: 80 }), fc.nat(80), (steps, begin) => {
      const rows = new ByteRows()
      const model = new Map<string, Set<number>>()
      let chains: KeyChains | null = null
      for (const [index, { key, suffix, remove }] of steps.entries()) {
        if (index === begin) chains = new KeyChains(rows, (key) => key.length - suffixBytes)
        const bytes = Buffer.from([...Buffer.from(key), suffix >> 8, suffix & 255])
        const known = model.get(key) ?? new Set()
        model.set(key, known)
        const row = rows.find(bytes)
        expect(row >= 0).toBe(known.has(suffix))
        if (row >= 0 && remove) {
          chains?.delete(row)
          rows.remove(row)
          known.delete(suffix)
        } else if (row < 0 && !remove) {
          const added = rows.add(bytes, null)
          chains?.add(added, bytes)
          known.add(suffix)
        }
      }
      chains ??= new KeyChains(rows, (key) => key.length - suffixBytes)
      for (const [key, suffixes] of model) {
        const found = chains.rowsOf(Buffer.from(key)).map((row) => Buffer.from(rows.key(row)).readUInt16BE(key.length))
        expect(found).toEqual([...suffixes].sort((a, b) => a - b))
      }
      expect(chains.rowsOf(Buffer.from('other'))).toEqual([])
    }))
  })
})
