import { describe, expect, it } from 'vitest'
import { schema as make, Struct } from '../../../src/connect/index.ts'
import type { ConnectRecord, Log, RawConfig } from '../../../src/connect/index.ts'
import { eventRouter } from '../../../src/connect/transforms/event-router.ts'

const row = make.struct([['id', make.string()], ['aggregatetype', make.string()], ['aggregateid', make.string()], ['payload', make.string({ optional: true })], ['kind', make.string()], ['at', make.int64()], ['part', make.int32()]], { optional: true })
const envelope = make.struct([['before', row], ['after', row], ['op', make.string()], ['ts_ms', make.int64()]])

function event(op: string, payload: string | null = '{"n":1}'): ConnectRecord {
  const after = new Struct(row, { id: 'e1', aggregatetype: 'order', aggregateid: '7', payload, kind: 'created', at: 123, part: 3 })
  const value = new Struct(envelope, { before: op === 'd' ? after : null, after: op === 'd' ? null : after, op, ts_ms: 99 })
  return { topic: 'outbox', partition: null, keySchema: make.string(), key: 'row', valueSchema: envelope, value, timestamp: 1, headers: [] }
}

const apply = (record: ConnectRecord, config: RawConfig = {}) => eventRouter.create(eventRouter.config.parse(config)).apply(record)

describe('EventRouter', () => {
  it('makes an inserted row an event of the topic of its aggregate', () => {
    expect(apply(event('c'))).toMatchObject({
      topic: 'outbox.event.order', key: '7', keySchema: { type: 'string' }, value: '{"n":1}', valueSchema: { type: 'string' }, timestamp: 99, partition: null, headers: [{ key: 'id', value: 'e1' }],
    })
    expect(apply(event('r'))).toMatchObject({ topic: 'outbox.event.order' })
  })

  it('routes by another column, with an expression and a replacement', () => {
    expect(apply(event('c'), { 'route.by.field': 'kind', 'route.topic.regex': '(.)(.*)', 'route.topic.replacement': '$1-events' })!.topic).toBe('c-events')
    expect(apply(event('c'), { 'route.topic.regex': 'x(.*)' })!.topic).toBe('order')
  })

  it('places further columns in headers, in the envelope and as partition', () => {
    const placed = apply(event('c'), { 'table.fields.additional.placement': 'kind:header:eventType,at:envelope,part:partition', 'table.field.event.timestamp': 'at' })!
    expect(placed).toMatchObject({ partition: 3, timestamp: 123, headers: [{ key: 'id' }, { key: 'eventType', value: 'created' }] })
    expect([(placed.value as Struct).get('payload'), (placed.value as Struct).get('at')]).toEqual(['{"n":1}', 123])
  })

  it('passes over deletes and tombstones, lets others through, and treats updates as told', () => {
    expect([apply(event('d')), apply({ ...event('c'), value: null, valueSchema: null }), apply(event('u'))]).toEqual([null, null, null])
    expect(() => apply(event('u'), { 'table.op.invalid.behavior': 'fatal' })).toThrow('must only be inserted into')
    for (const level of ['warn', 'error'] as const) {
      const told: string[] = []
      const log: Log = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {}, [level]: (text: string) => told.push(text) }
      const router = eventRouter.create(eventRouter.config.parse({ 'table.op.invalid.behavior': level }), log)
      expect([router.apply(event('u')), router.apply(event('d'))]).toEqual([null, null])
      expect(told).toEqual([expect.stringMatching(/a row was changed \(op "u"\); the event with id .+ is passed over$/)])
    }
    const heartbeat = { ...event('c'), valueSchema: null, value: { beat: 1 } }
    expect(apply(heartbeat)).toBe(heartbeat)
  })

  it('reads JSON payloads, and makes empty ones tombstones, when told to', () => {
    expect(apply(event('c'), { 'table.expand.json.payload': 'true' })).toMatchObject({ valueSchema: null, value: { n: 1 } })
    expect(apply(event('c', '{broken'), { 'table.expand.json.payload': 'true' })!.value).toBe('{broken')
    expect(apply(event('c', null), { 'route.tombstone.on.empty.payload': 'true' })).toMatchObject({ valueSchema: null, value: null })
    expect(apply(event('c', ''))!.value).toBe('')
  })

  it('works on events without schema', () => {
    const plain = { ...event('c'), valueSchema: null, value: { op: 'c', ts_ms: 5, after: { id: 1, aggregatetype: 'user', aggregateid: 2, payload: { a: 1 } } } }
    expect(apply(plain)).toMatchObject({ topic: 'outbox.event.user', key: 2, value: { a: 1 }, headers: [{ key: 'id', value: 1 }] })
  })

  it('names a column that is missing, and a placement that is none', () => {
    expect(() => apply(event('c'), { 'table.field.event.id': 'uuid' })).toThrow('Unable to find field uuid in event')
    expect(() => apply(event('c'), { 'table.fields.additional.placement': 'gone:header' })).toThrow('Unable to find field gone')
    expect(apply(event('c'), { 'table.fields.additional.placement': 'gone:header', 'table.fields.additional.error.on.missing': 'false' })!.headers).toHaveLength(1)
    expect(() => apply(event('c'), { 'table.fields.additional.placement': 'kind:footer' })).toThrow('must be column:placement')
  })
})
