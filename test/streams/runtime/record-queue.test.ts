import fc from 'fast-check'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { RecordBatchBuilder, jsonSerde, longSerde, stringSerde } from '../../../src/core/index.ts'
import type { Header, RecordBatch, Serde } from '../../../src/core/index.ts'
import { RecordBatchView } from '../../../src/core/log/record-batch.ts'
import { StreamsBuilder } from '../../../src/streams/streams-builder.ts'
import { BatchingCollector } from '../../../src/streams/runtime/record-collector.ts'
import { RecordQueue } from '../../../src/streams/runtime/record-queue.ts'
import { StreamTask } from '../../../src/streams/runtime/stream-task.ts'
import { TaskContext } from '../../../src/streams/runtime/task-context.ts'
import type { TaskConfig } from '../../../src/streams/runtime/task-config.ts'
import { SimulatedClock } from '../../../src/streams/testing/simulated-clock.ts'
import { topic } from '../../../src/streams/topic.ts'
import type { Topology } from '../../../src/streams/topology/topology.ts'
import { tumbling } from '../../../src/streams/windows.ts'

interface Event {
  readonly n: number
  readonly ts: number
}

interface Input {
  readonly key: string | null
  readonly value: Uint8Array | null
  readonly timestamp: number
  readonly headers: readonly Header[]
}

/** What a source takes the time from; undefined: from the record. */
const timestamps = {
  ofRecord: undefined,
  ofMember: (event: Event) => event.ts,
  ofValue: (event: Event) => event.n * 3 - 6,
  ofAll: (event: Event, _key: unknown, record: { readonly timestamp: number }, partitionTime: number) => (event.n === 3 ? partitionTime : record.timestamp - event.n),
}

const failsAt = (wrong: number) => (event: Event) => {
  if (event.n === wrong) throw new Error(`${wrong} is wrong`)
}

type Name = 'sink' | 'looks' | 'changes' | 'many' | 'count' | 'countOfKeys' | 'fails behind' | 'windows' | 'reduce'

function topologyOf(name: Name, time: keyof typeof timestamps, isTwo: boolean): Topology {
  const builder = new StreamsBuilder()
  // One program takes no records without a key.
  const event = { key: name === 'looks' ? { ...stringSerde, rejectsNull: true } : stringSerde, value: jsonSerde<Event>() }
  const timestamp = timestamps[time]
  const inputs = ['a', 'b'].slice(0, isTwo ? 2 : 1).map((input) => topic(input, event))
  const stream = builder.stream(inputs, { ...(timestamp && { timestamp: timestamp as never }) })
  const out = topic('out', { key: stringSerde as Serde<unknown>, value: jsonSerde() as Serde<unknown> })
  const counted = topic('counted', { key: stringSerde, value: longSerde })
  switch (name) {
    case 'sink': stream.to(out); break
    case 'looks': stream.filter((value) => value.n !== 1).peek(failsAt(2)).to(out); break
    case 'changes': stream.peek((value, key, { offset, headers }) => { if (offset % 7 === 3 && headers.length > 0) throw new Error(`${key} ${value.n}`) }).mapValues((value) => ({ ...value, n: value.n + 1 })).to(out); break
    case 'many': stream.flatMapValues(({ n, ts }) => Array.from({ length: n }, (_, index) => ({ n: index, ts }))).peek(failsAt(4)).to(out); break
    case 'count': stream.peek(failsAt(2)).groupByKey().count({ store: 'counts' }).toStream().to(counted); break
    case 'countOfKeys': stream.groupByKey().count({ store: 'counts' }).toStream().to(counted); break
    case 'fails behind': stream.groupByKey().count({ store: 'counts' }).toStream().peek((count) => { if (count === 3) throw new Error('three') }).to(counted); break
    case 'windows': stream.groupByKey().windowedBy(tumbling('20ms')).count({ store: 'counts' }).toStream().selectKey((_count, window) => `${window.key}@${window.start}`).to(counted); break
    case 'reduce': stream.groupByKey().reduce((left, right) => ({ n: left.n + right.n, ts: right.ts }), { store: 'sums' }).toStream().to(out); break
  }
  return builder.build()
}

