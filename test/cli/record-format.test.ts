import { describe, expect, it } from 'vitest'
import { formatRecord, recordFormat } from '../../src/cli/record-format.ts'
import { longSerde } from '../../src/core/index.ts'

const record = { offset: 5, timestamp: 99, key: Buffer.from('k'), value: Buffer.from('v'), headers: [{ key: 'h', value: Buffer.from('x') }, { key: 'n', value: null }] }
const print = (properties: Readonly<Record<string, string>>, changes: Partial<typeof record | { value: null }> = {}) =>
  Buffer.from(formatRecord(2, { ...record, ...changes }, recordFormat(properties))).toString()

describe('formatRecord()', () => {
  it('prints the value alone unless asked for more', () => {
    expect(print({})).toBe('v\n')
  })

  it('prints its parts in the order of Kafka\'s console consumer', () => {
    const all = { 'print.key': 'true', 'print.headers': 'true', 'print.offset': 'true', 'print.partition': 'true', 'print.timestamp': 'true' }
    expect(print(all)).toBe('CreateTime:99\tPartition:2\tOffset:5\th:x,n:null\tk\tv\n')
    expect(print({ ...all, 'print.value': 'false', 'key.separator': '|', 'line.separator': ';' }, { headers: [] })).toBe('CreateTime:99|Partition:2|Offset:5|NO_HEADERS|k;')
  })

  it('prints null keys and values as the literal asked for', () => {
    expect(print({}, { value: null })).toBe('null\n')
    expect(print({ 'null.literal': '∅' }, { value: null })).toBe('∅\n')
  })

  it('turns numbers into text', () => {
    expect(print({ 'value.deserializer': 'long' }, { value: Buffer.from(longSerde.serialize(12345678901)) })).toBe('12345678901\n')
  })

  it('refuses a property or a decoder that does not exist', () => {
    expect(() => recordFormat({ 'print.keys': 'true' })).toThrow(/there is no property print\.keys/)
    expect(() => recordFormat({ 'value.deserializer': 'toString' })).toThrow(/value\.deserializer: there is no "toString"/)
  })
})
