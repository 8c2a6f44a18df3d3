import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { RecordBatchBuilder, openEmbeddedBroker, stringSerde } from '../../../src/core/index.ts'
import type { Broker, RecordPosition } from '../../../src/core/index.ts'

const bytes = (text: string) => stringSerde.serialize(text)
const headers = [{ key: 'from', value: bytes('a test') }]

let directory: string
let broker: Broker

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), 'millrace-keyed-'))
  broker = await openEmbeddedBroker({ directory })
  await broker.topics.create([{ topic: 'latest', configs: { 'cleanup.policy': 'compact' } }])
})
afterAll(async () => {
  await broker.close()
  rmSync(directory, { recursive: true })
})

/** Each way into a batch. */
const ways: Readonly<Record<string, (builder: RecordBatchBuilder, key: string | null) => boolean>> = {
  'add': (builder, key) => builder.add(key === null ? null : bytes(key), bytes('v'), 1000),
  'add with headers': (builder, key) => builder.add(key === null ? null : bytes(key), bytes('v'), 1000, headers),
  'addSerialized': (builder, key) => builder.addSerialized(stringSerde, key, stringSerde, 'v', 1000),
  'addRead': (builder, key) => builder.addRead(readRecord(key, 'v'), 1000),
  'addRead of a long record': (builder, key) => builder.addRead(readRecord(key, 'v'.repeat(20_000)), 1000),
}

/** As it stands in the batch that it was read from. */
function readRecord(key: string | null, value: string): RecordPosition {
  const builder = new RecordBatchBuilder({ maxBytes: 100_000 })
  builder.add(key === null ? null : bytes(key), bytes(value), 1000)
  const batch = builder.build().bytes
  const bodyAt = batch.length - 1 - value.length - (value.length < 64 ? 1 : 3) - (key === null ? 1 : 1 + key.length)
  const copy = (from: number, to: number, into: Uint8Array, _view: DataView, at: number) => into.set(batch.subarray(from, to), at)
  return { window: { copy }, bodyAt, end: batch.length, keyLength: key?.length ?? -1 } as unknown as RecordPosition
}

it.each(Object.keys(ways))('a compacted topic takes no record without a key within a transaction, added by %s', async (way) => {
  const producer = await broker.openProducer({ transactionalId: way })
  const builder = new RecordBatchBuilder({ maxBytes: 100_000 })
  const send = (...keys: readonly (string | null)[]) => {
    builder.add(bytes('first'), bytes('v'), 1000)
    for (const key of keys) expect(ways[way]!(builder, key)).toBe(true)
    const batch = builder.build()
    producer.begin()
    return { batch, sent: producer.appendBatch({ topic: 'latest', partition: 0 }, batch) }
  }
  const keyless = send('a', null)
  expect(keyless.batch.isKeyed).toBe(false)
  await expect(keyless.sent).rejects.toMatchObject({ code: 'INVALID_RECORD', details: { recordIndexes: [2] } })
  await producer.abort()
  const keyed = send('a', 'b')
  expect(keyed.batch.isKeyed).toBe(true)
  await expect(keyed.sent).resolves.toMatchObject({ recordCount: 3 })
  await producer.commit()
  await producer.close()
})

it('a batch of which nobody says that it has keys is looked into', async () => {
  const producer = await broker.openProducer({ transactionalId: 'unknown' })
  const builder = new RecordBatchBuilder({ maxBytes: 1000 })
  builder.add(null, bytes('v'), 1000)
  const { bytes: encoded, recordCount } = builder.build()
  producer.begin()
  await expect(producer.appendBatch({ topic: 'latest', partition: 0 }, { bytes: encoded, recordCount })).rejects.toMatchObject({ code: 'INVALID_RECORD' })
  await producer.abort()
  await producer.close()
})
