import { describe, expect, it } from 'vitest'
import { stringSerde } from '../../../src/core/index.ts'
import type { Broker, Header, ReadIntoOptions, Serde } from '../../../src/core/index.ts'
import { StreamsApp, StreamsBuilder, topic } from '../../../src/streams/index.ts'
import type { StreamRecord } from '../../../src/streams/index.ts'
import { ReadBlocks } from '../../../src/streams/runtime/read-blocks.ts'
import { OverwrittenMemory, withOverwrittenBlocks } from '../../kit/overwritten-blocks.ts'
import { expectedOf, experimentOf, inputTopics, writtenBy } from '../../kit/streams-differential.ts'
import { topologyOf } from '../../kit/streams-model-topology.ts'
import { createTopics, openMemoryBroker, readAll, write } from '../../kit/streams-harness.ts'
import type { TextInput } from '../../kit/streams-harness.ts'

const kib = 1024

describe('blocks of reads', () => {
  it('are used again when they were given back, for reads of about their size', () => {
    const blocks = new ReadBlocks()
    const first = blocks.take(100 * kib)
    first.giveBack()
    expect(blocks.take(40 * kib).bytes.buffer).not.toBe(first.bytes.buffer)
    const second = blocks.take(99 * kib)
    expect(second.bytes.buffer).toBe(first.bytes.buffer)
    expect(second.bytes.length).toBe(99 * kib)
    expect(blocks.take(99 * kib).bytes.buffer).not.toBe(first.bytes.buffer)
  })

  it('are never used again when something that shows them was handed out', () => {
    const blocks = new ReadBlocks()
    const shared = blocks.take(100 * kib)
    shared.isShared = true
    shared.giveBack()
    expect(blocks.take(100 * kib).bytes.buffer).not.toBe(shared.bytes.buffer)
  })

  it('are there once, however often they are given back', () => {
    const blocks = new ReadBlocks()
    const block = blocks.take(100 * kib)
    block.giveBack()
    block.giveBack()
    expect(blocks.take(100 * kib).bytes.buffer).not.toBe(blocks.take(100 * kib).bytes.buffer)
  })

  it('wait for the next read in a bounded number of bytes', () => {
    const blocks = new ReadBlocks()
    const taken = Array.from({ length: 10 }, () => blocks.take(1024 * kib))
    for (const block of taken) block.giveBack()
    const again = taken.map(() => blocks.take(1024 * kib)).filter(({ bytes }) => taken.some((block) => block.bytes.buffer === bytes.buffer))
    expect(again).toHaveLength(4)
  })
})

