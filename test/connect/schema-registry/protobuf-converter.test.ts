import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { Decimal, PluginRegistry, schema, Struct } from '../../../src/connect/index.ts'
import type { RawConfig, Schema } from '../../../src/connect/index.ts'
import { whenReady } from '../../../src/connect/converters/not-ready.ts'
import { TestRegistry } from '../../kit/schema-registry.ts'

let registry: TestRegistry
beforeEach(async () => { registry = await TestRegistry.open() })
afterEach(() => registry.close())

function converterOf(config: RawConfig = {}, name = 'ProtobufConverter') {
  const plugin = new PluginRegistry().converter(name)
  const converter = plugin.create(plugin.config.parse({ 'converter.type': 'value', 'schema.registry.url': registry.url, ...config }), { isKey: false })
  return {
    write: (of: Schema | null, value: unknown) => whenReady(() => converter.fromConnect('t', of, value)),
    read: (bytes: Uint8Array | null) => whenReady(() => converter.toConnect('t', bytes)),
  }
}

const address = schema.struct({ street: schema.string(), zip: schema.string({ optional: true }) }, { name: 'org.acme.Address', optional: true })
const everything = schema.struct({
  tiny: schema.int8(), small: schema.int16(), int: schema.int32(), long: schema.int64(), single: schema.float32(), double: schema.float64(), flag: schema.boolean(), text: schema.string(), bytes: schema.bytes(),
  maybe: schema.int64({ optional: true }), price: schema.decimal(2), day: schema.date(), time: schema.time(), at: schema.timestamp(), list: schema.array(schema.string()),
  counts: schema.map(schema.string(), schema.int32()), wide: schema.map(schema.int64(), schema.string()), homes: schema.array(address), home: address, work: address,
}, { name: 'org.acme.Everything' })
const full = {
  tiny: -128, small: 32767, int: -5, long: -(2n ** 62n), single: 0.5, double: 0.1, flag: true, text: 'grüße', bytes: Buffer.from([0, 255]),
  maybe: null, price: new Decimal(-12345n, 2), day: new Date(-86_400_000 * 200_000), time: new Date(12_345), at: new Date(-1), list: ['a', 'b'],
  counts: new Map([['a', 1]]), wide: new Map<number | bigint, string>([[-7, 'seven'], [2n ** 60n, 'far']]), homes: [new Struct(address, { street: 's', zip: '1' })], home: new Struct(address, { street: 's', zip: null }), work: null,
}

