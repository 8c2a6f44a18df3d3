import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { ConnectWorker, dataEquals, Decimal, PluginRegistry, schema, schemaEquals, Struct } from '../../../src/connect/index.ts'
import type { RawConfig, Schema } from '../../../src/connect/index.ts'
import { whenReady } from '../../../src/connect/converters/not-ready.ts'
import { TestRegistry } from '../../kit/schema-registry.ts'
import { afterTest, FedSource, KeepingSink, memoryLog, openBroker, until } from '../runtime/connect-kit.ts'

let registry: TestRegistry
beforeEach(async () => { registry = await TestRegistry.open() })
afterEach(() => registry.close())

function converterOf(name: string, config: RawConfig = {}, isKey = false) {
  const plugin = new PluginRegistry().converter(name)
  const converter = plugin.create(plugin.config.parse({ 'converter.type': isKey ? 'key' : 'value', 'schema.registry.url': registry.url, ...config }), { isKey })
  return {
    write: (of: Schema | null, value: unknown, topic = 't') => whenReady(() => converter.fromConnect(topic, of, value)),
    read: (bytes: Uint8Array | null) => whenReady(() => converter.toConnect('t', bytes)),
  }
}

const address = schema.struct({ street: schema.string(), zip: schema.string({ optional: true }) }, { name: 'org.acme.Address', optional: true })
const everything = schema.struct({
  tiny: schema.int8(), small: schema.int16(), int: schema.int32(), long: schema.int64(), single: schema.float32(), double: schema.float64(), flag: schema.boolean(),
  text: schema.string({ doc: 'What it says.' }), bytes: schema.bytes(), maybe: schema.int64({ optional: true }), preset: schema.string({ default: 'x' }),
  price: schema.decimal(2), day: schema.date(), time: schema.time(), at: schema.timestamp(), list: schema.array(schema.string({ optional: true })),
  counts: schema.map(schema.string(), schema.int32()), byNumber: schema.map(schema.int32(), schema.string()), home: address, work: address,
}, { name: 'org.acme.Everything', version: 3, doc: 'All there is.' })
const full = new Struct(everything, {
  tiny: -128, small: 32767, int: -5, long: 2n ** 62n, single: 0.5, double: 0.1, flag: true, text: 'grüße', bytes: Buffer.from([0, 255]), maybe: null, preset: 'y',
  price: new Decimal(-12345n, 2), day: new Date(86_400_000 * 20_000), time: new Date(12_345), at: new Date(1_700_000_000_123), list: ['a', null], counts: new Map([['a', 1]]),
  byNumber: new Map([[7, 'seven']]), home: new Struct(address, { street: 's', zip: null }), work: null,
})

