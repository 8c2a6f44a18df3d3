import { describe, expect, it } from 'vitest'
import { schema as make, Struct } from '../../../src/connect/index.ts'
import type { ConnectRecord, RawConfig } from '../../../src/connect/index.ts'
import { extractNewRecordState } from '../../../src/connect/transforms/extract-new-record-state.ts'

const row = make.struct([['id', make.int32()], ['name', make.string({ optional: true })]], { name: 'shop.public.users.Value', optional: true })
const source = make.struct([['table', make.string()], ['ts_ms', make.int64()]])
const envelope = make.struct([['before', row], ['after', row], ['source', source], ['op', make.string()]])
const user = (id: number, name: string | null) => new Struct({ ...row, optional: false }, { id, name })

function event(op: string, before: Struct | null, after: Struct | null): ConnectRecord {
  const value = new Struct(envelope)
  for (const [name, member] of Object.entries({ before, after, op, source: new Struct(source, { table: 'users', ts_ms: 7 }) })) value.set(name, member)
  return recordOf(envelope, value)
}

function recordOf(valueSchema: ConnectRecord['valueSchema'], value: unknown): ConnectRecord {
  return { topic: 'users', partition: 0, keySchema: null, key: 'k', valueSchema, value, timestamp: 1, headers: [] }
}

const apply = (record: ConnectRecord, config: RawConfig = {}) => extractNewRecordState.create(extractNewRecordState.config.parse(config)).apply(record)
const plain = (record: ConnectRecord | null) => (record?.value instanceof Struct ? Object.fromEntries(record.value.schema.fields!.map(({ name }) => [name, (record.value as Struct).getWithoutDefault(name)])) : record?.value)

describe('ExtractNewRecordState', () => {
  it('gives the row as it is now, with its own schema name', () => {
    const flat = apply(event('c', null, user(1, 'Ada')))
    expect(plain(flat)).toEqual({ id: 1, name: 'Ada' })
    expect(flat!.valueSchema!.name).toBe('shop.public.users.Value')
    expect(flat).toMatchObject({ topic: 'users', key: 'k' })
  })

  it('drops deletes and keeps the tombstones behind them, unless it is told otherwise', () => {
    const deletion = event('d', user(1, 'Ada'), null)
    const tombstone = recordOf(null, null)
    const all = (mode: string) => [apply(deletion, { 'delete.tombstone.handling.mode': mode }), apply(tombstone, { 'delete.tombstone.handling.mode': mode })].map((each) => (each === null ? 'dropped' : plain(each)))
    expect([apply(deletion), apply(tombstone)]).toEqual([null, tombstone])
    expect(all('drop')).toEqual(['dropped', 'dropped'])
    expect(all('tombstone')).toEqual(['dropped', null])
    expect(all('rewrite')).toEqual([{ id: 1, name: 'Ada', __deleted: 'true' }, 'dropped'])
    expect(all('rewrite-with-tombstone')).toEqual([{ id: 1, name: 'Ada', __deleted: 'true' }, null])
    expect(all('delete-to-tombstone')).toEqual([null, 'dropped'])
  })

  it('adds fields and headers of the event under the names that are asked for', () => {
    const flat = apply(event('u', user(1, 'Ada'), user(1, 'Grace')), { 'add.fields': 'op,table,source.ts_ms:when', 'add.headers': 'op', 'add.headers.prefix': 'h.' })
    expect(plain(flat)).toEqual({ id: 1, name: 'Grace', __op: 'u', __table: 'users', __when: 7 })
    expect(flat!.headers).toEqual([{ key: 'h.op', schema: make.string(), value: 'u' }])
  })

  it('works without schemas, and lets pass what is no change event', () => {
    const value = { before: null, after: { id: 1 }, op: 'c', source: { table: 'users' } }
    expect(apply(recordOf(null, value), { 'add.fields': 'table' })!.value).toEqual({ id: 1, __table: 'users' })
    const heartbeat = recordOf(null, { ts_ms: 5 })
    expect(apply(heartbeat)).toBe(heartbeat)
  })
})
