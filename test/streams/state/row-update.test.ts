import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { longSerde, stringSerde } from '../../../src/core/index.ts'
import type { Serde } from '../../../src/core/index.ts'
import { RecordBatchBuilder } from '../../../src/core/log/record-batch-builder.ts'
import { RecordBatchView } from '../../../src/core/log/record-batch.ts'
import { KeyValueStore } from '../../../src/streams/state/key-value-store.ts'
import { openStore } from '../../../src/streams/state/open-store.ts'
import type { ValueAndTimestamp } from '../../../src/streams/state/value-and-timestamp.ts'
import { TestStoreHost, specOf } from './store-host.ts'

type View = KeyValueStore<string, ValueAndTimestamp<unknown>>

interface Write {
  readonly key: string
  readonly value: unknown
  readonly timestamp: number
}

function storeOf(valueSerde: Serde<unknown>) {
  return openStore(specOf({ type: 'timestamped-key-value', valueSerde, caching: true }), new TestStoreHost(100_000))
}

/** As an aggregate of what was read does it: each row is read, and then written. Answers what was read. */
function updated(view: View, valueSerde: Serde<unknown>, writes: readonly Write[]): readonly unknown[] {
  const builder = new RecordBatchBuilder({ maxBytes: 1 << 20 })
  for (const { key } of writes) builder.add(Buffer.from(key), null, 0)
  const reader = new RecordBatchView(builder.build().bytes).reader()
  const rows = view.rowUpdate(valueSerde)!
  return writes.map(({ value, timestamp }) => {
    reader.next()
    rows.setKey(reader.positionOf(reader.mark))
    rows.read()
    const before = rows.value === null ? null : { value: rows.value, timestamp: rows.timestamp }
    rows.write(value, timestamp)
    return before
  })
}

const key = fc.oneof(fc.constantFrom('', 'a', 'ab', 'abcd', 'abcde'), fc.string({ maxLength: 20, unit: fc.constantFrom('a', 'é') }))

describe('RowUpdate', () => {
  it.each([
    ['numbers', longSerde as Serde<unknown>, fc.oneof(fc.nat(), fc.maxSafeInteger(), fc.constantFrom(0, -0, -1, 2 ** 31 - 1, 2 ** 31, 2 ** 32, 2 ** 32 + 1))],
    ['texts', stringSerde as Serde<unknown>, fc.string({ maxLength: 20 })],
  ])('reads and writes as get and put of the store: %s', (_name, valueSerde, value: fc.Arbitrary<unknown>) => {
    const rounds = fc.array(fc.tuple(fc.array(fc.record({ key, value: fc.option(value, { freq: 2 }), timestamp: fc.oneof(fc.nat(), fc.maxSafeNat()) }), { minLength: 1, maxLength: 30 }), fc.constantFrom('flush', 'commit', 'rollback', 'on')), { maxLength: 5 })
    fc.assert(fc.property(rounds, (steps) => {
      const [store, twin] = [storeOf(valueSerde), storeOf(valueSerde)]
      const [view, plain] = [store.view as View, twin.view as View]
      for (const [writes, end] of steps) {
        const read = updated(view, valueSerde, writes)
        const expected = writes.map(({ key: each, value: next, timestamp }) => {
          const before = plain.get(each)
          plain.put(each, next === null ? null : { value: next, timestamp })
          return before
        })
        expect(read).toEqual(expected)
        for (const each of [store, twin]) {
          if (end === 'flush' || end === 'commit') each.flush()
          if (end === 'commit') each.commit()
          if (end === 'rollback') each.rollback()
        }
        expect([...view.all()]).toEqual([...plain.all()])
      }
    }))
  })
})
