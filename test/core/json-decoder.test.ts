import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { JsonDecoder } from '../../src/core/json-decoder.ts'
import { notThisShape, shapeReader } from '../../src/core/json-shape.ts'
import { latin1Of } from '../../src/core/text-bytes.ts'

const leaf = fc.oneof(
  fc.string({ maxLength: 8 }), fc.string({ unit: 'binary', maxLength: 6 }), fc.integer(), fc.double({ noNaN: true }), fc.boolean(), fc.constant(null),
  fc.maxSafeInteger(), fc.constantFrom(-0, 0, 1e21, 5e-324, 0.1, -1.5, 123456789012345, 1234567890123456),
)
const name = fc.oneof(fc.constantFrom('a', 'user', 'at', '__proto__', '1', 'x y', '', 'é', 'q"'), fc.string({ maxLength: 5 }))
const members = fc.uniqueArray(fc.tuple(name, fc.constantFrom('text', 'number', 'any', 'object', 'list')), { selector: ([key]) => key, maxLength: 6 })

/** Texts of one topic: the same members with other values, then changed here and there. */
const texts = members.chain((shape) => fc.array(fc.tuple(documentOf(shape), fc.nat(200), fc.constantFrom('', '', '', ' ', '0', '"', '\\', ',', 'e1', '-', '\u00e9', '}')), { minLength: 2, maxLength: 8 }))

function documentOf(shape: readonly (readonly [string, string])[]): fc.Arbitrary<string> {
  return fc.tuple(...shape.map(([key, kind]) => valueOf(kind).map((value) => `${JSON.stringify(key)}:${value}`))).map((parts) => `{${parts.join(',')}}`)
}

function valueOf(kind: string): fc.Arbitrary<string> {
  const json = (value: fc.Arbitrary<unknown>) => value.map((it) => (Object.is(it, -0) ? '-0' : JSON.stringify(it)))
  if (kind === 'text') return json(fc.string({ maxLength: 20 }))
  if (kind === 'number') return json(fc.oneof(fc.nat(), fc.integer(), fc.double({ noNaN: true, noDefaultInfinity: true })))
  if (kind === 'object') return fc.tuple(json(leaf), json(leaf)).map(([b, c]) => `{"b":${b}, "c" : ${c}}`)
  if (kind === 'list') return json(fc.array(leaf, { maxLength: 2 }))
  return json(leaf)
}