function linesTopology(does: string, rejectsNull: boolean): Topology {
  const builder = new StreamsBuilder()
  const lines = builder.stream(topic('a', { key: { ...stringSerde, rejectsNull }, value: stringSerde }))
  const out = topic('out', { key: stringSerde, value: stringSerde })
  switch (does) {
    case 'changes': lines.mapValues((text) => `${text}!`).filter((text) => text.length !== 4).to(out); break
    case 'looks': lines.filter((text) => !text.startsWith('lineline')).to(out); break
    case 'keys': lines.filter((_text, key) => key !== 'k').mapValues((text, key) => text + String(key)).to(out); break
    default: lines.to(out)
  }
  return builder.build()
}

interface Step {
  readonly input: 'a' | 'b'
  readonly read: readonly Input[]
  /** So many are processed, then. */
  readonly processed: number
  readonly commits: boolean
}

const beginHead = Reflect.get(TaskContext.prototype, 'beginHead') as (...args: readonly unknown[]) => void

/** All that can be seen of a task that processes at most `atOnce` in one go, the same records in each step. */
function seenOf(topology: Topology, config: TaskConfig, steps: readonly Step[], atOnce: number, isCountAlone: boolean): readonly unknown[] {
  const seen: unknown[] = []
  const collector = new BatchingCollector({
    maxBatchBytes: 500,
    partitionCount: () => 1,
    sendBatch: ({ topic: name }, { bytes }) => {
      for (const { key, value, timestamp, headers } of new RecordBatchView(bytes)) seen.push([name, copied(key), copied(value), timestamp, headers.filter((header) => !header.key.includes('stacktrace'))])
    },
  })
  const began = vi.spyOn(TaskContext.prototype, 'beginHead').mockImplementation(function (this: TaskContext, head, nowMs, streamTime) {
    // What an operator would find that asks; counts that are taken ahead ask for nothing.
    const { key, value, timestamp, offset, headers, origin: { rawKey, rawValue } } = head.take()
    if (!isCountAlone) seen.push([key, value, timestamp, offset, headers.length, copied(rawKey), copied(rawValue), nowMs, streamTime])
    Reflect.apply(beginHead, this, [head, nowMs, streamTime])
  })
  const task = new StreamTask({ taskId: '0_0', partition: 0, applicationId: 'app', nodes: topology.nodes, stores: topology.stores, repartitionTopics: [], clock: new SimulatedClock(0), config, collector })
  const ends = { a: 0, b: 0 }
  const tried = (work: () => void) => {
    try {
      work()
    } catch (error) {
      collector.flush()
      seen.push((error as Error).message)
      task.rollback()
    }
  }
  for (const { input, read, processed, commits } of steps) {
    tried(() => {
      ends[input] += read.length
      task.addRecords({ topic: input, partition: 0 }, batchesOf(read, ends[input] - read.length), ends[input])
    })
    tried(() => {
      for (let left = processed, count = 1; left > 0 && count > 0; left -= count) count = task.processMany(Math.min(atOnce, left), 7)
    })
    for (const name of ['a', 'b'] as const) if (ends[name] > 0) seen.push(task.waiting({ topic: name, partition: 0 }).buffered)
    seen.push(task.droppedRecords)
    if (!commits) continue
    tried(() => {
      seen.push(task.prepareCommit())
      collector.flush()
      task.committed()
    })
  }
  began.mockRestore()
  return seen
}

function copied(bytes: Uint8Array | null): string | null {
  return bytes && Buffer.from(bytes).toString('latin1')
}

