import { describe, expect, it } from 'vitest'
import { copyOf, valueSide, withHeaders, withTopic } from '../../../src/connect/transforms/sides.ts'
import type { ConnectRecord, SinkRecord } from '../../../src/connect/connect-record.ts'

const source: ConnectRecord = { topic: 't', partition: 1, keySchema: null, key: 'k', valueSchema: null, value: { a: 1 }, timestamp: 5, headers: [{ key: 'h', schema: null, value: 1 }] }
const sink: SinkRecord = { ...source, partition: 1, offset: 7, timestampType: 'create-time', originalTopic: 'o', originalPartition: 2, originalOffset: 8 }

describe('the copy of a record', () => {
  it('has every member of a record that was read, and of one that was not only those it has', () => {
    expect(copyOf(sink)).toStrictEqual(sink)
    expect(copyOf(source)).toStrictEqual(source)
    expect('offset' in copyOf(source)).toBe(false)
  })

  it('is changed and the record it was made of is not', () => {
    expect(valueSide.with(sink, null, 'new')).toStrictEqual({ ...sink, value: 'new' })
    expect(withTopic(sink, 'u')).toStrictEqual({ ...sink, topic: 'u' })
    expect(withHeaders(source, [])).toStrictEqual({ ...source, headers: [] })
    expect(sink.value).toStrictEqual({ a: 1 })
    expect(sink.topic).toBe('t')
    expect(source.headers).toHaveLength(1)
  })
})
