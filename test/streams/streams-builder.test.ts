import { describe, expect, it } from 'vitest'
import { stringSerde } from '../../src/core/index.ts'
import { StreamsApp, StreamsBuilder, hopping, joinWithin, keyValueStore, session, topic, tumbling, unlimited, windowStore } from '../../src/streams/index.ts'
import type { KeyValueStore, ProcessorFactory, Topic } from '../../src/streams/index.ts'
import { TopologyTestDriver } from '../../src/streams/testing/index.ts'

const text = { key: stringSerde, value: stringSerde }
const of = (name: string) => topic(name, text)
const within = joinWithin(10)
const plus = (left: string | null, right: string | null) => `${left}+${right}`

function build(program: (builder: StreamsBuilder) => void) {
  const builder = new StreamsBuilder()
  program(builder)
  return builder.build()
}

/** What Kafka Streams refuses, too. */
const refused: Readonly<Record<string, readonly [RegExp, (builder: StreamsBuilder) => unknown]>> = {
  'a repartition topic without a name': [/name "" cannot be used/, (builder) => builder.stream(of('in')).repartition({ name: '' })],
  'a name that no topic can have': [/name "a b" cannot be used/, (builder) => builder.stream(of('in')).repartition({ name: 'a b' })],
  'a join of streams named with a dot': [/name "\." cannot be used/, (builder) => builder.stream(of('a')).join(builder.stream(of('b')), plus, { within, name: '.' })],
  'a foreign-key join without a name': [/name "" cannot be used/, (builder) => builder.table(of('a')).joinOn(builder.table(of('b')), (row) => row, plus, { name: '' })],
  'a global table with a history': [/keeps no rows of the past/, (builder) => builder.globalTable(of('in'), { store: 'rows', ...{ history: '1h' } })],
  'a history in segments of no length': [/segmentInterval must be longer than 0/, (builder) => builder.table(of('in'), { store: 'rows', history: '1h', segmentInterval: 0 })],
  'a window store that forgets windows before they end': [/shorter than windowSize/, (builder) => builder.addStateStore(windowStore('w', { ...text, retention: 5, windowSize: 10 }))],
  'final results of a window that never closes': [/never closes/, (builder) => builder.stream(of('in')).groupByKey().windowedBy(unlimited()).emit('on-window-close')],
  'a negative bound of suppress': [/maxRecords is -1/, (builder) => builder.table(of('in')).suppress({ until: 5, maxRecords: -1 })],
  'one topic read from two places': [/begin at different places/, (builder) => {
    builder.stream(of('in'), { offsetReset: 'earliest' }).to(of('a'))
    builder.stream(of('in'), { offsetReset: 'latest' }).to(of('b'))
  }],
  'a pattern that matches a topic of another source': [/in-a, which .* reads, matches the pattern/, (builder) => {
    builder.stream(of('in-a')).to(of('a'))
    builder.streamMatching(/in-.*/, text).to(of('b'))
  }],
  'a topic that the pattern of another source matches': [/topic in-a is read by two sources/, (builder) => {
    builder.streamMatching(/in-.*/, text).to(of('b'))
    builder.table(of('in-a'))
  }],
}

describe('a program that contradicts itself', () => {
  it.each(Object.entries(refused))('is refused: %s', (_what, [message, program]) => {
    expect(() => build(program)).toThrow(message)
  })
})

