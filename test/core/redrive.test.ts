import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { openEmbeddedBroker, redrive } from '../../src/core/index.ts'
import type { Broker, GroupOptions, Header, ProducerOptions, RedriveFix } from '../../src/core/index.ts'

const bytes = (text: string) => Buffer.from(text)
const about = (topic: string, partition: number, offset: number): Header[] =>
  Object.entries({ message: 'bad', topic, partition, offset }).map(([name, value]) => ({ key: `__streams.errors.${name}`, value: bytes(String(value)) }))

describe('redrive()', () => {
  let directory: string
  let broker: Broker

  beforeEach(async () => {
    directory = mkdtempSync(join(tmpdir(), 'millrace-redrive-'))
    broker = await openEmbeddedBroker({ directory })
    await broker.topics.create([{ topic: 'hits', partitions: 3 }, { topic: 'other' }, { topic: 'dlq' }])
  })
  afterEach(async () => {
    await broker.close()
    rmSync(directory, { recursive: true })
  })

  async function bury(...records: { readonly value: string; readonly headers?: readonly Header[] }[]): Promise<void> {
    const producer = await broker.openProducer()
    for (const { value, headers = [] } of records) await producer.append({ topic: 'dlq', key: bytes('k'), value: bytes(value), timestamp: 42, headers })
    await producer.close()
  }

  async function read(topic: string, partition: number) {
    const [end] = await broker.topics.listOffsets([{ topic, partition, at: 'latest' }], { isolation: 'read-committed' })
    const reader = await broker.openReader()
    reader.assign([{ topic, partition, offset: 0 }])
    const found = []
    while (reader.positions()[0]!.offset < end!.offset) {
      for (const { batches } of (await reader.read()).partitions) {
        for (const batch of batches) for (const { value, timestamp, headers } of batch) found.push({ value: String(Buffer.from(value!)), timestamp, headers: headers.map(({ key }) => key) })
      }
    }
    await reader.close()
    return found
  }

  it('puts records back where they came from, in order, as they were', async () => {
    await bury({ value: '1', headers: [{ key: 'trace', value: bytes('x') }, ...about('hits', 2, 7)] }, { value: '2', headers: about('hits', 2, 9) }, { value: '3', headers: about('other', 0, 0) })
    expect(await redrive(broker, { deadLetterTopic: 'dlq' })).toBe(3)
    expect(await read('hits', 2)).toEqual([{ value: '1', timestamp: 42, headers: ['trace'] }, { value: '2', timestamp: 42, headers: [] }])
    expect(await read('other', 0)).toEqual([{ value: '3', timestamp: 42, headers: [] }])
  })

  it('repairs records on their way back, and leaves out what the fix gives up', async () => {
    await bury({ value: '1', headers: about('other', 0, 0) }, { value: 'hopeless', headers: about('other', 0, 1) }, { value: '3', headers: about('other', 0, 2) })
    const reasons: string[] = []
    const fix: RedriveFix = (record, why) => {
      reasons.push(why.message)
      const text = String(Buffer.from(record.value!))
      return text === 'hopeless' ? null : { ...record, value: bytes(`fixed ${text}`) }
    }
    expect(await redrive(broker, { deadLetterTopic: 'dlq', fix })).toBe(2)
    expect((await read('other', 0)).map(({ value }) => value)).toEqual(['fixed 1', 'fixed 3'])
    expect(reasons).toEqual(['bad', 'bad', 'bad'])
    expect(await redrive(broker, { deadLetterTopic: 'dlq', fix })).toBe(0)
  })

  it('stops before a record that the fix fails for, and goes on there with a better one', async () => {
    await bury({ value: '1', headers: about('other', 0, 0) }, { value: '2', headers: about('other', 0, 1) })
    const picky: RedriveFix = (record) => {
      if (String(Buffer.from(record.value!)) === '2') throw new RangeError('not this one')
      return record
    }
    await expect(redrive(broker, { deadLetterTopic: 'dlq', fix: picky })).rejects.toMatchObject({ code: 'INVALID_RECORD', message: 'the fix failed for the record of dlq-0 at offset 1: not this one' })
    expect(await redrive(broker, { deadLetterTopic: 'dlq', fix: (record) => record })).toBe(1)
    expect((await read('other', 0)).map(({ value }) => value)).toEqual(['1', '2'])
  })

  it('puts each record back once, and later ones at the next time', async () => {
    await bury({ value: '1', headers: about('other', 0, 0) })
    expect(await redrive(broker, { deadLetterTopic: 'dlq' })).toBe(1)
    expect(await redrive(broker, { deadLetterTopic: 'dlq' })).toBe(0)
    await bury({ value: '2', headers: about('other', 0, 1) })
    expect(await redrive(broker, { deadLetterTopic: 'dlq' })).toBe(1)
    expect((await read('other', 0)).map(({ value }) => value)).toEqual(['1', '2'])
  })

  it('stops at a record without an origin, with those before it put back, and goes on when it is told where to', async () => {
    await bury({ value: '1', headers: about('other', 0, 0) }, { value: '2' }, { value: '3', headers: about('other', 0, 1) })
    await expect(redrive(broker, { deadLetterTopic: 'dlq' })).rejects.toMatchObject({ code: 'INVALID_RECORD', details: { topic: 'dlq', partition: 0, offset: 1 } })
    await expect(redrive(broker, { deadLetterTopic: 'dlq' })).rejects.toMatchObject({ code: 'INVALID_RECORD' })
    expect((await read('other', 0)).map(({ value }) => value)).toEqual(['1'])
    expect(await redrive(broker, { deadLetterTopic: 'dlq', to: 'other' })).toBe(2)
    expect((await read('other', 0)).map(({ value }) => value)).toEqual(['1', '2', '3'])
  })

  it('ends when retention takes what was to go back', async () => {
    await bury({ value: '1', headers: about('other', 0, 0) })
    // Between the look at the end of the topic and the first read.
    const racing: Broker = Object.create(broker, {
      joinGroup: {
        value: async (options: GroupOptions) => {
          await broker.topics.deleteRecords([{ topic: 'dlq', partition: 0, beforeOffset: -1 }])
          return broker.joinGroup(options)
        },
      },
      topics: { value: broker.topics },
      openProducer: { value: (options: ProducerOptions) => broker.openProducer(options) },
    }) as Broker
    expect(await redrive(racing, { deadLetterTopic: 'dlq' })).toBe(0)
  })

  it('puts nothing back when the topic of one record is gone', async () => {
    await bury({ value: '1', headers: about('other', 0, 0) }, { value: '2', headers: about('gone', 0, 0) })
    await expect(redrive(broker, { deadLetterTopic: 'dlq' })).rejects.toMatchObject({ code: 'UNKNOWN_TOPIC_OR_PARTITION' })
    expect(await read('other', 0)).toEqual([])
    await broker.topics.create([{ topic: 'gone' }])
    expect(await redrive(broker, { deadLetterTopic: 'dlq' })).toBe(2)
  })
})