describe('JsonDecoder', () => {
  it('gives what JSON.parse gives for every text, errors too, whatever it has seen before', () => {
    fc.assert(fc.property(texts, (documents) => {
      const decoder = new JsonDecoder()
      for (const [text, at, inserted] of documents) {
        // Half of a surrogate pair has no UTF-8.
        const changed = Buffer.from(text.slice(0, at) + inserted + text.slice(at)).toString()
        for (const document of [text, changed, text]) expect(outcome(() => decode(decoder, document))).toEqual(outcome(() => JSON.parse(document) as unknown))
      }
    }), { numRuns: 500 })
  })

  it('accepts, without a look at the value, what JSON.parse takes and nothing else', () => {
    let accepted = 0
    fc.assert(fc.property(texts, (documents) => {
      const decoder = new JsonDecoder()
      for (const [text, at, inserted] of documents) {
        const changed = Buffer.from(text.slice(0, at) + inserted + text.slice(at)).toString()
        for (const document of [text, changed, text.trimEnd().slice(0, -1), text]) {
          const value = outcome(() => JSON.parse(document) as unknown)
          if (accepts(decoder, document)) {
            accepted++
            expect(value).toHaveProperty('value')
            expect(value).not.toEqual({ value: null })
          } else if ('value' in (value as object)) decode(decoder, document)
        }
      }
    }), { numRuns: 500 })
    expect(accepted).toBeGreaterThan(500)
  })

  it('finds the number of a member without a look at the others, or says that it does not know', () => {
    let found = 0
    const names = ['a', 'user', 'at', '__proto__', 'toString']
    fc.assert(fc.property(texts, (documents) => {
      const decoder = new JsonDecoder()
      for (const [text, at, inserted] of documents) {
        const changed = Buffer.from(text.slice(0, at) + inserted + text.slice(at)).toString()
        for (const document of [text, changed, text.trimEnd().slice(0, -1), text]) {
          const value = outcome(() => JSON.parse(document) as unknown) as { readonly value?: Readonly<Record<string, unknown>> }
          const numbers = names.map((wanted) => [wanted, find(decoder, wanted, document)] as const).filter(([, number]) => number >= 0)
          found += numbers.length
          for (const [wanted, number] of numbers) expect(value.value?.[wanted]).toBe(number)
          if (numbers.length === 0 && 'value' in value) decode(decoder, document)
        }
      }
    }), { numRuns: 1_000 })
    expect(found).toBeGreaterThan(10)
    const decoder = new JsonDecoder()
    decode(decoder, '{"a":{"ms":1},"ms":12}')
    expect([find(decoder, 'ms', '{"a":{"ms":7},"ms":123456789012345}'), find(decoder, 'ms', '{"a":{"ms":-7.5},"ms":0}'), find(decoder, 'ms', '{"a":{"ms":7},"ms":-1}'), find(decoder, 'ms', '{"a":{"ms":7},"ms":1234567890123456}'), find(decoder, 'ms', '{"a":{"ms":7},"ms":1.5}'), find(decoder, 'a', '{"a":{"ms":7},"ms":1}')]).toEqual([123456789012345, 0, -1, -1, -1, -1])
  })

  it.each([
    ['{"user":"ann","ms":12,"ok":true}', ['{"user":"a longer name, of more than four","ms":0,"ok":false}', '{"user":"","ms":-1.5e3,"ok":true}', '{"user":"x","ms":123456789012345678,"ok":true}']],
    ['"word"', ['"another"', '""']],
    ['1', ['-2.5e3', '0']],
  ])('accepts what looks like %s', (sample, alike) => {
    const decoder = new JsonDecoder()
    decode(decoder, sample)
    for (const text of alike) expect(accepts(decoder, text)).toBe(true)
  })

  it.each([
    ['null', 'null'], ['1', '01'], ['1', '-'], ['1', `0.${'1'.repeat(100)}`], ['true', 'truE'], ['"a"', '"\\u12"'], ['"a"', '"\u0007"'],
    ['{"a":1}', '{"a":1'], ['{"a":1}', '{"b":1}'], ['{"a":1}', '{"a":}'], ['{"a":1}', '{"a":1}}'],
  ])('knowing %s it does not accept %s', (sample, text) => {
    const decoder = new JsonDecoder()
    decode(decoder, sample)
    expect(accepts(decoder, text)).toBe(false)
  })

  it('makes plain objects with their members in order, and keeps what is no member out of them', () => {
    const decoder = new JsonDecoder()
    for (let round = 0; round < 3; round++) {
      const value = decode(decoder, `{"b":${round},"a":{"y":"z","x":true}}`) as object
      expect(Object.getPrototypeOf(value)).toBe(Object.prototype)
      expect(JSON.stringify(value)).toBe(`{"b":${round},"a":{"y":"z","x":true}}`)
    }
    const text = '{"__proto__":{"admin":true},"a":1}'
    for (let round = 0; round < 3; round++) expect((decode(decoder, text) as { readonly admin?: boolean }).admin).toBeUndefined()
  })

  it('goes on with many shapes and none, as JSON.parse does', () => {
    const decoder = new JsonDecoder()
    for (let round = 0; round < 2_000; round++) {
      const text = round % 3 === 0 ? `[${round}]` : `{"m${round % 50}":${round},"n":"${round}"}`
      expect(decode(decoder, text)).toEqual(JSON.parse(text))
    }
  })

  it('refuses bytes that are no UTF-8 inside a shape that it knows', () => {
    const decoder = new JsonDecoder()
    const bytes = Buffer.from('{"a":"xyz"}')
    decoder.decode(bytes, 0, bytes.length)
    bytes[7] = 0xff
    expect(() => decoder.decode(bytes, 0, bytes.length)).toThrow(TypeError)
  })
})

