import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { KeysAhead, RecordsAhead } from '../../../src/core/index.ts'
import type { RecordReader } from '../../../src/core/index.ts'
import { RecordBatchBuilder } from '../../../src/core/log/record-batch-builder.ts'
import { RecordBatchView } from '../../../src/core/log/record-batch.ts'
import { ByteRows, hashAt, hashOf, haveSameBytes } from '../../../src/streams/state/byte-rows.ts'
import { OrderedRows } from '../../../src/streams/state/ordered-rows.ts'
import { ScratchBytes } from '../../../src/streams/state/scratch-bytes.ts'

const key = fc.oneof(fc.uint8Array({ maxLength: 3 }), fc.uint8Array({ minLength: 6, maxLength: 40 }))
const value = fc.option(fc.oneof(fc.uint8Array({ maxLength: 20 }), fc.nat(300).map((length) => new Uint8Array(length).fill(length))))
const command = fc.oneof(
  { weight: 6, arbitrary: fc.record({ do: fc.constant('put' as const), key, value, isScratch: fc.boolean() }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('remove' as const), nth: fc.nat() }) },
)

describe('ByteRows', () => {
  it('holds what a Map would, under growth, changes of size and removal', () => {
    fc.assert(fc.property(fc.array(command, { maxLength: 200 }), (commands) => {
      const rows = new ByteRows()
      const [scratchKey, scratchValue] = [new ScratchBytes(), new ScratchBytes()]
      const order = new OrderedRows(rows, [])
      const model = new Map<string, Uint8Array | null>()
      for (const step of commands) {
        if (step.do === 'put') {
          const length = scratchValue.take(step.value)
          const found = step.isScratch ? rows.findIn(scratchKey, scratchKey.take(step.key)) : rows.find(step.key)
          if (found < 0) order.add(step.isScratch ? rows.addFrom(scratchKey, step.key.length, scratchValue, length) : rows.add(step.key, step.value))
          else if (step.isScratch) rows.setValueFrom(found, scratchValue, length)
          else rows.setValue(found, step.value)
          model.set(hex(step.key), step.value)
        } else if (model.size > 0) {
          const text = [...model.keys()][step.nth % model.size]!
          const row = rows.find(Buffer.from(text, 'hex'))
          order.delete(row)
          rows.remove(row)
          model.delete(text)
          expect(rows.find(Buffer.from(text, 'hex'))).toBe(-1)
        }
        expect(rows.count).toBe(model.size)
      }
      for (const [text, expected] of model) expect(hexOrNull(rows.value(rows.find(Buffer.from(text, 'hex'))))).toBe(hexOrNull(expected))
      const sorted = [...model.keys()].sort()
      expect([...order.ascending(undefined, undefined)].map((row) => hex(rows.key(row)))).toEqual(sorted)
      expect([...order.descending(undefined, undefined)].map((row) => hex(rows.key(row)))).toEqual(sorted.toReversed())
    }), { numRuns: 200 })
  })

  it('finds every key after the removals of others that met it in the same slots', () => {
    const rows = new ByteRows()
    const number = (index: number) => Buffer.from(`key-${index}`)
    for (let index = 0; index < 20_000; index++) {
      rows.find(number(index))
      rows.add(number(index), number(index))
    }
    for (let index = 0; index < 20_000; index += 3) rows.remove(rows.find(number(index)))
    for (let index = 0; index < 20_000; index++) {
      const row = rows.find(number(index))
      if (index % 3 === 0) expect(row).toBe(-1)
      else if (!Buffer.from(rows.value(row)!).equals(number(index))) expect.fail(`key ${index} has another's value`)
    }
  })

  it('hashes bytes that begin anywhere as those that begin at a word, up to the last byte that there is', () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 40 }), fc.nat({ max: 7 }), fc.nat({ max: 5 }), (bytes, before, behind) => {
      const around = new Uint8Array(before + bytes.length + behind).fill(0xff)
      around.set(bytes, before)
      const scratch = new ScratchBytes()
      scratch.copy(bytes, 0, bytes.length)
      expect(hashAt(new DataView(around.buffer), before, bytes.length)).toBe(hashOf(scratch.words, bytes.length))
    }))
  })

  it('sees each byte that is another one in bytes that begin anywhere, and none around them', () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 40 }), fc.nat({ max: 7 }), fc.nat({ max: 7 }), (bytes, before, otherBefore) => {
      const one = new Uint8Array(before + bytes.length + 5).fill(1)
      const other = new Uint8Array(otherBefore + bytes.length + 5).fill(2)
      one.set(bytes, before)
      other.set(bytes, otherBefore)
      const areSame = () => haveSameBytes(new DataView(one.buffer), before, new DataView(other.buffer), otherBefore, bytes.length)
      expect(areSame()).toBe(true)
      for (let index = 0; index < bytes.length; index++) {
        other[otherBefore + index]! ^= 0x80
        expect(areSame()).toBe(false)
        other[otherBefore + index]! ^= 0x80
      }
    }))
  })

  it('finds the rows of records of a batch as it finds each of them', () => {
    const key = fc.string({ unit: fc.constantFrom('a', 'b'), maxLength: 10 })
    fc.assert(fc.property(fc.uniqueArray(key, { maxLength: 40 }), fc.array(key, { minLength: 1, maxLength: 32 }), (known, asked) => {
      const rows = new ByteRows()
      for (const text of known) if (rows.find(Buffer.from(text)) < 0) rows.add(Buffer.from(text), Buffer.from('value'))
      const builder = new RecordBatchBuilder({ maxBytes: 1 << 20 })
      for (const text of ['first', ...asked, 'last']) builder.add(Buffer.from(text), Buffer.from('v'), 5)
      const reader = new RecordBatchView(builder.build().bytes).reader()
      reader.next()
      const ahead = new RecordsAhead()
      reader.readAhead(ahead)
      const found = new Int32Array(KeysAhead.groupSize)
      rows.findAhead(ahead, found)
      expect([...found.subarray(0, ahead.count)]).toEqual(asked.map((text) => rows.find(Buffer.from(text))))
    }))
  })

  it('is as before when keys that it has, had, or never had were looked at ahead', () => {
    const rows = new ByteRows()
    const number = (index: number) => Buffer.from(`key-${index}`.padEnd(index % 100 === 0 ? 700 : 0))
    const valueOf = (index: number) => (index % 7 === 0 ? null : new Uint8Array(index % 11 === 0 ? 20_000 : index % 200).fill(index))
    for (let index = 0; index < 30_000; index++) {
      rows.find(number(index))
      rows.add(number(index), valueOf(index))
    }
    const asking = new ByteRows()
    for (let index = 0; index < 41_000; index++) {
      asking.find(number(index))
      asking.add(number(index), null)
    }
    const keys = new KeysAhead()
    const look = (from: number) => {
      const all = Array.from({ length: KeysAhead.groupSize }, (_, index) => number(from + index))
      const bytes = Uint8Array.from(Buffer.concat(all))
      keys.begin({
        findKeysAhead(ahead: KeysAhead) {
          ahead.view = new DataView(bytes.buffer)
          all.forEach((each, index) => {
            ahead.keyAt[index] = all.slice(0, index).reduce((sum, { length }) => sum + length, 0)
            ahead.keyLength[index] = each.length
          })
          return all.length
        },
      } as unknown as RecordReader)
      rows.lookAhead(keys)
      rows.lookAheadOf({ table: asking, rows: Int32Array.from(all, (_, index) => asking.find(number(from + index))), count: all.length })
    }
    for (let index = 0; index < 30_000; index += 3) {
      if (index % 32 === 0) look(index)
      rows.remove(rows.find(number(index)))
    }
    for (let index = 0; index < 40_000; index += 50) look(index)
    expect(rows.count).toBe(20_000)
    for (let index = 0; index < 30_000; index++) {
      const row = rows.find(number(index))
      if (index % 3 === 0) expect(row).toBe(-1)
      else if (hexOrNull(rows.value(row)) !== hexOrNull(valueOf(index))) expect.fail(`key ${index} has another's value`)
    }
  })

  it('gives the numbers and the memory of removed rows out again', () => {
    const rows = new ByteRows()
    const round = (generation: number) => {
      for (let index = 0; index < 5_000; index++) {
        const fresh = Buffer.from(`${generation}-${index}`)
        rows.find(fresh)
        rows.add(fresh, new Uint8Array(100))
      }
      for (let index = 0; index < 5_000; index++) rows.remove(rows.find(Buffer.from(`${generation}-${index}`)))
    }
    round(1)
    const held = rows.heldBytes
    for (let generation = 2; generation < 10; generation++) round(generation)
    expect(rows.heldBytes).toBe(held)
    expect(rows.limit).toBe(5_000)
    expect(rows.count).toBe(0)
  })

  it('takes less than 100 bytes of memory for a row of 16 bytes of key and 16 of value', () => {
    const rows = new ByteRows()
    const bytes = Buffer.alloc(16)
    for (let index = 0; index < 300_000; index++) {
      bytes.writeUInt32LE(index)
      rows.find(bytes)
      rows.add(bytes, bytes)
    }
    expect(rows.heldBytes / rows.count).toBeLessThan(100)
  })
})

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex')
}

function hexOrNull(bytes: Uint8Array | null): string | null {
  return bytes && hex(bytes)
}
