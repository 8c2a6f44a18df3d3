import fc from 'fast-check'
import { describe, expect, it, vi } from 'vitest'
import { RecordBatchBuilder, bytesSerde, jsonSerde, stringSerde } from '../../src/core/index.ts'
import type { Header, RecordBatch, Serde } from '../../src/core/index.ts'
import { RecordBatchView } from '../../src/core/log/record-batch.ts'
import { RecordHead } from '../../src/streams/record-head.ts'
import { BatchingCollector } from '../../src/streams/runtime/record-collector.ts'
import { StreamTask } from '../../src/streams/runtime/stream-task.ts'
import type { TaskConfig } from '../../src/streams/runtime/task-config.ts'
import type { Stream } from '../../src/streams/stream.ts'
import { StreamsApp } from '../../src/streams/index.ts'
import type { ProcessorContext, StreamRecord, Topology } from '../../src/streams/index.ts'
import { StreamsBuilder } from '../../src/streams/streams-builder.ts'
import { SimulatedClock } from '../../src/streams/testing/simulated-clock.ts'
import { singleRecordBatch } from '../../src/streams/testing/single-record-batch.ts'
import { topic } from '../../src/streams/topic.ts'
import { eventually } from '../contract/contract-kit.ts'
import { OverwrittenMemory } from '../kit/overwritten-blocks.ts'
import { createTopics, openMemoryBroker, readAll } from '../kit/streams-harness.ts'

/** Where no code may be made at run time, operators are called one by one. */
const code = vi.hoisted(() => ({ mayBeMade: true }))
vi.mock(import('../../src/core/json-shape.ts'), async (original) => {
  const shapes = await original()
  return { ...shapes, runTimeCode: (...given) => (code.mayBeMade ? shapes.runTimeCode(...given) : null) }
})

interface Input {
  readonly key: string | null
  readonly value: string | null
  readonly timestamp: number
  readonly headers: readonly Header[]
}

type Texts = Stream<string | null, string | null>

/** What `keep` has seen, of one program. */
let kept: StreamRecord[] = []

const steps: Readonly<Record<string, (stream: Texts) => Texts>> = {
  filter: (stream) => stream.filter((value) => value === null || value.length % 5 !== 1),
  filterByKey: (stream) => stream.filterNot((_value, key) => key?.startsWith('a') === true),
  filterByRecord: (stream) => stream.filter((...[, , { timestamp }]) => timestamp % 3 !== 0),
  look: (stream) => stream.peek(() => {}),
  lookAtAll: (stream) => stream.peek((value, key, record) => { if (record.value !== value || record.key !== key || record.topic !== 'in') throw new Error('another record') }),
  keep: (stream) => stream.peek((...[value, , record]) => { if (value?.length !== 3) kept.push(record as StreamRecord) }),
  same: (stream) => stream.mapValues((value) => value),
  longer: (stream) => stream.mapValues((value) => (value === null ? null : `${value}é`)),
  offset: (stream) => stream.mapValues((value, _key, { offset, headers }): string | null => `${value ?? ''}@${offset}:${headers.length}`),
  none: (stream) => stream.mapValues((value) => (value === null || value.length < 3 ? null : value)),
  rekey: (stream) => stream.selectKey((value, key): string | null => `${value?.slice(0, 2) ?? ''}${key?.length ?? 'null'}`),
  swap: (stream) => stream.map((value, key): [string | null, string | null] => [value ?? 'none', key]),
  constant: (stream) => stream.mapValues((): string | null => 'c'),
  noValue: (stream) => stream.mapValues((): string | null => { throw new Error('no value') }),
  words: (stream) => stream.flatMapValues((value): (string | null)[] => (value ?? 'n u l l').split('a')),
  wordsByKey: (stream) => stream.flatMapValues((value, key, { offset }) => new Set([key, value, `${offset}`])),
  pairs: (stream) => stream.flatMap((value, key): [string | null, string | null][] => [[value, key], [key, value?.slice(1) ?? null], [null, key]]),
  noPair: (stream) => stream.flatMap((value, key): Iterable<[string | null, string | null]> => (value?.startsWith('x') === true ? [[key, value], null as never, [key, 'lost']] : new Map([[key, value]]))),
  halfWay: (stream) => stream.flatMapValues(function* (value) {
    yield value
    if (value?.length === 7) throw new Error('half-way')
    yield `${value ?? ''}x`
  }),
  fails: (stream) => stream.peek((value) => { if (value?.endsWith('x')) throw new Error('ends with x') }),
}

