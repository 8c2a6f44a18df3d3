import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { sleep, stringSerde, systemClock } from '../../src/core/index.ts'
import type { Broker } from '../../src/core/index.ts'
import { StreamsApp, StreamsBuilder, TopologyBuilder, hopping, joinWithin, keyValueStore, session, sliding, topic, tumbling } from '../../src/streams/index.ts'
import type { LateOption, OffsetReset } from '../../src/streams/index.ts'
import { createTopics, openMemoryBroker, readAll, write } from '../kit/streams-harness.ts'

const texts = { key: stringSerde, value: stringSerde }

describe('where a source starts when nothing was committed', () => {
  let broker: Broker
  beforeEach(async () => {
    broker = await openMemoryBroker()
    await createTopics(broker, { in: 1, out: 1 })
    const hour = 3_600_000
    const now = systemClock.now()
    await write(broker, 'in', [3, 2, 1].map((hours) => ({ key: 'k', value: `${hours}h ago`, timestamp: now - hours * hour })))
  })
  afterEach(() => broker.close())

  function appOf(offsetReset: OffsetReset): StreamsApp {
    const builder = new StreamsBuilder()
    builder.stream(topic('in', texts), { offsetReset }).to(topic('out', texts))
    return new StreamsApp(builder.build(), { applicationId: 'app', broker, commitInterval: 5 })
  }

  const results = async () => (await readAll(broker, 'out')).map(({ value }) => value)

  async function run(offsetReset: OffsetReset): Promise<readonly (string | null)[]> {
    const app = appOf(offsetReset)
    try {
      await app.start()
      await app.caughtUp()
    } finally {
      await app.close().catch(() => {})
    }
    return results()
  }

  it.each<[OffsetReset, readonly string[]]>([
    ['earliest', ['3h ago', '2h ago', '1h ago']],
    [{ maxAge: '150m' }, ['2h ago', '1h ago']],
  ])('%j: with the records that are there', async (offsetReset, expected) => {
    expect(await run(offsetReset)).toEqual(expected)
  })

  it.each<[OffsetReset]>([['latest'], [{ maxAge: '10m' }]])('%j: with those that come from now on', async (offsetReset) => {
    const app = appOf(offsetReset)
    await app.start()
    while ((await results()).length === 0) {
      await write(broker, 'in', [{ key: 'k', value: 'new', timestamp: systemClock.now() }])
      await sleep(systemClock, 5)
    }
    await app.close()
    expect(new Set(await results())).toEqual(new Set(['new']))
  })

  it.each<[OffsetReset]>([['latest'], [{ maxAge: '10m' }]])('%j: the start itself is committed, so that nothing is waited for that came before it, and nothing is left out after it', async (offsetReset) => {
    expect(await run(offsetReset)).toEqual([])
    await write(broker, 'in', [{ key: 'k', value: 'while it was down', timestamp: systemClock.now() }])
    expect(await run(offsetReset)).toEqual(['while it was down'])
  })

  it('none: nowhere; the application says so, and goes on from an offset that was committed', async () => {
    await expect(run('none')).rejects.toThrow('nothing was committed for in-0')
    expect(await run('earliest')).toHaveLength(3)
    expect(await run('none')).toHaveLength(3)
  })
})

describe('the stores of a stream join', () => {
  it.each([[{}, [true, true, true]], [{ type: 'inMemory' as const }, [false, false, false]]])('with %j are persistent: %j', (options, expected) => {
    const builder = new StreamsBuilder()
    const right = builder.stream(topic('right', texts))
    builder.stream(topic('left', texts)).leftJoin(right, (left, other) => `${left}${other}`, { within: joinWithin('1s'), ...options })
    expect(builder.build().stores.map(({ persistent }) => persistent)).toEqual(expected)
  })
})

const misspelt = { stor: 'x' } as object