describe('a reader of one shape', () => {
  it.each([
    ['{"user":"ann","ms":12,"at":1767225600000}', '{"user":"bob","ms":0,"at":-1.5e3}'],
    ['{ "a" : true , "b" : { "c" : null } }', '{ "a" : false , "b" : { "c" : null } }'],
    ['{}', '{}'],
    ['"word"', '"another"'],
    ['1', '-2.5e3'],
    ['true', 'false'],
    [' null ', ' null '],
  ])('made from %s reads %s', (sample, text) => {
    expect(readBy(sample, text)).toEqual(JSON.parse(text))
  })

  it.each(['{"a":"b"}', '{"a":01}', '{"a":1.}', '{"a":+1}', '{"a":1} ', '{"b":1}', '{"a":1,"b":2}', '{"a":null}', '{"a":', ''])('made from {"a":1} leaves %s to JSON.parse', (text) => {
    expect(readBy('{"a":1}', text)).toBe(notThisShape)
  })

  it('finds what is no plain character at every place of a string, however it looks for it', () => {
    const read = shapeReader('{"a":"sample","b":1}')!
    for (const special of ['\\n', '\\"', '\u0000', '\u001f', '\u007f', '\u0080', 'é', '€', ' ', '!', '#', '[', ']', '~']) {
      for (let place = 0; place < 9; place++) {
        const bytes = Buffer.from(`{"a":"${'x'.repeat(place)}${special}${'y'.repeat(9 - place)}","b":2}`)
        const text = latin1Of(bytes, 0, bytes.length)
        const expected = /^[ -\u007f]$/.test(special) ? JSON.parse(bytes.toString()) : notThisShape
        expect(read(bytes, 0, bytes.length, text, 0)).toEqual(expected)
        expect(read(bytes, 0, bytes.length, text, 0, viewOf(bytes))).toEqual(expected)
      }
    }
  })

  it('is not made for lists, repeated members and members that are no plain names', () => {
    for (const sample of ['[1]', '{"a":[1]}', '{"a":1,"a":2}', '{"__proto__":1}', '{"1":1}', '{"a\\n":1}']) expect(shapeReader(sample)).toBeNull()
  })
})

/** Without text to cut from, with it, and with a view of the bytes as well, in turn. */
function decode(decoder: JsonDecoder, text: string): unknown {
  const bytes = Buffer.from(`--${text}--`)
  if (++decoded % 3 === 0) return decoder.decode(bytes, 2, bytes.length - 2)
  return decoder.decode(bytes, 2, bytes.length - 2, latin1Of(bytes, 1, bytes.length), 1, decoded % 3 === 1 ? null : viewOf(bytes))
}

/** With bytes behind the text that could go on with it. */
function accepts(decoder: JsonDecoder, text: string): boolean {
  const bytes = Buffer.from(`--${text}1","}}`)
  return decoder.accepts(bytes, 2, 2 + Buffer.byteLength(text), viewOf(bytes))
}

function find(decoder: JsonDecoder, wanted: string, text: string): number {
  const bytes = Buffer.from(`--${text}1","}}`)
  return decoder.wholeNumber(wanted, bytes, 2, 2 + Buffer.byteLength(text), viewOf(bytes))
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
}

let decoded = 0

/** With bytes behind the text that could go on with it. */
function readBy(sample: string, text: string): unknown {
  const bytes = Buffer.from(`--${text}1","}}`)
  return shapeReader(sample)!(bytes, 2, 2 + Buffer.byteLength(text))
}

function outcome(read: () => unknown): unknown {
  try {
    return { value: read() }
  } catch (error) {
    return { failed: (error as Error).name }
  }
}