const nullable = stringSerde as Serde<string | null>
const text = { key: nullable, value: nullable }

function topologyOf(names: readonly string[], valueSerde: Serde<string | null>) {
  const builder = new StreamsBuilder()
  names.reduce((stream, name) => steps[name]!(stream), builder.stream(topic('in', text)) as Texts).to(topic('out', { key: nullable, value: valueSerde }))
  return builder.build()
}

/** What a program writes, topic by topic; dead letters without their stack. */
function outputOf(names: readonly string[], valueSerde: Serde<string | null>, config: TaskConfig, partitions: number, batches: readonly RecordBatch[]) {
  return runOf(topologyOf(names, valueSerde), config, partitions, batches)
}

function runOf(topology: Topology, config: TaskConfig, partitions: number, batches: readonly RecordBatch[]) {
  const written: unknown[] = []
  kept = []
  const collector = new BatchingCollector({
    maxBatchBytes: 500,
    partitionCount: () => partitions,
    sendBatch: ({ topic: name, partition }, { bytes }) => {
      for (const { key, value, timestamp, headers } of new RecordBatchView(bytes)) written.push([name, partition, key && Buffer.from(key), value && Buffer.from(value), timestamp, headers.filter((header) => !header.key.includes('stacktrace'))])
    },
  })
  const task = new StreamTask({
    taskId: '0_0', partition: 0, applicationId: 'app', nodes: topology.nodes, stores: topology.stores, repartitionTopics: [], clock: new SimulatedClock(0), config, collector,
  })
  let failure: string | null = null
  try {
    for (const batch of batches) task.addRecords({ topic: 'in', partition: 0 }, [batch], 0)
    // As many at once as of a batch; those of single records are processed one by one.
    while (task.processMany(Math.max(1, batches[0]?.recordCount ?? 1), 0) > 0);
  } catch (error) {
    failure = (error as Error).message
  }
  collector.flush()
  const copied = (bytes: Uint8Array | null) => bytes && Buffer.from(bytes)
  const shown = kept.map(({ key, value, timestamp, offset, headers: given, origin }) => [key, value, timestamp, offset, given.map((header) => [header.key, copied(header.value)]), copied(origin.rawKey), copied(origin.rawValue)])
  return { written, failure, dropped: task.droppedRecords, shown }
}

function batchesOf(inputs: readonly Input[], compression: 'none' | 'gzip'): readonly RecordBatch[] {
  const builder = new RecordBatchBuilder({ maxBytes: 100_000, compression })
  for (const { key, value, timestamp, headers } of inputs) builder.add(key === null ? null : Buffer.from(key), value === null ? null : Buffer.from(value), timestamp, headers)
  return inputs.length === 0 ? [] : [new RecordBatchView(builder.build().bytes)]
}

/** The same in blocks that are overwritten when they are given back. */
function overwrittenOf(inputs: readonly Input[], compression: 'none' | 'gzip', perBatch: number, perBlock: number, memory: OverwrittenMemory): readonly RecordBatch[] {
  const batches: Uint8Array[] = []
  for (let from = 0; from < inputs.length; from += perBatch) {
    const builder = new RecordBatchBuilder({ maxBytes: 100_000, compression })
    for (const { key, value, timestamp, headers } of inputs.slice(from, from + perBatch)) builder.add(key === null ? null : Buffer.from(key), value === null ? null : Buffer.from(value), timestamp, headers)
    const { bytes } = builder.build()
    new DataView(bytes.buffer, bytes.byteOffset).setBigInt64(0, BigInt(from))
    batches.push(bytes)
  }
  return memory.batches(batches, perBlock)
}