function batchesOf(read: readonly Input[], baseOffset: number): readonly RecordBatch[] {
  const builder = new RecordBatchBuilder({ maxBytes: 100_000 })
  for (const { key, value, timestamp, headers } of read) builder.add(key === null ? null : Buffer.from(key, 'latin1'), value, timestamp, headers)
  if (read.length === 0) return []
  const { bytes } = builder.build()
  new DataView(bytes.buffer, bytes.byteOffset).setBigInt64(0, BigInt(baseOffset))
  return [new RecordBatchView(bytes)]
}

const events = fc.record({ n: fc.nat(5), ts: fc.oneof({ weight: 9, arbitrary: fc.nat(60) }, { weight: 1, arbitrary: fc.constantFrom(-5, 1.5, 2 ** 40) }) })
const rarely = <T>(arbitrary: fc.Arbitrary<T>, weight: number, ...others: readonly T[]) => fc.oneof({ weight, arbitrary }, { weight: 1, arbitrary: fc.constantFrom(...others) })
const records = fc.record({
  // The last is no UTF-8, the one before no ASCII.
  key: rarely<string | null>(fc.constantFrom('k', 'l', 'a longer key'), 12, null, 'Ã©', '\xff'),
  value: rarely<Uint8Array | null>(events.map((event) => Buffer.from(JSON.stringify(event))), 25, null, Buffer.from('{"n":'), Buffer.from('7'), Buffer.from('{"ts":3,"n":1,"more":"\u00e9"}')),
  timestamp: rarely(fc.nat(100), 60, -1),
  headers: rarely<readonly Header[]>(fc.constant([]), 8, [{ key: 'h', value: Buffer.from('1') }]),
})
const programs = fc.record({
  name: fc.constantFrom<Name>('sink', 'looks', 'changes', 'many', 'count', 'countOfKeys', 'fails behind', 'windows', 'reduce'),
  time: fc.constantFrom<keyof typeof timestamps>('ofRecord', 'ofMember', 'ofValue', 'ofAll'),
  isTwo: fc.boolean(),
  config: fc.record({
    deadLetterTopic: fc.constant('dlq'),
    cacheMaxBytes: fc.constantFrom(0, 300, 100_000),
    onDeserializationError: fc.constantFrom('fail' as const, 'skip' as const, 'dead-letter' as const),
    onProcessingError: fc.constantFrom('fail' as const, 'skip' as const, 'dead-letter' as const),
    metricsRecordingLevel: fc.constantFrom('info' as const, 'debug' as const),
  }),
})

afterEach(() => { vi.restoreAllMocks() })

