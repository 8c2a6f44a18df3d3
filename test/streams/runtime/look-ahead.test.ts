import { describe, expect, it } from 'vitest'
import { KeysAhead, RecordBatchBuilder, longSerde, randomInteger, seededRandom, stringSerde } from '../../../src/core/index.ts'
import type { RecordBatch, RecordReader, Serde } from '../../../src/core/index.ts'
import { RecordBatchView } from '../../../src/core/log/record-batch.ts'
import type { Topology } from '../../../src/streams/index.ts'
import { LookAhead } from '../../../src/streams/runtime/look-ahead.ts'
import { BatchingCollector } from '../../../src/streams/runtime/record-collector.ts'
import { StreamTask } from '../../../src/streams/runtime/stream-task.ts'
import type { OpenStore } from '../../../src/streams/state/open-store.ts'
import { StreamsBuilder } from '../../../src/streams/streams-builder.ts'
import { SimulatedClock } from '../../../src/streams/testing/simulated-clock.ts'
import { topic } from '../../../src/streams/topic.ts'

const format = { key: stringSerde as Serde<string | null>, value: stringSerde as Serde<string | null> }
const orders = topic('orders', format)
const customers = topic('customers', format)

interface Input {
  readonly key: string | null
  readonly value: string | null
}

type Inputs = Readonly<Record<'customers' | 'orders', readonly Input[]>>

function program(): Topology {
  const builder = new StreamsBuilder()
  const stream = builder.stream(orders)
  stream.leftJoin(builder.table(customers), (order, customer) => `${order} of ${customer}`).to(topic('joined', format))
  stream.groupByKey().count({ store: 'counts' }).toStream().to(topic('counts', { key: format.key, value: longSerde }))
  return builder.build()
}

/** More keys than the processor keeps at hand: short, long, of many bytes, and none; some rows are deleted. */
function inputOf(seed: number): Inputs {
  const random = seededRandom(seed)
  const keyOf = (index: number) => (index % 101 === 0 ? null : index % 97 === 0 ? `${'long '.repeat(120)}${index}` : index % 13 === 0 ? `é${index}` : String(index))
  const valueOf = (index: number) => (randomInteger(random, 5) === 0 ? null : 'v'.repeat(randomInteger(random, 40)) + String(index))
  return {
    customers: Array.from({ length: 26_000 }, (_, index) => ({ key: keyOf(index < 21_000 ? index : randomInteger(random, 21_000)), value: index < 20_000 ? `customer ${index}` : valueOf(index) })),
    orders: Array.from({ length: 26_000 }, (_, index) => ({ key: keyOf(randomInteger(random, 50_000)), value: valueOf(index) })),
  }
}

/** As batches of a log, of so many records in turn. */
function batchesOf(records: readonly Input[], sizes: readonly number[]): readonly RecordBatch[] {
  const batches: RecordBatch[] = []
  for (let from = 0, turn = 0; from < records.length; turn++) {
    const part = records.slice(from, from + sizes[turn % sizes.length]!)
    const builder = new RecordBatchBuilder({ maxBytes: 1 << 22 })
    part.forEach(({ key, value }, index) => builder.add(key === null ? null : Buffer.from(key), value === null ? null : Buffer.from(value), from + index, []))
    const { bytes } = builder.build()
    new DataView(bytes.buffer, bytes.byteOffset).setBigInt64(0, BigInt(from))
    batches.push(new RecordBatchView(bytes))
    from += part.length
  }
  return batches
}

/** As `batchesOf`, which nobody can look ahead in. */
function unseenAhead(batches: readonly RecordBatch[]): readonly RecordBatch[] {
  return batches.map((batch) => Object.assign(batch, { reader: () => Object.assign(RecordBatchView.prototype.reader.call(batch), { findKeysAhead: () => 0 }) }))
}

function parted<T>(all: readonly T[], parts: number): readonly (readonly T[])[] {
  const size = Math.ceil(all.length / parts)
  return Array.from({ length: parts }, (_, index) => all.slice(index * size, (index + 1) * size))
}

/** Everything that is written, with a commit, and sometimes a rollback before it, after each half of the records. */
function outputOf(topology: Topology, inputs: Inputs, encode: (records: readonly Input[]) => readonly RecordBatch[]): readonly string[] {
  const written: string[] = []
  const collector = new BatchingCollector({
    maxBatchBytes: 100_000,
    partitionCount: () => 1,
    sendBatch: ({ topic: name }, { bytes }) => {
      for (const { key, value, timestamp } of new RecordBatchView(bytes)) written.push(`${name} ${String(key && Buffer.from(key))} ${value && Buffer.from(value).toString('latin1')} ${timestamp}`)
    },
  })
  const task = new StreamTask({
    taskId: '0_0', partition: 0, applicationId: 'app', nodes: topology.nodes, stores: topology.stores, repartitionTopics: [], clock: new SimulatedClock(0), config: {}, collector,
  })
  const customerParts = parted(inputs.customers, 2)
  const orderParts = parted(inputs.orders, 2)
  for (let part = 0; part < 2; part++) {
    const read = () => {
      task.addRecords({ topic: 'customers', partition: 0 }, encode(customerParts[part]!), customerParts[part]!.length)
      task.addRecords({ topic: 'orders', partition: 0 }, encode(orderParts[part]!), orderParts[part]!.length)
      while (task.processMany(1_000, 0) > 0);
    }
    read()
    if (part === 1) {
      collector.discard()
      task.rollback()
      read()
    }
    task.prepareCommit()
    collector.flush()
    task.committed()
  }
  return written
}

describe('look-ahead', () => {
  it('changes nothing that is written', () => {
    const topology = program()
    const inputs = inputOf(17)
    const sizes = [1_000, 1, 33, 32, 4_000, 31]
    const found = outputOf(topology, inputs, (records) => batchesOf(records, sizes))
    const expected = outputOf(topology, inputs, (records) => unseenAhead(batchesOf(records, sizes)))
    expect(found.length).toBeGreaterThan(50_000)
    expect(found.length).toBe(expected.length)
    expect(found.findIndex((line, index) => line !== expected[index])).toBe(-1)
  })

  it('tells stores about a group of records before the first of them, and begins anew with each batch', () => {
    const told: string[][] = []
    const store = {
      lookAhead: ({ count, view, keyAt, keyLength }: KeysAhead) => told.push(Array.from({ length: count }, (_, index) => Buffer.from(view.buffer, view.byteOffset + keyAt[index]!, keyLength[index]!).toString())),
    } as unknown as OpenStore
    const lookAhead = new LookAhead([store])
    const records = Array.from({ length: 40 }, (_, index) => ({ key: index === 1 ? null : `k${index}`, value: '' }))
    for (const batch of batchesOf(records, [36, 4])) {
      const reader: RecordReader = batch.reader!()
      lookAhead.begin()
      while (reader.next()) lookAhead.pass(reader)
    }
    const keysFrom = (from: number, to: number) => records.slice(from, to).flatMap(({ key }) => key ?? [])
    expect(told).toEqual([keysFrom(0, 32), keysFrom(32, 36), keysFrom(36, 40)])
  })

  it('does not look for keys that no store asks for', () => {
    let asked = 0
    const reader = { findKeysAhead: () => ++asked } as unknown as RecordReader
    const lookAhead = new LookAhead([{ lookAhead: () => {} } as unknown as OpenStore])
    for (let index = 0; index < 100; index++) lookAhead.pass(reader)
    expect(asked).toBe(0)
  })
})
