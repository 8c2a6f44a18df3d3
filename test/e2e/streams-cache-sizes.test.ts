/** How large the caches are, and when they are emptied, must not show in what is left: in the stores, in the changelogs, in the results. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { stringSerde } from '../../src/core/index.ts'
import { StreamsBuilder, jsonWindowedSerde, session, sliding, topic, tumbling, hopping } from '../../src/streams/index.ts'
import type { Topology } from '../../src/streams/index.ts'
import { StreamTask } from '../../src/streams/runtime/stream-task.ts'
import type { OpenStore } from '../../src/streams/state/open-store.ts'
import { SessionStore } from '../../src/streams/state/session-store.ts'
import type { KeyValueStore } from '../../src/streams/state/key-value-store.ts'
import { WindowStore } from '../../src/streams/state/window-store.ts'
import { SimulatedClock } from '../../src/streams/testing/simulated-clock.ts'
import { singleRecordBatch } from '../../src/streams/testing/single-record-batch.ts'

const texts = { key: stringSerde, value: stringSerde }
const windowedTexts = { key: jsonWindowedSerde(), value: stringSerde }
const second = 1_000

type Grouped = ReturnType<typeof grouped>
const grouped = (builder: StreamsBuilder, name: string) => builder.stream(topic(name, texts)).groupByKey()
const append = (all: string, value: string) => `${all}${value}`
const joined = (_key: string, left: string, right: string) => `${left}|${right}`

const programs: Readonly<Record<string, (input: Grouped, builder: StreamsBuilder) => void>> = {
  'a table': (input) => input.aggregate(() => '', append, { store: 's' }).toStream().to(topic('out', texts)),
  'tumbling windows': (input) => input.windowedBy(tumbling(20 * second, { grace: 60 * second })).aggregate(() => '', append, { store: 's' }).toStream().to(topic('out', windowedTexts)),
  'hopping windows': (input) => input.windowedBy(hopping(30 * second, { advance: 10 * second, grace: 200 * second })).aggregate(() => '', append, { store: 's' }).toStream().to(topic('out', windowedTexts)),
  'sliding windows': (input) => input.windowedBy(sliding(20 * second, { grace: 100 * second })).aggregate(() => '', append, { store: 's' }).toStream().to(topic('out', windowedTexts)),
  'sessions': (input) => input.windowedBy(session(20 * second, { grace: 100 * second })).aggregate(() => '', append, joined, { store: 's' }).toStream().to(topic('out', windowedTexts)),
  'a cogroup in windows': (input, builder) => input.cogroup(append).cogroup(grouped(builder, 'other'), append).windowedBy(tumbling(20 * second, { grace: 60 * second }))
    .aggregate(() => '', { store: 's' }).toStream().to(topic('out', windowedTexts)),
  'a cogroup in sliding windows': (input, builder) => input.cogroup(append).cogroup(grouped(builder, 'other'), append).windowedBy(sliding(20 * second, { grace: 60 * second }))
    .aggregate(() => '', { store: 's' }).toStream().to(topic('out', windowedTexts)),
  'a cogroup in sessions': (input, builder) => input.cogroup(append).cogroup(grouped(builder, 'other'), append).windowedBy(session(20 * second, { grace: 60 * second }))
    .aggregate(() => '', joined, { store: 's' }).toStream().to(topic('out', windowedTexts)),
}

interface Step {
  readonly topic: 'in' | 'other'
  readonly key: string
  readonly value: string
  readonly timestamp: number
}

function topologyOf(program: keyof typeof programs): Topology {
  const builder = new StreamsBuilder()
  programs[program]!(grouped(builder, 'in'), builder)
  return builder.build()
}

/** What is left: rows of the store, and the last value of each key in changelog and results. */
function leftOf(program: keyof typeof programs, steps: readonly Step[], cacheMaxBytes: number, commitEvery: number) {
  const topology = topologyOf(program)
  const last = new Map<string, Map<string, string>>()
  const task = new StreamTask({
    taskId: '0_0', partition: 0, applicationId: 'app', nodes: topology.nodes, stores: topology.stores, repartitionTopics: [], clock: new SimulatedClock(0), config: { cacheMaxBytes },
    collector: {
      send(name, _partition, key, value) {
        const rows = last.get(name) ?? new Map<string, string>()
        last.set(name, rows)
        if (value === null) rows.delete(Buffer.from(key!).toString('hex'))
        else rows.set(Buffer.from(key!).toString('hex'), Buffer.from(value).toString())
      },
      partitionCount: () => 1,
    },
  })
  const commit = () => {
    task.prepareCommit()
    task.committed()
  }
  steps.forEach((step, index) => {
    task.addRecords({ topic: step.topic, partition: 0 }, [singleRecordBatch({ offset: index, timestamp: step.timestamp, key: Buffer.from(step.key), value: Buffer.from(step.value), headers: [] })], index + 1)
    while (task.process(0));
    if ((index + 1) % commitEvery === 0) commit()
  })
  commit()
  return { rows: rowsOf(task.stores.get('s')!), last }
}

/** As in Kafka Streams, a cache shows rows that it still has when they are out of retention already: they do not count. */
function rowsOf({ view, spec: { retentionMs = 0 } }: OpenStore): readonly unknown[] {
  if (view instanceof WindowStore) return retained([...view.all()], ({ key }) => key.start, retentionMs)
  if (view instanceof SessionStore) return retained([...view.fetchRange(null, null)], ({ key }) => key.end, retentionMs)
  return [...(view as KeyValueStore<unknown, unknown>).all()]
}

function retained<T>(rows: readonly T[], timeOf: (row: T) => number, retentionMs: number): readonly T[] {
  const newest = Math.max(...rows.map(timeOf))
  return rows.filter((row) => timeOf(row) > newest - retentionMs)
}

const steps = (topics: readonly Step['topic'][]) => fc.array(fc.record({
  topic: fc.constantFrom(...topics), key: fc.constantFrom('a', 'b', 'c'), value: fc.constantFrom('x', 'y', 'z'), timestamp: fc.integer({ min: 0, max: 60 }).map((tens) => tens * 7 * second),
}), { maxLength: 60 })

/** What once left something else: a session that was merged away was not deleted downstream when time had gone on far in the same interval. */
const kept: readonly { readonly steps: readonly Step[]; readonly commitEvery: number }[] = [
  { steps: [0, 0, 0, 0, 0, 7_000, 140_000].map((timestamp) => ({ topic: 'in', key: 'a', value: 'x', timestamp })), commitEvery: 5 },
]

describe.each(Object.keys(programs))('%s', (program) => {
  it('has the same left over with caches of any size', () => {
    fc.assert(fc.property(steps(program.includes('cogroup') ? ['in', 'other'] : ['in']), fc.constantFrom(1, 5, 1000), (records, commitEvery) => {
      const plain = leftOf(program, records, 0, commitEvery)
      for (const cacheMaxBytes of [1, 600, 1_000_000]) expect(leftOf(program, records, cacheMaxBytes, commitEvery)).toEqual(plain)
    }), { numRuns: Number(process.env['MILLRACE_CACHE_RUNS'] ?? 20), examples: kept.map((example): [Step[], number] => [[...example.steps], example.commitEvery]) })
  })
})