it.each<[string, (builder: StreamsBuilder) => unknown]>([
  ['count', (builder) => builder.stream(topic('in', texts)).groupByKey().count(misspelt)],
  ['windowed count', (builder) => builder.stream(topic('in', texts)).groupByKey().windowedBy(tumbling('1m')).count(misspelt)],
  ['table', (builder) => builder.table(topic('in', texts), misspelt)],
  ['filter of a table', (builder) => builder.table(topic('in', texts)).filter(() => true, misspelt)],
  ['join of tables', (builder) => builder.table(topic('in', texts)).join(builder.table(topic('other', texts)), (row) => row, misspelt)],
])('a misspelt option of a store is refused where the program is built: %s', (_operator, build) => {
  expect(() => build(new StreamsBuilder())).toThrow('no store has the option "stor"; there are name, store,')
})

it.each([tumbling('1m'), session('1m')])('a side output of late records that is no function is refused: %j', (windows) => {
  const wrong = { late: 'missed' } as unknown as LateOption<string, string>
  const grouped = new StreamsBuilder().stream(topic('in', texts)).groupByKey()
  const refusal = 'late must be a function that takes the stream of late records, such as (late) => late.to(topic), not "missed"'
  expect(() => grouped.windowedBy(windows as never, wrong)).toThrow(refusal)
  expect(() => grouped.cogroup((sum: string) => sum).windowedBy(windows as never, wrong)).toThrow(refusal)
})

/** Options that the compiler would refuse, in a program that it has not seen. */
const wrong = (options: unknown): never => options as never