describe('a run that goes through a batch itself', () => {
  it('does what is done record by record: outputs, dead letters, failures, offsets, times, what is left out and what waits', () => {
    const steps = fc.array(fc.record({ input: fc.constantFrom('a' as const, 'b' as const), read: fc.array(records, { maxLength: 25 }), processed: fc.nat(60), commits: fc.boolean() }), { minLength: 1, maxLength: 6 })
    fc.assert(fc.property(programs, steps, fc.integer({ min: 2, max: 40 }), ({ name, time, isTwo, config }, given, atOnce) => {
      const read = isTwo ? given : given.map((step) => ({ ...step, input: 'a' as const }))
      const isCountAlone = name === 'countOfKeys' || name === 'fails behind'
      const topology = () => topologyOf(name, time, isTwo)
      expect(seenOf(topology(), config, read, atOnce, isCountAlone)).toEqual(seenOf(topology(), config, read, 1, isCountAlone))
    }), { numRuns: 300 })
  })

  it('reads lines together as one by one: of any length, of characters of any width, without a key, with headers', () => {
    const line = fc.tuple(rarely(fc.constantFrom('a', 'line', '{"n":1}'), 200, 'é', '日本語', '\xff'), rarely(fc.nat(60), 200, 700, 2_100, 5_000)).map(([text, times]) => Buffer.from(text === '\xff' ? text : text.repeat(times), text === '\xff' ? 'latin1' : 'utf8'))
    const lines = fc.record({
      key: rarely<string | null>(fc.constantFrom('k', 'a key of some length'), 20, null, 'Ã©', '\xff', 'long'.repeat(50)),
      value: rarely<Uint8Array | null>(line, 400, null),
      timestamp: rarely(fc.nat(5_000_000), 2_000, -1),
      headers: rarely<readonly Header[]>(fc.constant([]), 30, [{ key: 'h', value: null }]),
    })
    const steps = fc.array(fc.record({ input: fc.constant('a' as const), read: fc.array(lines, { maxLength: 150, size: 'max' }), processed: fc.nat(300), commits: fc.boolean() }), { minLength: 1, maxLength: 3 })
    const name = fc.constantFrom('to', 'changes', 'looks', 'keys')
    const config = fc.record({ deadLetterTopic: fc.constant('dlq'), onDeserializationError: fc.constantFrom('fail' as const, 'skip' as const, 'dead-letter' as const) })
    fc.assert(fc.property(name, fc.boolean(), config, steps, fc.integer({ min: 2, max: 160 }), (does, rejectsNull, options, given, atOnce) => {
      const topology = () => linesTopology(does, rejectsNull)
      expect(seenOf(topology(), options, given, atOnce, false)).toEqual(seenOf(topology(), options, given, 1, false))
    }), { numRuns: 150 })
  })

  it('gives a record without a key to a source that takes it, and to no other', () => {
    const read = Array.from({ length: 20 }, (_, index): Input => ({ key: index === 9 ? null : 'k', value: Buffer.from('{"n":0,"ts":0}'), timestamp: index, headers: [] }))
    const written = (name: Name, atOnce: number) => seenOf(topologyOf(name, 'ofRecord', false), { onDeserializationError: 'skip' }, [{ input: 'a', read, processed: 20, commits: true }], atOnce, false)
    const keyless = (seen: readonly unknown[]) => seen.filter((one) => Array.isArray(one) && one[0] === 'out' && one[1] === null).length
    expect([written('looks', 20), written('sink', 20)]).toEqual([written('looks', 1), written('sink', 1)])
    expect([keyless(written('looks', 20)), keyless(written('sink', 20))]).toEqual([0, 1])
  })

  it('takes as many records as it is asked for, and a batch in one go, also after a rollback', () => {
    const goneThrough = vi.spyOn(RecordQueue.prototype, 'goThrough')
    const collector = new BatchingCollector({ maxBatchBytes: 10_000, partitionCount: () => 1, sendBatch: () => {} })
    const { nodes, stores } = topologyOf('looks', 'ofRecord', false)
    const task = new StreamTask({ taskId: '0_0', partition: 0, applicationId: 'app', nodes, stores, repartitionTopics: [], clock: new SimulatedClock(0), config: {}, collector })
    const input = { topic: 'a', partition: 0 }
    const read = (wrongAt: number) => Array.from({ length: 20 }, (_, index): Input => ({ key: 'k', value: Buffer.from(JSON.stringify({ n: index === wrongAt ? 2 : 3, ts: 0 })), timestamp: index, headers: [] }))
    const taken: number[] = []
    const take = (limit: number) => taken.push(task.processMany(limit, 0), task.waiting(input).buffered)
    task.addRecords(input, batchesOf(read(-1), 0), 20)
    for (const limit of [1, 1, 4, 12, 9, 9]) take(limit)
    // The first record of a queue goes by itself.
    expect([taken, goneThrough.mock.calls.map(([, , limit]) => limit)]).toEqual([[1, 19, 1, 18, 4, 14, 12, 2, 2, 0, 0, 0], [1, 4, 12, 9]])
    task.addRecords(input, batchesOf(read(9), 20), 40)
    expect(() => task.processMany(40, 0)).toThrow('2 is wrong')
    task.rollback()
    goneThrough.mockClear()
    task.addRecords(input, batchesOf(read(-1), 20), 40)
    expect([task.processMany(40, 0), goneThrough.mock.calls.length]).toEqual([20, 1])
  })
})
