import { describe, expect, it } from 'vitest'
import { stringSerde } from '../../../src/core/index.ts'
import { JoinBuffer } from '../../../src/streams/state/join-buffer.ts'
import { inMemory } from '../../../src/streams/state/store-place.ts'
import { MemoryByteStore } from '../../../src/streams/state/memory-byte-store.ts'
import { StreamRecord, noHeaders } from '../../../src/streams/stream-record.ts'

const origin = { topic: 'in', partition: 0, offset: 0, rawKey: null, rawValue: null }
const record = (key: string, timestamp: number) => new StreamRecord<unknown, unknown>(key, `${key}@${timestamp}`, timestamp, noHeaders, origin)
const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex')

function buffer(graceMs: number) {
  const bytes = new MemoryByteStore()
  return { bytes, records: new JoinBuffer(bytes, inMemory, { keySerde: stringSerde as never, valueSerde: stringSerde as never, graceMs }) }
}

describe('the buffer of a join with grace', () => {
  it('keeps records in the layout of Kafka Streams, the time first', () => {
    const { bytes, records } = buffer(100)
    records.put(record('a', 24))
    // Taken from a changelog that Kafka Streams 4.3.1 wrote: 0 · 24 · "a" · 1.
    expect([...bytes.scan({})].map(({ key }) => hex(key))).toEqual(['0000000000000000186100000001'])
    // The time behind the row is not used.
    expect([...bytes.scan({})].map(({ value }) => hex(value).slice(-16))).toEqual(['0000000000000000'])
  })

  it('gives records by time once the grace has passed, and goes on from what was restored', () => {
    const { bytes, records } = buffer(10)
    for (const [key, time] of [['b', 5], ['a', 3], ['c', 9]] as const) records.put(record(key, time))
    expect([...records.evictDue()]).toEqual([])
    const restored = buffer(10)
    for (const { key, value } of bytes.scan({})) {
      restored.bytes.put(key, value)
      restored.records.restored(key, value)
    }
    restored.records.put(record('d', 15))
    expect([...restored.records.evictDue()].map(({ value }) => value)).toEqual(['a@3', 'b@5'])
    expect(hex([...restored.bytes.scan({})].at(-1)!.key)).toBe('00000000000000000f6400000004')
  })
})