it.each<[string, (builder: StreamsBuilder) => unknown, string]>([
  ['topic', () => topic('in', wrong({ key: stringSerde, vlaue: stringSerde })), 'topic in has no option "vlaue"; did you mean \'value\'?'],
  ['store', () => keyValueStore('rows', wrong({ ...texts, tll: '1h' })), 'store rows has no option "tll"; did you mean \'ttl\'?'],
  ['tumbling', () => tumbling('1m', wrong({ grce: '1s' })), 'tumbling has no option "grce"; did you mean \'grace\'?'],
  ['hopping', () => hopping('1m', wrong({ advance: '1s', grce: '1s' })), 'hopping has no option "grce"'],
  ['sliding', () => sliding('1m', wrong({ grce: '1s' })), 'sliding has no option "grce"'],
  ['session', () => session('1m', wrong({ grce: '1s' })), 'session has no option "grce"'],
  ['joinWithin', () => joinWithin('1m', wrong({ grce: '1s' })), 'joinWithin has no option "grce"'],
  ['stream', (builder) => builder.stream(topic('in', texts), wrong({ timestmp: () => 0 })), 'stream has no option "timestmp"; did you mean \'timestamp\'?'],
  ['offsetReset', (builder) => builder.stream(topic('in', texts), wrong({ offsetReset: 'earlist' })), 'offsetReset is "earlist", but must be one of earliest, latest, none'],
  ['to', (builder) => builder.stream(topic('in', texts)).to(topic('out', texts), wrong({ partitoner: () => 0 })), 'to has no option "partitoner"'],
  ['repartition', (builder) => builder.stream(topic('in', texts)).repartition(wrong({ partition: 3 })), 'repartition has no option "partition"'],
  ['groupBy', (builder) => builder.stream(topic('in', texts)).groupBy((value) => value, wrong({ kye: stringSerde })), 'groupBy has no option "kye"'],
  ['windowedBy', (builder) => builder.stream(topic('in', texts)).groupByKey().windowedBy(tumbling('1m'), wrong({ lat: () => {} })), 'windowedBy has no option "lat"'],
  ['emit', (builder) => builder.stream(topic('in', texts)).groupByKey().windowedBy(session('1m')).emit(wrong('on-close')), 'emit is "on-close", but must be one of on-update, on-window-close'],
  ['mapAsync', (builder) => builder.stream(topic('in', texts)).mapAsync(async (value) => value, wrong({ maxInflight: 3 })), 'mapAsync has no option "maxInflight"; did you mean \'maxInFlight\'?'],
  ['join of streams', (builder) => builder.stream(topic('in', texts)).join(builder.stream(topic('other', texts)), (value) => value, wrong({ within: joinWithin(1), stor: 'x' })), 'join of two streams has no option "stor"'],
  ['join with a table', (builder) => builder.stream(topic('in', texts)).join(builder.table(topic('other', texts)), (value) => value, wrong({ grce: 1 })), 'join with a table has no option "grce"'],
  ['process', (builder) => builder.stream(topic('in', texts)).process(() => ({ process: () => {} }), wrong({ store: ['rows'] })), 'process has no option "store"; did you mean \'stores\'?'],
  ['processValues', (builder) => builder.stream(topic('in', texts)).processValues(() => ({ process: () => {} }), wrong({ store: ['rows'] })), 'processValues has no option "store"; did you mean \'stores\'?'],
  ['StreamsBuilder', () => new StreamsBuilder(wrong({ storetype: 'inMemory' })), 'new StreamsBuilder has no option "storetype"; did you mean \'storeType\'?'],
  ['filter', (builder) => builder.stream(topic('in', texts)).filter(() => true, wrong({ nme: 'large' })), 'filter has no option "nme"; did you mean \'name\'?'],
  ['asObservable', (builder) => builder.stream(topic('in', texts)).asObservable(wrong({ nme: 'seen' })), 'asObservable has no option "nme"'],
  ['print', (builder) => builder.stream(topic('in', texts)).print(wrong({ lable: 'in' })), 'print has no option "lable"; did you mean \'label\'?'],
  ['merge', (builder) => builder.stream(topic('in', texts)).merge(builder.stream(topic('other', texts)), wrong({ nme: 'both' })), 'merge has no option "nme"'],
  ['split', (builder) => builder.stream(topic('in', texts)).split(wrong({ nme: 'by-size' })), 'split has no option "nme"'],
  ['toStream', (builder) => builder.table(topic('in', texts)).toStream(wrong({ nme: 'changes' })), 'toStream has no option "nme"'],
  ['groupBy of a table', (builder) => builder.table(topic('in', texts)).groupBy((value) => [value, value], wrong({ kye: stringSerde })), 'groupBy has no option "kye"'],
  ['addSource', () => new TopologyBuilder().addSource('in', topic('in', texts), wrong({ timestmp: () => 0 })), 'source in has no option "timestmp"; did you mean \'timestamp\'?'],
  ['addProcessor', () => new TopologyBuilder().addProcessor('each', () => ({ process: () => {} }), wrong({ parents: ['in'], store: ['rows'] })), 'processor each has no option "store"; did you mean \'stores\'?'],
  ['parents', () => new TopologyBuilder().addProcessor('each', () => ({ process: () => {} }), wrong({ parent: ['in'] })), 'processor each has no option "parent"; did you mean \'parents\'?'],
  ['addSink', () => new TopologyBuilder().addSink('out', topic('out', texts), wrong({ parents: ['in'], partitoner: () => 0 })), 'sink out has no option "partitoner"; did you mean \'partitioner\'?'],
  ['addReadOnlyStateStore', () => new TopologyBuilder().addReadOnlyStateStore(keyValueStore('rows', texts), wrong({ name: 'in', topc: topic('in', texts), processor: 'fill' })), 'addReadOnlyStateStore has no option "topc"; did you mean \'topic\'?'],
  ['addGlobalStore', () => new TopologyBuilder().addGlobalStore(keyValueStore('rows', texts), wrong({ name: 'in', topic: topic('in', texts), procesor: 'fill' })), 'addGlobalStore has no option "procesor"; did you mean \'processor\'?'],
  ['suppress', (builder) => builder.table(topic('in', texts)).suppress(wrong({ until: 1, maxRecord: 1 })), 'suppress has no option "maxRecord"; did you mean \'maxRecords\'?'],
  ['whenFull', (builder) => builder.table(topic('in', texts)).suppress(wrong({ until: 1, whenFull: 'explode' })), 'suppress: whenFull is "explode", but must be one of emit-early, shut-down'],
])('a misspelt option is refused where the program is built, not ignored: %s', (_what, build, sentence) => {
  expect(() => build(new StreamsBuilder())).toThrow(sentence)
})
