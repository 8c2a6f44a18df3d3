import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { decodeJsonText, parseNode, parseSchemaless, plain } from '../../../src/connect/converters/json-text.ts'
import { SchemalessReader } from '../../../src/connect/converters/schemaless-reader.ts'

const numbers = fc.oneof(fc.integer().map(String), fc.bigInt({ min: -(2n ** 65n), max: 2n ** 65n }).map(String), fc.double({ noNaN: true, noDefaultInfinity: true }).map(String), fc.constantFrom('007', '1.0', '0.12345678901234567', '123456789012345', '1234567890123456', '-1234567890123456', '1e400', '-0', '-0.0', '-0e1', '-0.05'))
const strings = fc.oneof(fc.string({ maxLength: 8 }), fc.constantFrom('1234567890123456', 'é', '\\', '\u0000')).map((text) => JSON.stringify(text))
const value = fc.oneof(numbers, strings, fc.constantFrom('true', 'null', '[1]', '{}', 'x'))
/** Values of one topic: alike, but not quite. */
const records = fc.array(fc.tuple(value, value, fc.constantFrom('', ' ', '\ufeff'), fc.constantFrom('', ' more', '}')), { minLength: 1, maxLength: 10 })
  .map((parts) => parts.map(([a, b, before, behind]) => `${before}{"a":${a},"b":${b}}${behind}`))

const outcome = (read: () => unknown) => {
  try {
    return { value: read() }
  } catch (error) {
    return { error: (error as Error).message }
  }
}

describe('SchemalessReader', () => {
  it('reads every value as the reader of single texts does, whatever it has read before', () => {
    fc.assert(fc.property(records, fc.constantFrom('utf8' as const, 'utf16le' as const), (texts, encoding) => {
      const reader = new SchemalessReader()
      for (const text of [...texts, ...texts]) {
        const bytes = Buffer.from(text, encoding)
        expect(outcome(() => reader.read(bytes))).toEqual(outcome(() => parseSchemaless(decodeJsonText(bytes))))
      }
    }), { numRuns: 100 })
  })

  it('takes JSON to the letter only, where that is asked', () => {
    fc.assert(fc.property(records, (texts) => {
      const reader = new SchemalessReader()
      for (const text of [...texts, ...texts]) {
        const bytes = Buffer.from(`[${text}`)
        const strict = outcome(() => JSON.parse(text) as unknown)
        expect(reader.readStrictly(bytes, 1, bytes.length)).toEqual('error' in strict ? undefined : parseSchemaless(text))
      }
    }), { numRuns: 100 })
  })

  it('keeps integers of 64 bits exact among records of one shape', () => {
    const reader = new SchemalessReader()
    const idOf = (text: string) => (reader.read(Buffer.from(`{"id":${text}}`)) as { readonly id: unknown }).id
    expect(['1', '2', '9007199254740993', '-9007199254740993', '3'].map(idOf)).toEqual([1, 2, 9007199254740993n, -9007199254740993n, 3])
  })

  it('knows no zero with a sign, as upstream, whatever stands beside it', () => {
    const reader = new SchemalessReader()
    const texts = ['{"a":-0,"b":1}', '{"a":0,"b":1}', '{"a":-0,"b":1}', '{"a":-0.00,"b":1234567890123456789}', '{"a":-0e3,"b":1}', '{"a":-0 ,"b":1}']
    for (const text of texts) {
      expect((reader.read(Buffer.from(text)) as { readonly a: unknown }).a, text).toBe(0)
      expect((parseSchemaless(text) as { readonly a: unknown }).a, text).toBe(0)
      expect((plain(parseNode(text)!) as { readonly a: unknown }).a, text).toBe(0)
    }
    expect(parseSchemaless('[-0.5,-0]')).toEqual([-0.5, 0])
    expect(parseSchemaless('-0')).toBe(0)
  })
})