describe.each(['AvroConverter', 'JsonSchemaConverter'])('%s', (name) => {
  it.each([
    ['a struct with everything in it', everything, full], ['text', schema.string(), 'a'], ['an optional number that is null', schema.int64({ optional: true }), null],
    ['a number beyond 2^53', schema.int64(), 2n ** 60n + 1n], ['a list', schema.array(schema.int32()), [1, 2]],
  ] as const)('writes %s and reads it back, schema and value', async (_what, of, value) => {
    const { write, read } = converterOf(name)
    const bytes = (await write(of, value))!
    expect([...bytes.subarray(0, 5)]).toEqual([0, 0, 0, 0, 1])
    const back = await read(bytes)
    expect(schemaEquals(back.schema, of), JSON.stringify(back.schema)).toBe(true)
    expect(dataEquals(back.value, value)).toBe(true)
  })

  it('leaves a tombstone a tombstone', async () => {
    const { write, read } = converterOf(name)
    expect([await write(null, null), await read(null)]).toEqual([null, { schema: null, value: null }])
    expect(registry.requests).toEqual([])
  })

  it('asks the registry once for a schema, and other readers once for an id', async () => {
    const { write } = converterOf(name)
    const records = [await write(schema.string(), 'a'), await write(schema.string(), 'b')]
    expect(registry.requests).toEqual(['POST /subjects/t-value/versions'])
    const { read } = converterOf(name)
    expect(await Promise.all(records.map(async (bytes) => (await read(bytes)).value))).toEqual(['a', 'b'])
    expect(registry.requests.slice(1)).toEqual(['GET /schemas/ids/1'])
  })

  it('names subjects by topic, by record, or by both', async () => {
    const named = schema.struct({ a: schema.int32() }, { name: 'org.acme.A' })
    const value = new Struct(named, { a: 1 })
    const strategy = (short: string) => ({ 'value.subject.name.strategy': `io.confluent.kafka.serializers.subject.${short}` })
    await converterOf(name).write(named, value)
    await converterOf(name, {}, true).write(named, value)
    await converterOf(name, strategy('RecordNameStrategy')).write(named, value)
    await converterOf(name, strategy('TopicRecordNameStrategy')).write(named, value)
    expect(registry.subjects).toEqual(['t-value', 't-key', 'org.acme.A', 't-org.acme.A'])
  })

  it('registers nothing when it must not, and says what the registry says', async () => {
    const { write } = converterOf(name, { 'auto.register.schemas': 'false' })
    await expect(write(schema.string(), 'a')).rejects.toThrow("answers 404 to POST /subjects/t-value: Subject 't-value' not found. (error 40401)")
    expect(registry.subjects).toEqual([])
    registry.register('t-value', 'closed')
    registry.closedSubjects.add('t-value')
    await expect(converterOf(name).write(schema.string(), 'a')).rejects.toMatchObject({ code: 'INVALID_DATA', retriable: false, message: expect.stringContaining('answers 409') as string })
  })

  it('asks again when the registry stumbles, and calls it away, which is retriable, when it stays so', async () => {
    registry.failures = 1
    expect(await converterOf(name).write(schema.string(), 'a')).not.toBeNull()
    registry.failures = 100
    await expect(converterOf(name).write(schema.int32(), 1)).rejects.toMatchObject({ retriable: true, message: expect.stringContaining('is away') as string })
    registry.failures = 0
    expect(await converterOf(name, { 'schema.registry.url': `http://127.0.0.1:1,${registry.url}` }).write(schema.string(), 'a')).not.toBeNull()
  })

  it('shows who it is, from the address or from the config, and keeps that out of errors', async () => {
    registry.authorization = `Basic ${Buffer.from('ada:secret').toString('base64')}`
    expect(await converterOf(name, { 'basic.auth.credentials.source': 'USER_INFO', 'basic.auth.user.info': 'ada:secret' }).write(schema.string(), 'a')).not.toBeNull()
    expect(await converterOf(name, { 'schema.registry.url': registry.url.replace('//', '//ada:secret@') }).write(schema.string(), 'a')).not.toBeNull()
    const refusal = await converterOf(name, { 'schema.registry.url': registry.url.replace('//', '//ada:wrong@') }).write(schema.string(), 'a').catch(String)
    expect(refusal).toContain('answers 401')
    expect(refusal).not.toContain('wrong')
    registry.authorization = 'Bearer token'
    expect(await converterOf(name, { 'bearer.auth.token': 'token' }).write(schema.string(), 'a')).not.toBeNull()
  })

  it('refuses bytes that no registry knows', async () => {
    const { read } = converterOf(name)
    await expect(read(Buffer.from('{"a":1}'))).rejects.toThrow('Unknown magic byte!')
    await expect(read(Buffer.from([0, 0, 0, 0, 99, 1]))).rejects.toThrow('Schema not found (error 40403)')
    registry.register('x', 'message', 'PROTOBUF')
    await expect(read(Buffer.from([0, 0, 0, 0, 1, 1]))).rejects.toThrow('which is PROTOBUF')
  })

  it('needs a schema', async () => {
    await expect(converterOf(name).write(null, { a: 1 })).rejects.toThrow('the data has none')
  })

  it('refuses configs that make no sense', () => {
    expect(() => converterOf(name, { 'use.latest.version': 'true' })).toThrow('needs auto.register.schemas=false')
    expect(() => converterOf(name, { 'schema.registry.url': 'registry:8081' })).toThrow('not an http or https address')
    expect(() => converterOf(name, { 'basic.auth.credentials.source': 'USER_INFO' })).toThrow('basic.auth.user.info')
    expect(() => converterOf(name, { 'value.subject.name.strategy': 'MyStrategy' })).toThrow('must be one of')
  })

  it('carries records through a source and a sink, and a registry that was away at first', async () => {
    registry.failures = 2
    const broker = await openBroker()
    const [source, sink] = [new FedSource(), new KeepingSink()]
    const config = { 'value.converter': name, 'value.converter.schema.registry.url': registry.url }
    const worker = ConnectWorker.open({ broker, log: memoryLog(), plugins: [source.plugin, sink.plugin], config: { 'task.host': 'in-process' } })
    afterTest(() => worker.stop())
    source.polls.push(() => [1, 2, 3].map((number) => ({ ...source.record(''), valueSchema: schema.int64(), value: number })))
    await worker.start({ name: 'in', config: { 'connector.class': 'FedSource', ...config } })
    await worker.start({ name: 'out', config: { 'connector.class': 'KeepingSink', 'topics': 'fed', ...config } })
    await until(() => sink.values.length === 3, 'three records have come through')
    expect(sink.values).toEqual([1, 2, 3])
  })
})

