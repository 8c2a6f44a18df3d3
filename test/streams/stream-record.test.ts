import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { RecordBatchBuilder, jsonSerde, stringSerde, zodSerde } from '../../src/core/index.ts'
import type { RecordView } from '../../src/core/index.ts'
import { RecordBatchView } from '../../src/core/log/record-batch.ts'
import { InputOrigin, StreamRecord } from '../../src/streams/stream-record.ts'

function readRecord(serde = stringSerde) {
  const builder = new RecordBatchBuilder({ maxBytes: 1_000 })
  builder.add(Buffer.from('k'), Buffer.from('"value"'), 5, [{ key: 'h', value: null }])
  const reader = new RecordBatchView(builder.build().bytes).reader()
  reader.next()
  const { headers } = reader
  const [key, value] = [reader.keyAs(stringSerde), reader.valueAs(serde)]
  const origin = new InputOrigin({ place: { topic: 't', partition: 3, keySerde: stringSerde, valueSerde: serde }, reader }, reader.offset, reader.mark, key, value, headers)
  return { view: reader.recordAt(reader.mark), origin, record: new StreamRecord(key, value, 5, headers, origin) }
}

function shown(view: RecordView | null) {
  return view && [view.offset, view.timestamp, String(view.key), String(view.value), view.headers]
}

describe('InputOrigin', () => {
  it('says where a record was read, and with what bytes, also when reading has gone on', () => {
    const { origin } = readRecord()
    expect([origin.topic, origin.partition, origin.offset, String(origin.rawKey), String(origin.rawValue)]).toEqual(['t', 3, 0, '107', '34,118,97,108,117,101,34'])
  })

  it('gives what was read for a record that would be written with the same bytes, whatever its timestamp', () => {
    const { view, origin, record } = readRecord()
    expect(shown(origin.unchanged(record, stringSerde, stringSerde))).toEqual(shown(view))
    expect(shown(origin.unchanged(record.withTimestamp(9).withValue('"value"'), stringSerde, stringSerde))).toEqual(shown(view))
  })

  it('takes two serdes that write alike for one', () => {
    const { view, origin, record } = readRecord()
    expect(shown(origin.unchanged(record, zodSerde(z.string()), zodSerde(z.string())))).toEqual(shown(view))
    expect(origin.unchanged(record, stringSerde, zodSerde(z.string().max(9)))).toBeNull()
  })

  it('gives nothing once key, value or headers are others, or are written otherwise', () => {
    const { origin, record } = readRecord()
    expect(origin.unchanged(record.withKey('other'), stringSerde, stringSerde)).toBeNull()
    expect(origin.unchanged(record.withValue('other'), stringSerde, stringSerde)).toBeNull()
    expect(origin.unchanged(record.withHeaders([]), stringSerde, stringSerde)).toBeNull()
    expect(origin.unchanged(record, stringSerde, jsonSerde<string>())).toBeNull()
  })

  it('gives nothing where a value may have been changed in place or may be written in another form', () => {
    const json = jsonSerde<string>()
    const { origin, record } = readRecord(json)
    expect(origin.unchanged(record, stringSerde, json)).toBeNull()
  })
})

describe('StreamRecord', () => {
  it('has no negative timestamp', () => {
    expect(() => readRecord().record.withTimestamp(-1)).toThrow(/cannot have the timestamp -1/)
  })
})
