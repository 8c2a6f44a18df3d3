import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { MemoryByteStore } from '../../../src/streams/state/memory-byte-store.ts'

const bytes = fc.uint8Array({ maxLength: 4 })
const command = fc.oneof(
  { weight: 8, arbitrary: fc.record({ do: fc.constant('put' as const), key: bytes, value: fc.option(bytes) }) },
  { weight: 1, arbitrary: fc.constant({ do: 'commit' as const }) },
  { weight: 1, arbitrary: fc.constant({ do: 'rollback' as const }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('scan' as const), from: fc.option(bytes, { nil: undefined }), to: fc.option(bytes, { nil: undefined }), reverse: fc.boolean() }) },
)

describe('MemoryByteStore', () => {
  it('behaves as a sorted list of entries that a rollback takes back to the last commit', () => {
    fc.assert(fc.property(fc.array(command, { maxLength: 120 }), (commands) => {
      const store = new MemoryByteStore()
      let model = new Map<string, Uint8Array>()
      let committed = new Map(model)
      for (const step of commands) {
        if (step.do === 'put') {
          store.put(step.key, step.value)
          if (step.value === null) model.delete(hex(step.key))
          else model.set(hex(step.key), step.value)
          expect(store.get(step.key)).toEqual(step.value)
        } else if (step.do === 'commit') {
          store.commit()
          committed = new Map(model)
        } else if (step.do === 'rollback') {
          store.rollback()
          model = new Map(committed)
        } else {
          const { from, to, reverse } = step
          const found = [...store.scan({ ...(from && { from }), ...(to && { to }), reverse })].map(({ key, value }) => [hex(key), value])
          const expected = [...model].filter(([key]) => (from === undefined || key >= hex(from)) && (to === undefined || key < hex(to))).sort(([a], [b]) => (a < b ? -1 : 1))
          expect(found).toEqual(reverse ? expected.reverse() : expected)
        }
        expect(store.count()).toBe(model.size)
      }
    }), { numRuns: 200 })
  })

  it('goes on with a scan from where it was when the store changes under it', () => {
    const store = new MemoryByteStore()
    for (let index = 0; index < 600; index++) store.put(key(index), key(index))
    const seen: number[] = []
    for (const { key: bytesOfKey } of store.scan({})) {
      const index = bytesOfKey[0]! * 256 + bytesOfKey[1]!
      seen.push(index)
      store.put(key(index), null)
      if (index % 2 === 0) store.put(key(index + 1), null)
    }
    expect(seen).toEqual(Array.from({ length: 300 }, (_, index) => index * 2))
    expect(store.count()).toBe(0)
  })
})

function key(index: number): Uint8Array {
  return new Uint8Array([index >> 8, index & 255])
}

function hex(bytesOfKey: Uint8Array): string {
  return Buffer.from(bytesOfKey).toString('hex')
}
