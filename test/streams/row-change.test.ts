import fc from 'fast-check'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { jsonSerde, longSerde, stringSerde } from '../../src/core/index.ts'
import type { Serde } from '../../src/core/index.ts'
import type { Topology } from '../../src/streams/index.ts'
import { RowChange } from '../../src/streams/row-change.ts'
import { StreamsBuilder } from '../../src/streams/streams-builder.ts'
import { topic } from '../../src/streams/topic.ts'
import { session, tumbling } from '../../src/streams/windows.ts'
import { ByteRows } from '../../src/streams/state/byte-rows.ts'
import { KeyValueStore } from '../../src/streams/state/key-value-store.ts'
import { batchOf, inputs, outputOf } from './operators/batches-and-records.ts'

/** Refuses to write some values. */
const pickySerde: Serde<string> = {
  ...stringSerde,
  serialize(value) {
    if (value.length % 5 === 4) throw new Error('not this one')
    return stringSerde.serialize(value)
  },
  serializeInto(value, bytes, at) {
    if (value.length % 5 === 4) throw new Error('not this one')
    return stringSerde.serializeInto!(value, bytes, at)
  },
}

const source = topic('in', { key: stringSerde as Serde<string | null>, value: stringSerde })
const texts = topic('out', { key: stringSerde, value: stringSerde })
const json = topic('out', { key: stringSerde, value: jsonSerde<unknown>() })
const picky = topic('out', { key: stringSerde, value: pickySerde })

/** Two tables that delete some of their rows. */
function tables(builder: StreamsBuilder) {
  const rows = builder.stream(source).groupByKey({ key: stringSerde, value: stringSerde } as never)
  const last = (deleted: number) => (_before: string, value: string) => (value.length % 7 === deleted ? (null as never) : value)
  return [rows.aggregate(() => '', last(1) as never, { store: 'a', value: stringSerde }), rows.aggregate(() => '', last(3) as never, { store: 'b', value: stringSerde })] as never as [Table, Table]
}

type Table = ReturnType<typeof tableOf>
const tableOf = (builder: StreamsBuilder) => builder.table(topic('in', { key: stringSerde, value: stringSerde }), { store: 's' })

/** Each sends on what it keeps, without looking at more of it than the operators between the table and the sink. */
const programs: Readonly<Record<string, (builder: StreamsBuilder) => void>> = {
  same: (builder) => tableOf(builder).toStream().to(texts),
  otherValues: (builder) => tableOf(builder).toStream().to(json),
  refused: (builder) => tableOf(builder).toStream().to(picky),
  counted: (builder) => builder.stream(source).groupByKey().count({ store: 's' }).toStream().to(topic('out', { key: stringSerde as Serde<string | null>, value: longSerde })),
  windowed: (builder) => builder.stream(source).groupByKey().windowedBy(tumbling('10s', { grace: '5s' })).count({ store: 's' }).toStream().selectKey((_count, { key, start }) => `${key}@${start}`).to(json as never),
  sessions: (builder) => builder.stream(source).groupByKey().windowedBy(session('2s', { grace: '5s' })).count({ store: 's' }).toStream().selectKey((_count, { key, start, end }) => `${key}@${start}-${end}`).to(json as never),
  steps: (builder) => tableOf(builder).toStream().filter((value) => value !== null && value.length > 3).mapValues((value) => value!.toUpperCase()).to(texts),
  keyed: (builder) => tableOf(builder).toStream().peek((_value, key) => expect(typeof key).toBe('string')).to(texts),
  rekeyed: (builder) => tableOf(builder).toStream().selectKey((value, key) => key + (value ?? '')).to(texts),
  seen: (builder) => tableOf(builder).toStream().mapValues((value, key, { timestamp, offset, topic: name }) => `${value}/${key}/${timestamp}/${offset}/${name}`).to(texts),
  fails: (builder) => tableOf(builder).toStream().mapValues((value) => {
    if (value?.startsWith('{') === true) throw new Error('no braces')
    return value
  }).to(texts as never),
  joined: (builder) => {
    const [a, b] = tables(builder)
    a.join(b, (left, right) => `${left}|${right}`).toStream().to(texts)
  },
  leftJoined: (builder) => {
    const [a, b] = tables(builder)
    a.leftJoin(b, (left, right, key) => `${left}|${right}|${key}`).toStream().to(texts)
  },
  joinFails: (builder) => {
    const [a, b] = tables(builder)
    a.join(b, (left, right) => {
      if (left.startsWith('{')) throw new Error('no braces')
      return `${left}|${right}`
    }).toStream().to(texts)
  },
  keptJoin: (builder) => {
    const [a, b] = tables(builder)
    a.outerJoin(b, (left, right) => `${left}|${right}`, { store: 'kept', value: stringSerde } as never).toStream().to(texts)
  },
}

