import { describe, expect, it } from 'vitest'
import { jsonConverter, jsonConverterConfig } from '../../../src/connect/converters/json-converter.ts'
import { Struct } from '../../../src/connect/schema.ts'
import type { Converter } from '../../../src/connect/converters/converter.ts'

const newConverter = (): Converter => jsonConverter(jsonConverterConfig.parse({ 'converter.type': 'value' }))

const schema = JSON.stringify({
  type: 'struct', optional: false, name: 'order {"é"}', fields: [
    { type: 'int8', optional: true, field: 'tiny' }, { type: 'int32', optional: false, field: 'id' }, { type: 'int64', optional: true, default: 7, field: 'at' },
    { type: 'double', optional: true, field: 'price' }, { type: 'float', optional: true, field: 'rate' }, { type: 'boolean', optional: true, field: 'open' }, { type: 'string', optional: true, field: 'text' },
    { type: 'struct', optional: true, field: 'inner', fields: [{ type: 'string', optional: false, field: 'name' }] },
  ],
})
const whole = '{"tiny":1,"id":2,"at":3,"price":4.5,"rate":0.1,"open":true,"text":"x","inner":{"name":"n"}}'
const enveloped = (payload: string) => Buffer.from(`{"schema":${schema},"payload":${payload}}`)

/** What a value is, or the complaint about it. */
function read(converter: Converter, bytes: Uint8Array): unknown {
  try {
    const { schema: of, value } = converter.toConnect('t', bytes)
    return { of, members: shown(value) }
  } catch (error) {
    return (error as Error).message
  }
}

function shown(value: unknown): unknown {
  return value instanceof Struct ? { schema: value.schema, values: value.schema.fields!.map(({ index }) => shown(value.valueAt(index))) } : value
}

const payloads = [
  whole, whole.replace('"x"', '"ü😀"'), whole.replace('"x"', '"a\\n\\"b"'), whole.replace('4.5', '1e3'), whole.replace('4.5', '-0'), whole.replace('4.5', '-0.0'), whole.replace('4.5', '0.12345678901234567'),
  whole.replace('4.5', 'null'), whole.replace('"at":3', '"at":null'), whole.replace('"id":2', '"id":null'), whole.replace('"id":2', '"id":2147483648'), whole.replace('"tiny":1', '"tiny":300'), whole.replace('"tiny":1', '"tiny":-128'),
  whole.replace('"at":3', '"at":9007199254740993'), whole.replace('"at":3', '"at":-9223372036854775808'), whole.replace('"at":3', '"at":99999999999999999999'), whole.replace('"id":2', '"id":2.9'), whole.replace('"id":2', '"id":"2"'),
  whole.replace('true', '"true"'), whole.replace('"x"', '5'), whole.replace('{"name":"n"}', 'null'), whole.replace('{"name":"n"}', '[]'), whole.replace('{"name":"n"}', '{}'), whole.replace('"x"', '"y","more":[1]'),
  '{"id":5}', '{}', 'null', '[]', '5', `${whole},"payload":${whole.replace('2', '9')}`, `${whole},"more":1`, `${whole}  `, whole.slice(0, -1), `${whole}}`, ' {"id" : 5 } ', whole.replace('4.5', '1e99999999999'),
]

describe('an envelope whose schema is known', () => {
  it('is read as one that is not, or refused with the same words', () => {
    const unknown = payloads.map((payload) => read(newConverter(), enveloped(payload)))
    const converter = newConverter()
    for (const first of [whole, '{"id":5}', '{}', whole.replace('"x"', '"ü😀"')]) {
      read(converter, enveloped(first))
      for (const [index, payload] of payloads.entries()) expect(read(converter, enveloped(payload)), payload).toStrictEqual(unknown[index])
    }
  })

  it('is told from one with another schema, with other blanks and with a later member of the same name', () => {
    const converter = newConverter()
    const other = schema.replace('"int32"', '"int64"')
    const texts = [
      `{"schema":${schema},"payload":${whole}}`, `{"schema":${other},"payload":${whole}}`, `{ "schema" : ${schema} , "payload" : ${whole} }\n`, `{"payload":${whole},"schema":${schema}}`,
      `{"schema":${schema},"payload":${whole},"schema":${other}}`, `{"schema":null,"payload":${whole}}`, `{"schema":${schema}}`,
    ]
    for (let round = 0; round < 3; round++) for (const text of texts) expect(read(converter, Buffer.from(text)), text).toStrictEqual(read(newConverter(), Buffer.from(text)))
  })

  it('is refused when its bytes are not UTF-8', () => {
    const converter = newConverter()
    const bytes = enveloped(whole)
    expect(converter.toConnect('t', bytes).value).toBeInstanceOf(Struct)
    bytes[bytes.indexOf('"x"') + 1] = 0xff
    expect(() => converter.toConnect('t', bytes)).toThrow('not UTF-8')
  })

  it('gives structs of one schema object, so that what is kept for a schema is found again', () => {
    const converter = newConverter()
    const [a, b] = [1, 2].map(() => converter.toConnect('t', enveloped(whole)))
    expect(b!.schema).toBe(a!.schema)
    expect((b!.value as Struct).schema).toBe(b!.schema)
  })
})