describe('an application whose blocks are overwritten as soon as they are given back', () => {
  const text = { key: stringSerde, value: stringSerde }

  /** Some records to a batch. */
  async function writeInBatches(broker: Broker, name: string, records: readonly TextInput[]): Promise<void> {
    for (let from = 0; from < records.length; from += 4) await write(broker, name, records.slice(from, from + 4))
  }

  async function run(broker: Broker, builder: StreamsBuilder, options: { readonly cacheMaxBytes?: number } = {}): Promise<void> {
    const app = new StreamsApp(builder.build(), { applicationId: 'app', broker, ...options })
    await app.start()
    await app.caughtUp()
    await app.close()
  }

  it('writes what it would write, whatever the program', async () => {
    const memory = new OverwrittenMemory()
    for (let seed = 1; seed <= 40; seed++) {
      const experiment = experimentOf(seed, 0)
      const broker = await openMemoryBroker()
      await createTopics(broker, Object.fromEntries([...inputTopics(experiment), 'out'].map((name) => [name, 1 + (seed % 2)])))
      for (const name of inputTopics(experiment)) await writeInBatches(broker, name, experiment.inputs.filter((input) => input.topic === name).map(({ key, value, timestamp }) => ({ key, value, timestamp, ...(key === null && { partition: 0 }) })))
      const app = new StreamsApp(topologyOf(experiment.program), { applicationId: 'app', broker: withOverwrittenBlocks(broker, memory, 400), cacheMaxBytes: seed % 3 === 0 ? 0 : 10_000 })
      await app.start()
      await app.caughtUp()
      await app.close()
      expect(await writtenBy(broker, experiment), `seed ${seed}`).toEqual(expectedOf(experiment))
      await broker.close()
    }
    expect(memory.overwritten).toBeGreaterThan(0)
  }, 60_000)

  it('may keep records, raw bytes and headers as long as it likes', async () => {
    const memory = new OverwrittenMemory()
    const broker = await openMemoryBroker()
    await createTopics(broker, { in: 1, out: 1 })
    await writeInBatches(broker, 'in', Array.from({ length: 50 }, (_, index) => ({ key: `key-${index}`, value: `value-${index}`, timestamp: index })))
    const kept: StreamRecord<string, string>[] = []
    const builder = new StreamsBuilder()
    builder.stream(topic('in', text)).peek((...[, , record]) => { if (record.offset % 10 === 0) kept.push(record as StreamRecord<string, string>) }).to(topic('out', text))
    await run(withOverwrittenBlocks(broker, memory, 100), builder)
    expect(kept.map(({ key, origin }) => [key, Buffer.from(origin.rawValue!).toString()])).toEqual([0, 10, 20, 30, 40].map((index) => [`key-${index}`, `value-${index}`]))
    expect((await readAll(broker, 'out')).map(({ value }) => value)).toEqual(Array.from({ length: 50 }, (_, index) => `value-${index}`))
    await broker.close()
  })

  it('may keep what its serdes make of bytes, and headers', async () => {
    const memory = new OverwrittenMemory()
    const broker = await openMemoryBroker()
    await createTopics(broker, { in: 2, out: 1 })
    for (let index = 0; index < 20; index++) {
      const producer = await broker.openProducer()
      await producer.append({ topic: 'in', partition: 0, value: Buffer.from(`value-${index}`) })
      await producer.append({ topic: 'in', partition: 1, value: Buffer.from('v'), headers: [{ key: 'h', value: Buffer.from(`header-${index}`) }] })
      await producer.close()
    }
    const asTheyAre: Serde<Uint8Array> = { serialize: (bytes) => bytes, deserialize: (bytes) => bytes }
    const values: Uint8Array[] = []
    const headers: Header[] = []
    const builder = new StreamsBuilder()
    builder.stream(topic('in', { key: stringSerde, value: asTheyAre })).peek((value) => { values.push(value) }).filter((value) => value.length === 1).peek((...[, , record]) => { headers.push(...record.headers) })
    await run(withOverwrittenBlocks(broker, memory, 1), builder)
    expect(values.map((value) => Buffer.from(value).toString()).filter((value) => value !== 'v')).toEqual(Array.from({ length: 20 }, (_, index) => `value-${index}`))
    expect(headers.map(({ value }) => Buffer.from(value!).toString())).toEqual(Array.from({ length: 20 }, (_, index) => `header-${index}`))
    expect(memory.overwritten).toBe(0)
    await broker.close()
  })
})

describe('a reader that gives no memory', () => {
  it('gets bytes that stay as they are, as everybody who consumes topics', async () => {
    const broker = await openMemoryBroker()
    await createTopics(broker, { in: 1 })
    await write(broker, 'in', [{ key: 'a', value: '1' }])
    const reader = await broker.openReader()
    reader.assign([{ topic: 'in', partition: 0, offset: 0 }])
    const { partitions } = await reader.read({ maxWaitMs: 0 })
    expect(partitions[0]!.batches[0]!.reader!().block).toBeNull()
    const memory = new OverwrittenMemory()
    const options: ReadIntoOptions = { maxWaitMs: 0, memory }
    reader.assign([{ topic: 'in', partition: 0, offset: 0 }])
    const into = await reader.read(options)
    expect([memory.taken, into.partitions[0]!.batches[0]!.reader!().block?.isShared]).toEqual([1, false])
    await broker.close()
  })
})