/** Where an operator, or nobody in particular, must see a record. */
const others: Readonly<Record<string, (builder: StreamsBuilder) => void>> = {
  forked: (builder) => {
    const table = tableOf(builder)
    table.toStream().to(texts)
    table.toStream().to(json)
  },
  outerJoined: (builder) => {
    const [a, b] = tables(builder)
    a.outerJoin(b, (left, right) => ((left ?? right)!.length > 5 ? null! : `${left}|${right}`)).toStream().to(json)
  },
  oldValues: (builder) => tableOf(builder).groupBy((key, value) => [value, key] as never, { key: stringSerde, value: stringSerde } as never).count({ store: 'c' }).toStream().to(json as never),
}

function topologyOf(name: string): Topology {
  const builder = new StreamsBuilder()
  ;({ ...programs, ...others })[name]!(builder)
  return builder.build()
}

const policies = fc.record({
  cacheMaxBytes: fc.constantFrom(300, 100_000),
  onDeserializationError: fc.constant('skip' as const), onProcessingError: fc.constantFrom('skip' as const, 'fail' as const, 'dead-letter' as const),
  onSerializationError: fc.constantFrom('skip' as const, 'fail' as const), deadLetterTopic: fc.constant('dlq'),
})

describe('flushed rows', () => {
  afterEach(() => vi.restoreAllMocks())

  const input = ['a', 'b', 'a'].map((key, index) => ({ key, value: `text ${index}`, timestamp: 30_000 + index, headers: [] }))
  const config = { cacheMaxBytes: 100_000, onDeserializationError: 'fail', onProcessingError: 'fail', deadLetterTopic: 'dlq' } as const

  it.each(Object.keys(programs))('are sent on without records for them: %s', (name) => {
    const sent = vi.spyOn(RowChange.prototype, 'row', 'set')
    outputOf(topologyOf(name), config, [batchOf(input, 0)], false)
    expect(sent).toHaveBeenCalled()
  })

  it('are records where several operators take them, or old values are asked for', () => {
    const sent = vi.spyOn(RowChange.prototype, 'row', 'set')
    outputOf(topologyOf('forked'), config, [batchOf(input, 0)], false)
    outputOf(topologyOf('outerJoined'), config, [batchOf(input, 0)], false)
    expect(sent).not.toHaveBeenCalled()
  })

  it('are told the tables that they are joined with, a group before the first of them, also behind another join', () => {
    const seen: string[] = []
    const keyOf = ({ table, row }: { readonly table: ByteRows; readonly row: number }) => Buffer.from(table.key(row)).toString()
    vi.spyOn(ByteRows.prototype, 'lookAheadOf').mockImplementation(({ table, rows, count }) => {
      seen.push(Array.from(rows.subarray(0, count), (row) => keyOf({ table, row })).join(' '))
    })
    vi.spyOn(KeyValueStore.prototype, 'getOfRow').mockImplementation((row) => {
      seen.push(keyOf(row))
      return { value: 'v', timestamp: 1 }
    })
    const builder = new StreamsBuilder()
    const [a, b] = tables(builder)
    const c = builder.table(topic('c', { key: stringSerde, value: stringSerde }), { store: 'c' })
    a.join(b, (left, right) => left + right).join(c, (left, right) => left + right).toStream().to(texts)
    const keys = Array.from({ length: 70 }, (_, index) => `k${index}`)
    const records = keys.map((key, index) => ({ key, value: 'text', timestamp: index, headers: [] }))
    outputOf(builder.build(), config, [batchOf(records, 0)], false)
    const groupOf = (from: number, to: number, tablesAsked: number) => [
      ...Array.from({ length: tablesAsked }, () => keys.slice(from, to).join(' ')), ...keys.slice(from, to).flatMap((key) => [key, key]),
    ]
    const flushOf = (ofFirst: number) => [...groupOf(0, 32, ofFirst), ...groupOf(32, 64, 2), ...groupOf(64, 70, 2)]
    expect(seen).toEqual([...flushOf(1), ...flushOf(1)])
  })

  it('are not decoded where the sink writes what stands in them', () => {
    const decoded = vi.spyOn(RowChange.prototype, 'readKey')
    const made = vi.spyOn(RowChange.prototype, 'record')
    const sent = vi.spyOn(RowChange.prototype, 'row', 'set')
    outputOf(topologyOf('same'), config, [batchOf(Array.from({ length: 6 }, (_, index) => ({ key: `k${index}`, value: 'v', timestamp: index, headers: [] })), 0)], false)
    expect(sent).toHaveBeenCalledTimes(6)
    expect(decoded).not.toHaveBeenCalled()
    expect(made).not.toHaveBeenCalled()
  })

  // Counting what each node takes needs a record for each.
  it.each([...Object.keys(programs), ...Object.keys(others)])('come to what records come to: %s', (name) => {
    fc.assert(fc.property(fc.array(inputs, { maxLength: 3 }), policies, fc.boolean(), (parts, policy, rollsBack) => {
      const starts = parts.map((_, index) => parts.slice(0, index).reduce((sum, part) => sum + part.length, 0))
      const batches = parts.map((part, index) => batchOf(part, starts[index]!))
      const asRecords = outputOf(topologyOf(name), { ...policy, metricsRecordingLevel: 'debug' }, batches, rollsBack)
      expect(outputOf(topologyOf(name), policy, batches, rollsBack)).toEqual(asRecords)
    }), { numRuns: 100 })
  })
})
