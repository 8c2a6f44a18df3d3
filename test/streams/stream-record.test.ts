import { inspect } from 'node:util'
import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { RecordBatchBuilder, jsonSerde, stringSerde, zodSerde } from '../../src/core/index.ts'
import type { RecordPosition } from '../../src/core/index.ts'
import { RecordBatchView } from '../../src/core/log/record-batch.ts'
import { InputOrigin, StreamRecord, unread } from '../../src/streams/stream-record.ts'

function readRecord(serde = stringSerde) {
  const builder = new RecordBatchBuilder({ maxBytes: 1_000 })
  builder.add(Buffer.from('k'), Buffer.from('"value"'), 5, [{ key: 'h', value: null }])
  const reader = new RecordBatchView(builder.build().bytes).reader()
  reader.next()
  const { headers } = reader
  expect(reader.isKeyReadable(stringSerde)).toBe(true)
  const value = reader.valueAs(serde)
  const origin = new InputOrigin({ place: { topic: 't', partition: 3, keySerde: stringSerde, valueSerde: serde }, reader, block: null }, reader.offset, reader.mark, unread, value, headers)
  reader.next()
  return { origin, record: new StreamRecord<string, string | null>(unread, value, 5, headers, origin) }
}

function shown(position: RecordPosition | null) {
  return position && [position.keyLength, Buffer.from(position.window.bytes.subarray(position.bodyAt, position.end)).toString('latin1')]
}

const body = [1, '\u0002k\u000e"value"\u0002\u0002h\u0001']

describe('InputOrigin', () => {
  it('says where a record was read, and with what bytes, also when reading has gone on', () => {
    const { origin } = readRecord()
    expect([origin.topic, origin.partition, origin.offset, String(origin.rawKey), String(origin.rawValue)]).toEqual(['t', 3, 0, '107', '34,118,97,108,117,101,34'])
  })

  it('gives what was read for a record that would be written with the same bytes, whatever its timestamp', () => {
    const { origin, record } = readRecord()
    expect(shown(origin.position(record, stringSerde, stringSerde))).toEqual(body)
    expect(shown(origin.position(record.withTimestamp(9).withValue('"value"'), stringSerde, stringSerde))).toEqual(body)
  })

  it('takes two serdes that write alike for one', () => {
    const { origin, record } = readRecord()
    expect(shown(origin.position(record, zodSerde(z.string()), zodSerde(z.string())))).toEqual(body)
    expect(origin.position(record, stringSerde, zodSerde(z.string().max(9)))).toBeNull()
  })

  it('gives nothing once key, value or headers are others, or are written otherwise', () => {
    const { origin, record } = readRecord()
    expect(origin.position(record.withKey('other'), stringSerde, stringSerde)).toBeNull()
    expect(origin.position(record.withValue('other'), stringSerde, stringSerde)).toBeNull()
    expect(origin.position(record.withHeaders([]), stringSerde, stringSerde)).toBeNull()
    expect(origin.position(record, stringSerde, jsonSerde<string>())).toBeNull()
  })

  it('gives nothing where a value may have been changed in place or may be written in another form', () => {
    const json = jsonSerde<string>()
    const { origin, record } = readRecord(json)
    expect(origin.position(record, stringSerde, json)).toBeNull()
  })
})

describe('a key that is read when somebody looks', () => {
  it('is the same for the record and for all that it led to', () => {
    const { record } = readRecord()
    const others = [record.withValue(1), record.withTimestamp(7), record.withHeaders([])]
    expect([record, ...others].map(({ key }) => key)).toEqual(['k', 'k', 'k', 'k'])
    expect(record.withKey('other').key).toBe('other')
  })

  it('is written as it stands, looked at or not, whatever became of the value; but not another, nor in another form', () => {
    const { origin, record } = readRecord()
    const lengths = () => [record, record.withValue('other'), record.withHeaders([]), record.withKey('k')].map((each) => origin.keyPosition(each, stringSerde)?.keyLength)
    expect(lengths()).toEqual([1, 1, 1, undefined])
    expect(record.key).toBe('k')
    expect(lengths()).toEqual([1, 1, 1, 1])
    expect(origin.keyPosition(record.withKey('l'), stringSerde)).toBeNull()
    expect(origin.keyPosition(record, jsonSerde<string>() as never)).toBeNull()
  })
})

describe('StreamRecord', () => {
  it('shows what it has, with a key that nobody has looked at', () => {
    const shown = { key: 'k', value: '"value"', timestamp: 5, headers: [{ key: 'h', value: null }], topic: 't', partition: 3, offset: 0 }
    expect(JSON.parse(JSON.stringify(readRecord().record))).toEqual(shown)
    expect(inspect(readRecord().record)).toBe(inspect(shown))
  })

  it('has no negative timestamp', () => {
    expect(() => readRecord().record.withTimestamp(-1)).toThrow(/cannot have the timestamp -1/)
  })
})