const texts = fc.oneof(fc.constant(null), fc.string({ maxLength: 30 }), fc.string({ unit: 'grapheme', maxLength: 120 }), fc.string({ unit: fc.constantFrom('a', 'b', 'x'), maxLength: 200 }))
const headers = fc.oneof({ weight: 4, arbitrary: fc.constant([]) }, fc.array(fc.record({ key: fc.string({ maxLength: 5 }), value: fc.option(fc.uint8Array({ maxLength: 5 })) }), { maxLength: 3 }))
const inputs = fc.array(fc.record({ key: texts, value: texts, timestamp: fc.nat(20_000_000), headers }), { maxLength: 40 })
const bytesAsText: Serde<string | null> = { serialize: (value) => bytesSerde.serialize(Buffer.from(value ?? '')), deserialize: (bytes) => Buffer.from(bytes).toString() }

describe('a program of plain operators', () => {
  it('writes the same, and shows the same in records that it keeps, when what was read into is overwritten as soon as it is given back', () => {
    const options = fc.record({
      names: fc.array(fc.constantFrom(...Object.keys(steps)), { maxLength: 4 }),
      serde: fc.constantFrom(nullable, jsonSerde<string | null>(), bytesAsText),
      policy: fc.constantFrom<TaskConfig>({}, { onProcessingError: 'skip' }, { onProcessingError: 'dead-letter', deadLetterTopic: 'dlq' }),
      compression: fc.constantFrom('none' as const, 'gzip' as const),
      perBatch: fc.integer({ min: 1, max: 4 }),
      perBlock: fc.integer({ min: 1, max: 3 }),
      inputs,
    })
    const memory = new OverwrittenMemory()
    fc.assert(fc.property(options, ({ names, serde, policy, compression, perBatch, perBlock, inputs: read }) => {
      expect(outputOf(names, serde, policy, 1, overwrittenOf(read, compression, perBatch, perBlock, memory))).toEqual(outputOf(names, serde, policy, 1, batchesOf(read, compression)))
    }), { numRuns: 300 })
    expect(memory.overwritten).toBeGreaterThan(0)
  })

  it.each([[], ['filter'], ['filterByKey'], ['look'], ['same'], ['longer'], ['none'], ['constant'], ['rekey'], ['swap'], ['words'], ['pairs'], ['filter', 'longer', 'look']])('gives back what was read, where it makes no records: %s %s %s', (...names) => {
    const read = Array.from({ length: 20 }, (_, index): Input => ({ key: `k${index}`, value: `value ${index}`, timestamp: 3 * index + 1, headers: [] }))
    const memory = new OverwrittenMemory()
    expect(outputOf(names, nullable, {}, 1, overwrittenOf(read, 'none', 1, 1, memory))).toEqual(outputOf(names, nullable, {}, 1, batchesOf(read, 'none')))
    // Of the last one nobody has gone on.
    expect(memory.overwritten).toBeGreaterThanOrEqual(18)
  })

  it('writes the same whether it is run on what was read or on records, in any number of partitions, whatever fails', () => {
    const options = fc.record({
      names: fc.array(fc.constantFrom(...Object.keys(steps)), { maxLength: 6 }),
      serde: fc.constantFrom(nullable, jsonSerde<string | null>(), bytesAsText),
      policy: fc.constantFrom<TaskConfig>({}, { onProcessingError: 'skip' }, { onProcessingError: 'dead-letter', deadLetterTopic: 'dlq' }),
      partitions: fc.constantFrom(1, 3),
      compression: fc.constantFrom('none' as const, 'gzip' as const),
      inputs,
    })
    fc.assert(fc.property(options, ({ names, serde, policy, partitions, compression, inputs: read }) => {
      const single = read.map(({ key, value, ...rest }, offset) => singleRecordBatch({ ...rest, offset, key: key === null ? null : Buffer.from(key), value: value === null ? null : Buffer.from(value) }))
      const found = outputOf(names, serde, policy, partitions, batchesOf(read, compression))
      expect(found).toEqual(outputOf(names, serde, policy, partitions, single))
      code.mayBeMade = false
      const oneByOne = outputOf(names, serde, policy, partitions, single)
      code.mayBeMade = true
      expect(found).toEqual(oneByOne)
    }), { numRuns: 200 })
  })

  it.each(['filter', 'filterByKey', 'look', 'same', 'longer', 'none', 'rekey', 'swap', 'constant', 'words', 'pairs'])('makes no record where no function asks for one: %s', (name) => {
    const made = vi.spyOn(RecordHead.prototype, 'take')
    const read = ['ab', 'b', 'cabc'].map((value, timestamp) => ({ key: 'k', value, timestamp, headers: [] }))
    expect(outputOf([name, 'same'], nullable, {}, 1, batchesOf(read, 'none')).written.length).toBeGreaterThan(0)
    expect(made).not.toHaveBeenCalled()
    made.mockRestore()
  })

  it('lets a sink refuse what cannot be written, with place and node', () => {
    const checked = (value: string | null) => {
      if (value === 'no') throw new TypeError('not that')
      return value
    }
    const picky: Serde<string | null> = {
      serialize: (value) => nullable.serialize(checked(value)), serializeInto: (value, bytes, at) => nullable.serializeInto!(checked(value), bytes, at), deserialize: (bytes) => nullable.deserialize(bytes),
    }
    const read = ['yes', 'no', 'well'].map((value, timestamp) => ({ key: 'k', value, timestamp, headers: [] }))
    const { written, failure } = outputOf(['longer', 'none'], picky, {}, 1, batchesOf(read, 'none'))
    expect([written.length, failure]).toEqual([3, null])
    expect(outputOf([], picky, {}, 1, batchesOf(read, 'none')).failure).toMatch(/failed on in-0 at offset 1 \(task 0_0\): not that/)
    const skipped = outputOf([], picky, { onSerializationError: 'skip' }, 1, batchesOf(read, 'none'))
    expect([skipped.written.length, skipped.failure, skipped.dropped]).toEqual([2, null, 1])
  })

  it('fails on the record that cannot be read before it, and on none that nobody looks at', () => {
    const builder = new RecordBatchBuilder({ maxBytes: 1_000 })
    builder.add(Buffer.from('k'), Buffer.from('v'), 1)
    builder.add(Buffer.from([0xff, 0xfe]), Buffer.from('v'), 2)
    const { failure } = outputOf(['look'], nullable, {}, 1, [new RecordBatchView(builder.build().bytes)])
    expect(failure).toMatch(/a record of in-0 at offset 1 could not be read/)
  })

  it('copies what was committed with its headers and without what is null, over markers of transactions, and nothing of what was aborted', async () => {
    const broker = await openMemoryBroker()
    await createTopics(broker, { in: 1, out: 1 })
    const producer = await broker.openProducer({ transactionalId: 'writer' })
    for (const [round, end] of (['commit', 'abort', 'commit'] as const).entries()) {
      producer.begin()
      await producer.append({ topic: 'in', key: Buffer.from(`k${round}`), value: null, timestamp: round, headers: [{ key: 'h', value: Buffer.from('1') }] })
      await producer.append({ topic: 'in', key: null, value: Buffer.from(`v${round}`), timestamp: 100 - round })
      await producer[end]()
    }
    await producer.close()
    const app = new StreamsApp(topologyOf(['look', 'look'], nullable), { applicationId: 'app', broker, commitInterval: 5 })
    await app.start()
    await eventually(async () => expect((await readAll(broker, 'out')).map(({ key, value, timestamp, headers: { h } }) => [key, value, timestamp, h])).toEqual([
      ['k0', null, 0, '1'], [null, 'v0', 100, undefined], ['k2', null, 2, '1'], [null, 'v2', 98, undefined],
    ]))
    await app.close()
    await broker.close()
  })

  it('shows times and headers that a processor gave to those behind it, and writes them', () => {
    const builder = new StreamsBuilder()
    const seen: unknown[] = []
    builder.stream(topic('in', text)).filter(() => true).process(() => {
      let context: ProcessorContext<string | null, string | null>
      return {
        init: (given: typeof context) => { context = given },
        process: (record: StreamRecord<string | null, string | null>) => { context.forward(record.withTimestamp(record.timestamp + 5).withHeaders([{ key: 'p', value: null }])) },
      }
    }).peek((_value, key, { timestamp, offset, headers: [header] }) => seen.push([key, timestamp, offset, header?.key])).to(topic('out', text))
    const { written } = runOf(builder.build(), {}, 1, batchesOf([{ key: 'k', value: 'v', timestamp: 7, headers: [] }], 'none'))
    expect(seen).toEqual([['k', 12, 0, 'p']])
    expect(written).toEqual([['out', 0, Buffer.from('k'), Buffer.from('v'), 12, [{ key: 'p', value: null }]]])
  })
})
