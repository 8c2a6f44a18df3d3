import { describe, expect, it } from 'vitest'
import { lineFormat, lineToRecord } from '../../src/cli/line-record.ts'

function parse(line: string, properties: Readonly<Record<string, string>>) {
  const { key, value, headers } = lineToRecord('t', Buffer.from(line), 7, lineFormat(properties))
  const text = (bytes: Uint8Array | null | undefined) => (bytes === null || bytes === undefined ? null : Buffer.from(bytes).toString())
  return { key: text(key), value: text(value), headers: headers?.map((header) => [header.key, text(header.value)]) }
}

describe('lineToRecord()', () => {
  it('takes the line as the value unless asked for more', () => {
    expect(parse('a\tb', {})).toEqual({ key: null, value: 'a\tb', headers: [] })
  })

  it('splits at the first separator only', () => {
    expect(parse('a\tb\tc', { 'parse.key': 'true' })).toMatchObject({ key: 'a', value: 'b\tc' })
    expect(parse('a::b', { 'parse.key': 'true', 'key.separator': '::' })).toMatchObject({ key: 'a', value: 'b' })
  })

  it('names the line that lacks the separator, or takes it as a value when told to', () => {
    expect(() => parse('ab', { 'parse.key': 'true' })).toThrow(/line 7 has no key\.separator/)
    expect(parse('ab', { 'parse.key': 'true', 'ignore.error': 'true' })).toMatchObject({ key: null, value: 'ab' })
  })

  it('reads headers before the key', () => {
    expect(parse('h1:v1,h2:v2\tk\tv', { 'parse.key': 'true', 'parse.headers': 'true' })).toEqual({ key: 'k', value: 'v', headers: [['h1', 'v1'], ['h2', 'v2']] })
    expect(() => parse('h1\tv', { 'parse.headers': 'true' })).toThrow(/line 7: the header "h1"/)
  })

  it('makes a tombstone of the null marker', () => {
    expect(parse('k\tNULL', { 'parse.key': 'true', 'null.marker': 'NULL' })).toMatchObject({ key: 'k', value: null })
  })

  it('refuses a property that does not exist', () => {
    expect(() => lineFormat({ 'parse.keys': 'true' })).toThrow(/there is no property parse\.keys among .*; did you mean 'parse\.key'\?/)
  })
})
