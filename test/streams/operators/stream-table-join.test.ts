import fc from 'fast-check'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { stringSerde } from '../../../src/core/index.ts'
import type { Header, Serde } from '../../../src/core/index.ts'
import { RecordBatchView } from '../../../src/core/log/record-batch.ts'
import type { Topology } from '../../../src/streams/index.ts'
import { BatchingCollector } from '../../../src/streams/runtime/record-collector.ts'
import { StreamTask } from '../../../src/streams/runtime/stream-task.ts'
import type { TaskConfig } from '../../../src/streams/runtime/task-config.ts'
import { KeyValueStore } from '../../../src/streams/state/key-value-store.ts'
import { StreamsBuilder } from '../../../src/streams/streams-builder.ts'
import { SimulatedClock } from '../../../src/streams/testing/simulated-clock.ts'
import { topic } from '../../../src/streams/topic.ts'
import { batchOf, viewsOf } from './batches-and-records.ts'

const nullable = stringSerde as Serde<string | null>
const source = topic('in', { key: nullable, value: nullable })
const rows = topic('rows', { key: stringSerde, value: stringSerde })

function refuseBad(value: string): void {
  if (value.includes('unwritable')) throw new Error('this has no bytes')
}

/** Cannot write everything. */
const pickySerde: Serde<string> = {
  serialize: (value) => (refuseBad(value), stringSerde.serialize(value)),
  deserialize: (bytes) => stringSerde.deserialize(bytes),
  serializeInto: (value, bytes, at) => (refuseBad(value), stringSerde.serializeInto!(value, bytes, at)),
}
const out = topic('out', { key: nullable, value: pickySerde })

let joined = 0

function join(value: string | null, row: string | null): string {
  joined++
  if (value === 'fails') throw new Error('no such value')
  return value === 'nothing' ? (null as unknown as string) : `${value}+${row}`
}

const programs: Readonly<Record<string, (builder: StreamsBuilder) => void>> = {
  inner: (builder) => builder.stream(source).join(builder.table(rows), (value, row) => join(value, row)).to(out),
  left: (builder) => builder.stream(source).leftJoin(builder.table(rows), (value, row) => join(value, row)).to(out),
  filtered: (builder) => builder.stream(source).filter((value) => value !== 'b').join(builder.table(rows), (value, row) => join(value, row)).to(out),
  changed: (builder) => builder.stream(source).mapValues((value) => `${value}!`).join(builder.table(rows), (value, row) => join(value, row)).mapValues((value) => `${value}?`).to(out),
  twice: (builder) => builder.stream(source).leftJoin(builder.table(rows, { store: 'kept' }), (value, row) => join(value, row)).join(builder.table(topic('more', { key: stringSerde, value: stringSerde })), (value, row) => `${value}-${row}`).to(out),
  both: (builder) => {
    const results = builder.stream(source).join(builder.table(rows), (value, row) => join(value, row))
    results.to(out)
    results.selectKey((value) => value).to(topic('other', { key: nullable, value: stringSerde }))
  },
  keyed: (builder) => builder.stream(source).join(builder.table(rows), (value, row, key) => `${key} ${join(value, row)}`).to(out),
  derived: (builder) => builder.stream(source).join(builder.table(rows).mapValues((row, key) => `${row} of ${key}`), (value, row) => join(value, row)).to(out),
}
const joinsWithoutRecord: Readonly<Record<string, number>> = { inner: 1, left: 1, filtered: 1, changed: 1, twice: 2, both: 1 }

interface Input {
  readonly topic: 'in' | 'rows' | 'more'
  readonly key: string | null
  readonly value: string | null
  readonly timestamp: number
  readonly headers: readonly Header[]
}

const inputs = fc.array(fc.record({
  topic: fc.constantFrom('in' as const, 'in' as const, 'rows' as const, 'more' as const),
  key: fc.constantFrom('a', 'b', 'key-of-more-bytes', 'é', '', null),
  value: fc.constantFrom('a', 'b', 'fails', 'unwritable', 'nothing', 'ä', '', null),
  timestamp: fc.nat(50), headers: fc.oneof({ weight: 4, arbitrary: fc.constant([]) }, fc.constant([{ key: 'h', value: Buffer.from('1') }])),
}), { maxLength: 30 })

function topologyOf(name: string): Topology {
  const builder = new StreamsBuilder()
  programs[name]!(builder)
  return builder.build()
}

function outputOf(topology: Topology, config: TaskConfig, parts: readonly (readonly Input[])[], read: typeof batchOf) {
  const written: unknown[] = []
  joined = 0
  const collector = new BatchingCollector({
    maxBatchBytes: 300,
    partitionCount: () => 1,
    sendBatch: ({ topic: name }, { bytes }) => {
      for (const { key, value, timestamp, headers } of new RecordBatchView(bytes)) written.push([name, key && Buffer.from(key), value && Buffer.from(value), timestamp, headers.filter((header) => !header.key.includes('stacktrace'))])
    },
  })
  const { nodes } = topology
  const task = new StreamTask({ taskId: '0_0', partition: 0, applicationId: 'app', nodes, stores: topology.stores, repartitionTopics: [], clock: new SimulatedClock(0), config, collector })
  const topics = new Set(nodes.flatMap((node) => (node.kind === 'source' ? node.topics : [])))
  const positions = new Map<string, number>()
  let failure: string | null = null
  try {
    for (const part of parts) {
      for (const name of ['rows', 'more', 'in']) {
        const records = part.filter((record) => record.topic === name)
        const offset = positions.get(name) ?? 0
        positions.set(name, offset + records.length)
        if (topics.has(name) && records.length > 0) task.addRecords({ topic: name, partition: 0 }, read(records, offset), offset + records.length)
      }
      while (task.processMany(7, 0) > 0);
      task.prepareCommit()
      collector.flush()
      task.committed()
    }
  } catch (error) {
    failure = (error as Error).message
    collector.flush()
  }
  return { written, failure, dropped: task.droppedRecords, calls: joined }
}

const policy = fc.constantFrom('skip' as const, 'fail' as const, 'dead-letter' as const)
const configs: fc.Arbitrary<TaskConfig> = fc.record({
  cacheMaxBytes: fc.constantFrom(0, 100_000), onDeserializationError: policy, onProcessingError: policy, onSerializationError: policy, deadLetterTopic: fc.constant('dlq'),
})

describe('a join of a stream with a table', () => {
  afterEach(() => vi.restoreAllMocks())

  const both: readonly Input[] = [{ topic: 'rows', key: 'a', value: 'row', timestamp: 1, headers: [] }, { topic: 'in', key: 'a', value: 'v', timestamp: 2, headers: [] }]

  it.each(Object.keys(programs))('looks rows up without a record where nobody can see one: %s', (name) => {
    const lookedUp = vi.spyOn(KeyValueStore.prototype, 'getAt')
    outputOf(topologyOf(name), {}, [both], batchOf)
    expect(lookedUp.mock.calls.length).toBe(joinsWithoutRecord[name] ?? 0)
  })

  it.each(Object.keys(programs))('writes what one of records writes: %s', (name) => {
    const topology = topologyOf(name)
    fc.assert(fc.property(fc.array(inputs, { maxLength: 3 }), configs, (parts, config) => {
      expect(outputOf(topology, config, parts, batchOf)).toEqual(outputOf(topology, config, parts, viewsOf))
    }), { numRuns: 60 })
  })
})
