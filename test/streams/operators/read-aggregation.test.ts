import { afterEach, describe, expect, it, vi } from 'vitest'
import { jsonSerde, longSerde, stringSerde } from '../../../src/core/index.ts'
import type { Serde } from '../../../src/core/index.ts'
import type { Topology } from '../../../src/streams/index.ts'
import { ReadAggregation } from '../../../src/streams/operators/read-aggregation.ts'
import { StreamsBuilder } from '../../../src/streams/streams-builder.ts'
import { topic } from '../../../src/streams/topic.ts'
import { hopping, tumbling } from '../../../src/streams/windows.ts'
import { OverwrittenMemory } from '../../kit/overwritten-blocks.ts'
import { batchOf, expectSameOfBatchesAndRecords, outputOf, overwrittenOf, viewsOf } from './batches-and-records.ts'
import type { Input } from './batches-and-records.ts'

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

  it('looks at a record before what it stands in is overwritten, also where nothing in the blocks behind it can be read', () => {
    const read = ['1', '{"page":"x', '', '2', '{'].map((value, index): Input => ({ key: 'ab'[index % 2]!, value, timestamp: index, headers: [] }))
    const skips = { ...config, onDeserializationError: 'skip' } as const
    const found = outputOf(topologyOf('keyed'), skips, [() => overwrittenOf(read, 0, { perBatch: 1, perBlock: 1 }, new OverwrittenMemory())], false)
    expect(found).toEqual(outputOf(topologyOf('keyed'), skips, [() => viewsOf(read, 0)], false))
    expect(found.dropped).toBe(3)
  })

  it.each(Object.keys(programs))('writes what one of records writes: %s', (name) => {
    const overwritten = expectSameOfBatchesAndRecords(topologyOf(name))
    const makesRecords = name === 'whole' || name === 'late'
    if (!makesRecords) expect(overwritten).toBeGreaterThan(0)
  })
})