describe('ProtobufConverter', () => {
  it('writes a struct with everything in it and reads it back', async () => {
    const { write, read } = converterOf({ 'optional.for.nullables': 'true', 'enhanced.protobuf.schema.support': 'true' })
    const bytes = (await write(everything, new Struct(everything, full)))!
    // magic byte, id, and "the first message"
    expect([...bytes.subarray(0, 6)]).toEqual([0, 0, 0, 0, 1, 0])
    const back = await read(bytes)
    expect(back.schema).toMatchObject({ type: 'struct', name: 'org.acme.Everything' })
    expect(back.schema!.fields!.map(({ name, schema: { type } }) => `${name} ${type}`)).toEqual(everything.fields!.map(({ name, schema: { type } }) => `${name} ${type}`))
    const struct = back.value as Struct
    for (const [name, value] of Object.entries(full).filter(([each]) => !['home', 'homes', 'price'].includes(each))) expect(struct.get(name), name).toEqual(value)
    expect(String(struct.get('price'))).toBe('-123.45')
    expect([(struct.get('home') as Struct).get('street'), (struct.get('home') as Struct).get('zip'), ((struct.get('homes') as Struct[])[0]!).get('zip')]).toEqual(['s', null, '1'])
  })

  it('writes the Protobuf file that other programs expect', async () => {
    const order = schema.struct({ id: schema.int64(), note: schema.string({ optional: true }), at: schema.timestamp(), tiny: schema.int8(), lines: schema.array(address) }, { name: 'org.acme.Order' })
    await converterOf().write(order, new Struct(order, { id: 1, note: null, at: new Date(0), tiny: 1, lines: [] }))
    expect(registry.textOf('t-value')).toBe(`syntax = "proto3";
package org.acme;

import "confluent/meta.proto";
import "google/protobuf/timestamp.proto";

message Order {
  int64 id = 1;
  string note = 2;
  google.protobuf.Timestamp at = 3;
  int32 tiny = 4 [(confluent.field_meta) = { params: [ { key: "connect.type", value: "int8" } ] }];
  repeated Address lines = 5;
  message Address {
    string street = 1;
    string zip = 2;
  }
}
`)
  })

  it('reads what other programs wrote: the second message inside the first, enums, oneofs, unsigned numbers, other files', async () => {
    registry.register('common', 'syntax = "proto3"; package a; message Money { uint32 units = 1; }', 'PROTOBUF')
    const text = `syntax = "proto3"; package a.b; import "common.proto"; import "google/protobuf/wrappers.proto";
      message Outer { message First { int32 x = 1; } message Second { enum Kind { OFF = 0; ON = 1; } Kind kind = 1; oneof choice { string name = 2; int64 number = 3; } a.Money price = 4; map<int32, bool> flags = 5; } }`
    const id = registry.register('x', text, 'PROTOBUF', [{ name: 'common.proto', subject: 'common', version: 1 }])
    const { schema: found, value } = await converterOf().read(Buffer.from([0, 0, 0, 0, id, 4, 0, 2, 0x08, 1, 0x18, 5, 0x22, 2, 0x08, 7, 0x2a, 4, 0x08, 9, 0x10, 1]))
    expect(found).toMatchObject({ name: 'Second', fields: [{ schema: { type: 'string', parameters: { 'io.confluent.connect.protobuf.Enum.ON': '1' } } }, { name: 'choice_0', schema: { name: 'io.confluent.connect.protobuf.Union.choice' } }, { name: 'price', schema: { optional: true } }, {}] })
    const struct = value as Struct
    const choice = struct.get('choice_0') as Struct
    expect([struct.get('kind'), choice.get('name'), choice.get('number'), (struct.get('price') as Struct).get('units'), struct.get('flags')]).toEqual(['ON', null, 5, 7, new Map([[9, true]])])
  })

  it('leaves a tombstone a tombstone, and null, unmarked, reads back as nothing', async () => {
    const { write, read } = converterOf()
    expect([await write(null, null), await write(address, null), await read(null)]).toEqual([null, null, { schema: null, value: null }])
    const struct = (await read(await write(address, new Struct(address, { street: 's', zip: null })))).value as Struct
    expect(struct.get('zip')).toBe('')
  })

  it('refuses what Protobuf cannot say, in words', async () => {
    const { write } = converterOf()
    const wrapped = (field: Schema, value: unknown) => write(schema.struct({ f: field }), new Struct(schema.struct({ f: field }), { f: value }))
    await expect(write(schema.string(), 'a')).rejects.toThrow('writes structs')
    await expect(write(null, { a: 1 })).rejects.toThrow('the data has none')
    await expect(wrapped(schema.array(schema.array(schema.string())), [['a']])).rejects.toThrow('no list or map of arrays')
    await expect(wrapped(schema.map(schema.float64(), schema.string()), new Map([[1.5, 'a']]))).rejects.toThrow('no map with float64 as keys')
    await expect(wrapped(schema.array(schema.string({ optional: true })), [null])).rejects.toThrow('no null in a list')
    const odd = schema.struct({ 'a-b': schema.int32() })
    await expect(write(odd, new Struct(odd, { 'a-b': 1 }))).rejects.toThrow('does not take "a-b" as a name')
    expect(((await converterOf().read((await converterOf({ 'scrub.invalid.names': 'true' }).write(odd, new Struct(odd, { 'a-b': 1 })))!)).value as Struct).get('a_b')).toBe(1)
  })

  it('refuses bytes that are none of its schema', async () => {
    const id = registry.register('x', 'syntax = "proto3"; message M { string s = 1; message Tree { Tree child = 1; } }', 'PROTOBUF')
    const { read } = converterOf()
    await expect(read(Buffer.from([0, 0, 0, 0, id]))).rejects.toThrow('does not say which message')
    await expect(read(Buffer.from([0, 0, 0, 0, id, 2, 6]))).rejects.toThrow('no message at 3')
    await expect(read(Buffer.from([0, 0, 0, 0, id, 0, 0x0a, 9, 65]))).rejects.toThrow('not of their Protobuf schema')
    await expect(read(Buffer.from([0, 0, 0, 0, id, 4, 0, 0]))).rejects.toThrow('holds itself')
    const broken = registry.register('y', 'message {', 'PROTOBUF')
    await expect(read(Buffer.from([0, 0, 0, 0, broken, 0]))).rejects.toThrow('cannot be used')
  })
})

describe('references to other schemas', () => {
  it('are followed by AvroConverter and JsonSchemaConverter, each schema being asked for once', async () => {
    registry.register('city', JSON.stringify({ type: 'record', name: 'City', namespace: 'a', fields: [{ name: 'name', type: 'string' }] }))
    registry.register('home', JSON.stringify({ type: 'record', name: 'Home', namespace: 'a', fields: [{ name: 'city', type: 'a.City' }] }), 'AVRO', [{ name: 'a.City', subject: 'city', version: 1 }])
    const id = registry.register('x', JSON.stringify({ type: 'record', name: 'X', fields: [{ name: 'home', type: 'a.Home' }, { name: 'other', type: 'a.City' }] }), 'AVRO', [{ name: 'a.Home', subject: 'home', version: 1 }, { name: 'a.City', subject: 'city', version: 1 }])
    const found = (await converterOf({}, 'AvroConverter').read(Buffer.from([0, 0, 0, 0, id, 2, 65, 2, 66]))).value as Struct
    expect([((found.get('home') as Struct).get('city') as Struct).get('name'), (found.get('other') as Struct).get('name')]).toEqual(['A', 'B'])
    expect(registry.requests).toEqual([`GET /schemas/ids/${id}`, 'GET /subjects/home/versions/1', 'GET /subjects/city/versions/1'])

    registry.register('point', JSON.stringify({ definitions: { xy: { type: 'object', properties: { x: { type: 'integer' } } } } }), 'JSON')
    const json = registry.register('y', JSON.stringify({ type: 'object', properties: { at: { $ref: 'point.json#/definitions/xy' } } }), 'JSON', [{ name: 'point.json', subject: 'point', version: 1 }])
    const point = (await converterOf({}, 'JsonSchemaConverter').read(Buffer.concat([Buffer.from([0, 0, 0, 0, json]), Buffer.from('{"at":{"x":5}}')]))).value as Struct
    expect((point.get('at') as Struct).get('x')).toBe(5)
  })
})
