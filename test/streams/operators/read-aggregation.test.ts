import fc from 'fast-check'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { RecordBatchBuilder, jsonSerde, longSerde, stringSerde } from '../../../src/core/index.ts'
import type { Header, RecordBatch, Serde } from '../../../src/core/index.ts'
import { RecordBatchView } from '../../../src/core/log/record-batch.ts'
import type { Topology } from '../../../src/streams/index.ts'
import { ReadAggregation } from '../../../src/streams/operators/read-aggregation.ts'
import { BatchingCollector } from '../../../src/streams/runtime/record-collector.ts'
import { StreamTask } from '../../../src/streams/runtime/stream-task.ts'
import type { TaskConfig } from '../../../src/streams/runtime/task-config.ts'
import { StreamsBuilder } from '../../../src/streams/streams-builder.ts'
import { SimulatedClock } from '../../../src/streams/testing/simulated-clock.ts'
import { singleRecordBatch } from '../../../src/streams/testing/single-record-batch.ts'
import { topic } from '../../../src/streams/topic.ts'
import { hopping, tumbling } from '../../../src/streams/windows.ts'

interface Visit {
  readonly page: string
  readonly ms: number
}

type Value = Visit | number | string | null

const visits = jsonSerde<Value>()
const source = topic('in', { key: stringSerde as Serde<string | null>, value: visits })
const out = topic('out', { key: stringSerde, value: jsonSerde<unknown>() })

/** Each counts, or folds, what it reads; the aggregators look at one argument more in turn. */
const programs: Readonly<Record<string, (builder: StreamsBuilder) => void>> = {
  count: (builder) => builder.stream(source).groupByKey().count({ store: 's' }).toStream().to(topic('out', { key: stringSerde as Serde<string | null>, value: longSerde })),
  countOfSome: (builder) => builder.stream(source).filter((value) => value === null || typeof value === 'object').groupByKey().count({ store: 's' }).toStream().to(topic('out', { key: stringSerde as Serde<string | null>, value: longSerde })),
  last: (builder) => builder.stream(source).groupByKey().reduce((_before, value) => value, { store: 's' }).toStream().to(out as never),
  list: (builder) => builder.stream(source).groupByKey().aggregate((): Value[] => [], (list, value) => [...list, value].slice(-3), { store: 's', value: jsonSerde<Value[]>() }).toStream().to(out as never),
  keyed: (builder) => builder.stream(source).groupByKey().aggregate(() => '', (text, value, key) => (typeof value === 'number' ? (null as unknown as string) : `${text}${key}`.slice(-20)), { store: 's', value: stringSerde }).toStream().to(out as never),
  whole: (builder) => builder.stream(source).groupByKey().aggregate(() => '', function (text) { return `${text}+`.slice(-20) }, { store: 's', value: stringSerde }).toStream().to(out as never),
  fails: (builder) => builder.stream(source).groupByKey().aggregate(() => 0, (sum, value) => {
    if (typeof value === 'string') throw new Error('no text')
    return sum + (typeof value === 'number' ? value : 1)
  }, { store: 's', value: longSerde }).toStream().to(out as never),
  tumbling: (builder) => builder.stream(source).groupByKey().windowedBy(tumbling('10s', { grace: '5s' })).count({ store: 's' }).toStream().selectKey((_count, { key, start }) => `${key}@${start}`).to(out as never),
  hopping: (builder) => builder.stream(source, { timestamp: (value) => (typeof value === 'object' && value !== null ? value.ms : 7_000) }).groupByKey().windowedBy(hopping('10s', { advance: '3s', grace: 0 }))
    .aggregate(() => 0, (sum, value) => sum + (typeof value === 'number' ? value : 1), { store: 's', value: longSerde }).toStream().selectKey((_count, { key, start }) => `${key}@${start}`).to(out as never),
  byMember: (builder) => builder.stream(source, { timestamp: (value) => (value as Visit).ms }).groupByKey().windowedBy(tumbling('10s', { grace: '20s' })).count({ store: 's' }).toStream().selectKey((_count, { key, start }) => `${key}@${start}`).to(out as never),
  late: (builder) => builder.stream(source, { timestamp: (_value, key, { timestamp }) => (key === 'a' ? timestamp : timestamp - 5_000) }).groupByKey().windowedBy(tumbling('2s', { grace: 0 })).count({ store: 's' }).toStream()
    .selectKey((_count, { key, start }) => `${key}@${start}`).to(out as never),
}

function topologyOf(name: string): Topology {
  const builder = new StreamsBuilder()
  programs[name]!(builder)
  return builder.build()
}