/** What a compiler would have refused, or would have at the next operator: programs in JavaScript come here. */
const missing: Readonly<Record<string, readonly [RegExp, (builder: StreamsBuilder) => unknown]>> = {
  'filter': [/KSTREAM-FILTER-\d+: the predicate must be a function, and is "a"/, (builder) => builder.stream(of('in')).filter('a' as never)],
  'mapValues': [/KSTREAM-MAPVALUES-\d+: the mapper must be a function, and is undefined/, (builder) => builder.stream(of('in')).mapValues(undefined as never)],
  'a branch': [/KSTREAM-BRANCH-.*: the predicate of branch .*big must be a function, and is undefined/, (builder) => builder.stream(of('in')).split().branch('big', undefined as never)],
  'groupBy': [/KSTREAM-KEY-SELECT-\d+: the selector must be a function/, (builder) => builder.stream(of('in')).groupBy(undefined as never).count()],
  'reduce': [/KSTREAM-REDUCE-\d+: the aggregator must be a function/, (builder) => builder.stream(of('in')).groupByKey().reduce(undefined as never)],
  'aggregate without an initializer': [/KSTREAM-AGGREGATE-\d+: the initializer must be a function, and is 0/, (builder) => builder.stream(of('in')).groupByKey().aggregate(0 as never, (sum: string) => sum)],
  'aggregate without an aggregator': [/KSTREAM-AGGREGATE-\d+: the aggregator must be a function/, (builder) => builder.stream(of('in')).groupByKey().aggregate(() => '', undefined as never)],
  'a table aggregate without a subtractor': [/the subtractor must be a function/, (builder) => builder.table(of('in')).groupBy((value, key) => [key, value]).reduce((sum) => sum, undefined as never)],
  'windows of sessions without a merger': [/the merger must be a function/, (builder) => builder.stream(of('in')).groupByKey().windowedBy(session('1m')).aggregate(() => '', (_key, value) => value, undefined as never)],
  'a join': [/the joiner must be a function/, (builder) => builder.stream(of('a')).join(builder.table(of('b')), undefined as never)],
  'a join of streams': [/the joiner must be a function/, (builder) => builder.stream(of('a')).join(builder.stream(of('b')), undefined as never, { within })],
  'a join of tables': [/the joiner must be a function/, (builder) => builder.table(of('a')).join(builder.table(of('b')), undefined as never)],
  'a foreign-key join': [/the extractor must be a function/, (builder) => builder.table(of('a')).joinOn(builder.table(of('b')), undefined as never, plus)],
  'process': [/KSTREAM-PROCESSOR-\d+: the factory must be a function, and is {}/, (builder) => builder.stream(of('in')).process({} as never)],
  'mapAsync': [/KSTREAM-MAPASYNC-\d+: the call must be a function/, (builder) => builder.stream(of('in')).mapAsync(undefined as never)],
  'windowedBy': [/windowedBy: "1m" is no window; give one such as tumbling\('1m'\)/, (builder) => builder.stream(of('in')).groupByKey().windowedBy('1m' as never)],
  'merge': [/merge: undefined is no stream/, (builder) => builder.stream(of('in')).merge(undefined as never)],
  'a filter that is async': [/KSTREAM-FILTER-\d+: the predicate is async, and its promise would be taken for its result; .*mapAsync/, (builder) => builder.stream(of('in')).filter((async () => false) as never)],
  'mapValues that is async': [/the mapper is async/, (builder) => builder.stream(of('in')).mapValues(async (value) => value)],
  'an aggregator that is async': [/the aggregator is async/, (builder) => builder.stream(of('in')).groupByKey().aggregate(() => '', (async () => 'a') as never)],
  'a branch that is async': [/the predicate of branch .*big is async/, (builder) => builder.stream(of('in')).split().branch('big', (async () => true) as never)],
  'what is joined': [/join: "b" is no stream or table/, (builder) => builder.stream(of('in')).join('b' as never, plus, { within })],
  'the table that is joined': [/leftJoin: \{\} is no table/, (builder) => builder.table(of('in')).leftJoin({} as never, plus)],
}

describe('a program that leaves out what is to be called', () => {
  it.each(Object.entries(missing))('is refused where it is built, not at its first record: %s', (_what, [message, program]) => {
    expect(() => build(program)).toThrow(message)
  })
})

describe('an application without what it needs', () => {
  it.each(['applicationId', 'broker'])('names %s', (key) => {
    const topology = build((builder) => builder.stream(of('in')).to(of('out')))
    const config = Object.fromEntries(Object.entries({ applicationId: 'app', broker: {} }).filter(([each]) => each !== key))
    expect(() => new StreamsApp(topology, config as never)).toThrow(`${key} is missing`)
    expect(() => new StreamsApp(topology, undefined as never)).toThrow('applicationId is missing')
  })
})