describe('AvroConverter', () => {
  it('writes the Avro schemas that other programs expect', async () => {
    await converterOf('AvroConverter').write(schema.struct({ id: schema.int64(), note: schema.string({ optional: true }), price: schema.decimal(2) }, { name: 'org.acme.Order' }), new Struct(schema.struct({ id: schema.int64(), note: schema.string({ optional: true }), price: schema.decimal(2) }, { name: 'org.acme.Order' }), { id: 1, note: null, price: new Decimal(5n, 2) }))
    expect(registry.schemaOf('t-value')).toEqual({
      'type': 'record', 'name': 'Order', 'namespace': 'org.acme',
      'fields': [
        { name: 'id', type: 'long' }, { name: 'note', type: ['null', 'string'], default: null },
        { name: 'price', type: { 'type': 'bytes', 'scale': 2, 'precision': 64, 'logicalType': 'decimal', 'connect.version': 1, 'connect.parameters': { scale: '2' }, 'connect.name': 'org.apache.kafka.connect.data.Decimal' } },
      ],
      'connect.name': 'org.acme.Order',
    })
  })

  it('reads what other programs wrote: enums, fixed, unions, names in namespaces', async () => {
    const foreign = {
      type: 'record', name: 'Event', namespace: 'a.b', fields: [
        { name: 'kind', type: { type: 'enum', name: 'Kind', symbols: ['ON', 'OFF'] } }, { name: 'again', type: 'Kind' },
        { name: 'hash', type: { type: 'fixed', name: 'Hash', size: 2 } }, { name: 'either', type: ['null', 'string', 'long'] },
      ],
    }
    const id = registry.register('x', JSON.stringify(foreign))
    const { schema: found, value } = await converterOf('AvroConverter').read(Buffer.from([0, 0, 0, 0, id, 2, 0, 7, 8, 4, 10]))
    expect(found).toMatchObject({ type: 'struct', name: 'a.b.Event', fields: [{ schema: { type: 'string', parameters: { 'io.confluent.connect.avro.Enum': 'a.b.Kind' } } }, {}, { schema: { type: 'bytes' } }, { schema: { name: 'io.confluent.connect.avro.Union', optional: true } }] })
    const struct = value as Struct
    expect([struct.get('kind'), struct.get('again'), [...(struct.get('hash') as Uint8Array)], (struct.get('either') as Struct).get('long')]).toEqual(['OFF', 'ON', [7, 8], 5])
  })

  it('writes with the latest schema of the subject when told to', async () => {
    const id = registry.register('t-value', JSON.stringify({ type: 'record', name: 'R', fields: [{ name: 'b', type: 'string', default: 'none' }, { name: 'a', type: 'long' }] }))
    const own = schema.struct({ a: schema.int32() }, { name: 'R' })
    const { write, read } = converterOf('AvroConverter', { 'auto.register.schemas': 'false', 'use.latest.version': 'true' })
    const bytes = (await write(own, new Struct(own, { a: 5 })))!
    expect(bytes[4]).toBe(id)
    const struct = (await read(bytes)).value as Struct
    expect([struct.get('b'), struct.get('a')]).toEqual(['none', 5])
  })

  it('says what a name must be, or scrubs it', async () => {
    const odd = schema.struct({ 'a-b': schema.int32(), '1st': schema.int32() }, { name: 'org.acme.X' })
    const value = new Struct(odd, { 'a-b': 1, '1st': 2 })
    await expect(converterOf('AvroConverter').write(odd, value)).rejects.toThrow('Avro does not take "a-b" as a name')
    await converterOf('AvroConverter', { 'scrub.invalid.names': 'true' }).write(odd, value)
    expect(registry.schemaOf('t-value')).toMatchObject({ fields: [{ name: 'a_b' }, { name: '_1st' }] })
  })

  it('refuses a schema that holds itself, and bytes that are too short', async () => {
    const id = registry.register('x', JSON.stringify({ type: 'record', name: 'Tree', fields: [{ name: 'child', type: ['null', 'Tree'] }] }))
    await expect(converterOf('AvroConverter').read(Buffer.from([0, 0, 0, 0, id, 0]))).rejects.toThrow('holds itself')
    const text = registry.register('x', '"string"')
    await expect(converterOf('AvroConverter').read(Buffer.from([0, 0, 0, 0, text, 20, 65]))).rejects.toMatchObject({ code: 'INVALID_DATA' })
  })
})

describe('JsonSchemaConverter', () => {
  it('reads what other programs wrote: no connect types, references, lists of types', async () => {
    const foreign = { type: 'object', properties: { n: { type: 'integer' }, x: { type: ['number', 'null'] }, home: { $ref: '#/definitions/home' } }, definitions: { home: { type: 'object', properties: { city: { type: 'string' } } } } }
    const id = registry.register('x', JSON.stringify(foreign), 'JSON')
    const { schema: found, value } = await converterOf('JsonSchemaConverter').read(Buffer.concat([Buffer.from([0, 0, 0, 0, id]), Buffer.from('{"n":1,"x":null,"home":{"city":"c"}}')]))
    expect(found).toMatchObject({ fields: [{ name: 'n', schema: { type: 'int64' } }, { name: 'x', schema: { type: 'float64', optional: true } }, { name: 'home', schema: { type: 'struct' } }] })
    expect(((value as Struct).get('home') as Struct).get('city')).toBe('c')
  })
})
