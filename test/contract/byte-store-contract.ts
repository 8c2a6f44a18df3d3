import fc from 'fast-check'
import { expect, it } from 'vitest'
import type { ByteStore } from '../../src/streams/state/byte-store.ts'

const bytes = fc.uint8Array({ maxLength: 4 })
const command = fc.oneof(
  { weight: 8, arbitrary: fc.record({ do: fc.constant('put' as const), key: bytes, value: fc.option(bytes) }) },
  { weight: 1, arbitrary: fc.constant({ do: 'commit' as const }) },
  { weight: 1, arbitrary: fc.constant({ do: 'rollback' as const }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('scan' as const), from: fc.option(bytes, { nil: undefined }), to: fc.option(bytes, { nil: undefined }), reverse: fc.boolean() }) },
)

/** What every byte store does, as tests; `open` gives an empty one. */
export function byteStoreContract(open: () => ByteStore, { runs = 200 }: { readonly runs?: number } = {}): void {
  it('behaves as a sorted list of entries that a rollback takes back to the last commit', () => {
    fc.assert(fc.property(fc.array(command, { maxLength: 120 }), (commands) => {
      const store = open()
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
    }), { numRuns: runs })
  })

  it.each([false, true])('goes on with a scan from where it was when the store changes under it (reverse: %s)', (reverse) => {
    const store = open()
    for (let index = 0; index < 600; index++) store.put(key(index), key(index))
    store.commit()
    const seen: number[] = []
    const step = reverse ? -1 : 1
    for (const { key: bytesOfKey } of store.scan({ reverse })) {
      const index = bytesOfKey[0]! * 256 + bytesOfKey[1]!
      seen.push(index)
      store.put(key(index), null)
      if (index % 2 === 0) store.put(key(index + step), null)
    }
    expect(seen.length).toBe(reverse ? 301 : 300)
    expect(store.count()).toBe(0)
  })

  it('keeps what it was given when the caller uses its arrays again, and gives arrays of the caller\'s own', () => {
    const store = open()
    const [scratchKey, scratchValue] = [Uint8Array.of(1, 2), Uint8Array.of(3, 4)]
    store.put(scratchKey, scratchValue)
    scratchKey.fill(9)
    scratchValue.fill(9)
    const given = store.get(Uint8Array.of(1, 2))!
    expect([...given]).toEqual([3, 4])
    given.fill(7)
    expect([...store.get(Uint8Array.of(1, 2))!]).toEqual([3, 4])
    expect([...store.borrow(Uint8Array.of(1, 2))!]).toEqual([3, 4])
  })

  it('tells an empty value from none, and orders bytes as unsigned numbers', () => {
    const store = open()
    store.put(Uint8Array.of(0xff), new Uint8Array(0))
    store.put(Uint8Array.of(0x7f), Uint8Array.of(1))
    store.commit()
    expect(store.get(Uint8Array.of(0xff))).toEqual(new Uint8Array(0))
    expect(store.get(Uint8Array.of(0xfe))).toBeNull()
    expect([...store.scan({})].map(({ key: found }) => found[0])).toEqual([0x7f, 0xff])
  })
}

function key(index: number): Uint8Array {
  return Uint8Array.of(index >> 8, index & 0xff)
}

function hex(array: Uint8Array): string {
  return Buffer.from(array).toString('hex')
}