/** Everything that is written, with a commit, or a rollback before it, after each part of the input. */
function outputOf(topology: Topology, config: TaskConfig, parts: readonly (readonly RecordBatch[])[], rollsBack: boolean) {
  const written: unknown[] = []
  const collector = new BatchingCollector({
    maxBatchBytes: 500,
    partitionCount: () => 1,
    sendBatch: ({ topic: name }, { bytes }) => {
      for (const { key, value, timestamp, headers } of new RecordBatchView(bytes)) written.push([name, key && Buffer.from(key), value && Buffer.from(value), timestamp, headers.filter((header) => !header.key.includes('stacktrace'))])
    },
  })
  const task = new StreamTask({
    taskId: '0_0', partition: 0, applicationId: 'app', nodes: topology.nodes, stores: topology.stores, repartitionTopics: [], clock: new SimulatedClock(0), config, collector,
  })
  let failure: string | null = null
  const read = (batches: readonly RecordBatch[]) => {
    for (const batch of batches) task.addRecords({ topic: 'in', partition: 0 }, [batch], batch.lastOffset + 1)
    while (task.process(0));
  }
  try {
    for (const batches of parts) {
      read(batches)
      if (rollsBack) {
        collector.discard()
        task.rollback()
        read(batches)
      }
      task.prepareCommit()
      collector.flush()
      task.committed()
    }
  } catch (error) {
    failure = (error as Error).message
  }
  return { written, failure, dropped: task.droppedRecords }
}

interface Input {
  readonly key: string | null
  readonly value: string | null
  readonly timestamp: number
  readonly headers: readonly Header[]
}

const values = fc.oneof(
  { weight: 4, arbitrary: fc.record({ page: fc.string({ maxLength: 12 }), ms: fc.nat(40_000) }).map((value) => JSON.stringify(value)) },
  fc.constantFrom('12', '-3', '"text"', '{}', 'null', '{"page":"x"', '', '{"page":"\\u00e9","ms":1}', '{"ms":2,"page":"y"}'), fc.constant(null),
)
const inputs = fc.array(fc.record({
  key: fc.oneof({ weight: 6, arbitrary: fc.constantFrom('a', 'b', 'key-of-more-bytes', 'é', 'c') }, fc.constant(null), fc.constant('')),
  value: values, timestamp: fc.nat(40_000), headers: fc.oneof({ weight: 4, arbitrary: fc.constant([]) }, fc.constant([{ key: 'h', value: Buffer.from('1') }])),
}), { maxLength: 40 })

function bytesOf(text: string | null): Buffer | null {
  return text === null ? null : Buffer.from(text)
}

/** As batches of a log. */
function batchOf(read: readonly Input[], firstOffset: number): readonly RecordBatch[] {
  if (read.length === 0) return []
  const builder = new RecordBatchBuilder({ maxBytes: 100_000 })
  for (const { key, value, timestamp, headers } of read) builder.add(bytesOf(key), bytesOf(value), timestamp, headers)
  const { bytes } = builder.build()
  new DataView(bytes.buffer, bytes.byteOffset).setBigInt64(0, BigInt(firstOffset))
  return [new RecordBatchView(bytes)]
}

/** As what can only be looked at record by record. */
function viewsOf(read: readonly Input[], firstOffset: number): readonly RecordBatch[] {
  return read.map(({ key, value, ...rest }, index) => singleRecordBatch({ ...rest, offset: firstOffset + index, key: bytesOf(key), value: bytesOf(value) }))
}

describe('an aggregate of what was read', () => {
  afterEach(() => vi.restoreAllMocks())

  const input: readonly Input[] = ['a', 'b', 'a'].map((key, index) => ({ key, value: JSON.stringify({ page: 'p', ms: 30_000 + index }), timestamp: 30_000 + index, headers: [] }))
  const config = { cacheMaxBytes: 100_000, onDeserializationError: 'fail', onProcessingError: 'fail', deadLetterTopic: 'dlq' } as const

  it.each(Object.keys(programs).filter((name) => name !== 'whole'))('makes no record for it: %s', (name) => {
    const added = vi.spyOn(ReadAggregation.prototype, 'add')
    outputOf(topologyOf(name), config, [batchOf(input, 0)], false)
    expect(added).toHaveBeenCalled()
  })

  it('makes one where the aggregator may look at it', () => {
    const added = vi.spyOn(ReadAggregation.prototype, 'add')
    expect(outputOf(topologyOf('whole'), config, [batchOf(input, 0)], false).failure).toBeNull()
    expect(added).not.toHaveBeenCalled()
  })

  it.each(Object.keys(programs))('writes what one of records writes: %s', (name) => {
    const topology = topologyOf(name)
    const options = fc.record({
      parts: fc.array(inputs, { maxLength: 3 }),
      config: fc.record({
        cacheMaxBytes: fc.constantFrom(0, 300, 100_000),
        onDeserializationError: fc.constantFrom('skip' as const, 'fail' as const, 'dead-letter' as const), onProcessingError: fc.constantFrom('skip' as const, 'fail' as const, 'dead-letter' as const), deadLetterTopic: fc.constant('dlq'),
      }),
      rollsBack: fc.boolean(),
    })
    fc.assert(fc.property(options, ({ parts, config, rollsBack }) => {
      const starts = parts.map((_, index) => parts.slice(0, index).reduce((sum, part) => sum + part.length, 0))
      const found = outputOf(topology, config, parts.map((part, index) => batchOf(part, starts[index]!)), rollsBack)
      expect(found).toEqual(outputOf(topology, config, parts.map((part, index) => viewsOf(part, starts[index]!)), rollsBack))
    }), { numRuns: 60 })
  })
})