describe('joins of one stream whose key has changed', () => {
  const programOf = (second: { readonly name?: string }) => build((builder) => {
    const [a, b] = [builder.stream(of('a')), builder.stream(of('b')).selectKey((value) => value)]
    a.join(b, plus, { within, name: 'first' })
    builder.stream(of('c')).join(b, plus, { within, ...second })
  })

  it('share its topic, unless the second one has a name of its own', () => {
    expect(programOf({}).repartitionTopics.map(({ name }) => name)).toEqual(['first-right-repartition'])
    expect(programOf({ name: 'second' }).repartitionTopics.map(({ name }) => name)).toEqual(['first-right-repartition', 'second-right-repartition'])
  })
})

describe('a cogroup', () => {
  it('has one repartition topic for all that is made of it', () => {
    const topology = build((builder) => {
      const cogrouped = builder.stream(of('in')).selectKey((value) => value).groupByKey().cogroup<string>((all, value) => all + value)
      cogrouped.aggregate(() => '', { store: 'all' })
      cogrouped.windowedBy(tumbling(10)).aggregate(() => '', { store: 'windows' })
      cogrouped.windowedBy(hopping(10, { advance: 5 })).aggregate(() => '')
    })
    expect(topology.repartitionTopics.map(({ name }) => name)).toEqual(['all-repartition'])
    const driver = new TopologyTestDriver(topology)
    driver.inputTopic(of('in')).pipe({ key: 'k', value: 'x', timestamp: 1 })
    expect(driver.keyValueStore('all').get('x')).toBe('x')
    expect([...driver.windowStore('windows').all()]).toHaveLength(1)
  })

  it('folds a stream that is given twice once, with the later function', () => {
    const topology = build((builder) => {
      const grouped = builder.stream(of('in')).groupByKey()
      grouped.cogroup<string>((all, value) => `${all}a${value}`).cogroup(grouped, (all, value) => `${all}b${value}`).aggregate(() => '', { store: 'all' })
    })
    const driver = new TopologyTestDriver(topology)
    driver.inputTopic(of('in')).pipe({ key: 'k', value: 'x' })
    expect(driver.keyValueStore('all').get('k')).toBe('bx')
  })
})

describe('a store of processors', () => {
  it('may be added before or after the operators that name it', () => {
    const topology = build((builder) => {
      const rowsStore = keyValueStore('rows', text)
      const keep: ProcessorFactory<string, string, never, never> = () => {
        let rows: KeyValueStore<string, string>
        return {
          init: (context) => { rows = context.store(rowsStore) },
          process: ({ key, value }) => rows.put(key, value),
        }
      }
      builder.stream(of('in')).process(keep, { stores: ['rows'] })
      builder.addStateStore(rowsStore)
    })
    const driver = new TopologyTestDriver(topology)
    driver.inputTopic(of('in')).pipe({ key: 'k', value: 'v' })
    expect(driver.keyValueStore<string, string>('rows').get('k')).toBe('v')
    driver.close()
  })
})

describe('where a topic is asked for', () => {
  const notATopic = 'in' as unknown as Topic<string, string>

  it.each<[string, (builder: StreamsBuilder) => unknown]>([
    ['stream', (builder) => builder.stream(notATopic)],
    ['stream', (builder) => builder.stream([of('in'), notATopic])],
    ['table', (builder) => builder.table(notATopic)],
    ['globalTable', (builder) => builder.globalTable(notATopic)],
    ['to', (builder) => builder.stream(of('in')).to(notATopic)],
  ])('%s says what one is when it is given a name, as JavaScript lets one do', (operator, use) => {
    expect(() => use(new StreamsBuilder())).toThrowError(`${operator}: "in" is no topic; declare it, as in topic('hits', { key: z.string(), value: z.string() })`)
  })

  it.each(['join', 'leftJoin', 'outerJoin'] as const)('%s of two streams says that it needs windows', (join) => {
    const builder = new StreamsBuilder()
    const stream = builder.stream(of('in')) as unknown as Record<typeof join, (...given: readonly unknown[]) => unknown>
    const both = (options: unknown) => stream[join](builder.stream(of('other')), plus, options)
    expect(() => both(undefined)).toThrowError("say how far apart two records may be, as in { within: joinWithin('5m') }")
    expect(() => both({ within: '5m' })).toThrowError("say how far apart two records may be, as in { within: joinWithin('5m') }")
  })
})
