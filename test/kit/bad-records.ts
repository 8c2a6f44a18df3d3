/** Every way in which one record of several can be bad: programs that fail on the value `bad` until they are mended. */
import { map as rxMap } from 'rxjs'
import { stringSerde } from '../../src/core/index.ts'
import type { Serde } from '../../src/core/index.ts'
import { StreamsBuilder, joinWithin, keyValueStore, session, sliding, topic, tumbling } from '../../src/streams/index.ts'
import type { Stream, StreamsConfig, Table, Topology } from '../../src/streams/index.ts'

type Policy = 'onDeserializationError' | 'onProcessingError' | 'onSerializationError'

export interface BadRecordCase {
  readonly what: string
  /** The policy that decides. */
  readonly policy: Policy
  /** `check` gives the value, or throws on the one that is bad as long as the program is not mended. */
  readonly write: (builder: StreamsBuilder, check: (value: string) => string, isMended: boolean) => void
  readonly settings?: Partial<StreamsConfig>
}

const text = { key: stringSerde, value: stringSerde }
const source = topic('in', text)
const other = topic('other', text)
const sink = topic('out', text)

type Texts = Stream<string, string>
type Check = (value: string) => string

const within = { within: joinWithin('10s', { grace: '1h' }) }

function onStream(what: string, work: (stream: Texts, check: Check) => Stream<string, string | null> | Stream<string, string>): BadRecordCase {
  return { what, policy: 'onProcessingError', write: (builder, check) => work(builder.stream(source), check).to(sink as never) }
}

function onTable(what: string, work: (table: Table<string, string, null>, check: Check) => Table<string, string, null>): BadRecordCase {
  return { what, policy: 'onProcessingError', write: (builder, check) => work(builder.table(source), check).toStream().to(sink as never) }
}

const withOther = (what: string, write: (stream: Texts, others: Texts, check: Check) => Texts): BadRecordCase =>
  ({ what, policy: 'onProcessingError', write: (builder, check) => write(builder.stream(source), builder.stream(other), check).to(sink) })

const withTable = (what: string, write: (table: Table<string, string, null>, others: Table<string, string, null>, check: Check) => Table<string, string, null>): BadRecordCase =>
  ({ what, policy: 'onProcessingError', write: (builder, check) => write(builder.table(source), builder.table(other), check).toStream().to(sink as never) })

const streams: readonly BadRecordCase[] = [
  onStream('map', (stream, check) => stream.map((value, key) => [key, check(value)])),
  onStream('mapValues', (stream, check) => stream.mapValues(check)),
  onStream('flatMap', (stream, check) => stream.flatMap((value, key) => [[key, check(value)], [key, value]])),
  onStream('flatMapValues', (stream, check) => stream.flatMapValues((value) => [check(value), value])),
  onStream('flatMapValues, by a generator that throws half-way', (stream, check) => stream.flatMapValues(function* halves(value) {
    yield value
    yield check(value)
  })),
  onStream('filter', (stream, check) => stream.filter((value) => check(value) !== '')),
  onStream('filterNot', (stream, check) => stream.filterNot((value) => check(value) === '')),
  onStream('selectKey', (stream, check) => stream.selectKey((value) => check(value))),
  onStream('peek', (stream, check) => stream.peek((value) => void check(value))),
  onStream('split', (stream, check) => {
    const { some, rest } = stream.split().branch('some', (value) => check(value) > 'o').otherwise('rest')
    return some.merge(rest)
  }),
  onStream('print', (stream, check) => {
    stream.print({ format: (_key, value) => check(value), write: () => {} })
    return stream.filter((value) => value !== 'bad')
  }),
  onStream('forEach', (stream, check) => {
    stream.forEach((value) => void check(value))
    return stream.filter((value) => value !== 'bad')
  }),
  onStream('an RxJS operator in pipe', (stream, check) => stream.pipe(rxMap((record) => record.withValue(check(record.value))))),
  onStream('groupBy', (stream, check) => stream.groupBy((value) => check(value)).reduce((value) => value).toStream()),
  onStream('process', (stream, check) => stream.process(() => {
    let forward: (key: string, value: string, timestamp: number) => void
    return {
      init(context) { forward = (key, value, timestamp) => context.forward(context.record(key, value, timestamp)) },
      process({ key, value, timestamp }) { forward(key, check(value), timestamp) },
    }
  })),
  onStream('processValues with a store', (stream, check) => {
    const seen = keyValueStore('seen', text)
    return stream.processValues(() => {
      let put: (key: string, value: string) => void
      let forward: (record: Parameters<Parameters<typeof stream.peek>[0]>[2]) => void
      return {
        init(context) {
          const store = context.store(seen)
          put = (key, value) => store.put(key, value)
          forward = (record) => context.forward(record)
        },
        process(record) {
          put(record.key, check(record.value))
          forward(record)
        },
      }
    }, { stores: [seen] })
  }),
  onStream('mapAsync that rejects', (stream, check) => stream.mapAsync(async (value) => check(value))),
  onStream('mapAsync that throws at once', (stream, check) => stream.mapAsync((value) => Promise.resolve(check(value)))),
  onStream('mapAsync whose promise never settles', (stream, check) => stream.mapAsync((value) => {
    try {
      return Promise.resolve(check(value))
    } catch {
      return new Promise<string>(() => {})
    }
  }, { timeout: 20 })),
]

const aggregates: readonly BadRecordCase[] = [
  onStream('aggregate', (stream, check) => stream.groupByKey().aggregate(() => '', (_key, value, sum) => sum + check(value), { value: stringSerde }).toStream()),
  onStream('cogroup', (stream, check) => stream.groupByKey().cogroup<string>((_key, value, sum) => sum + check(value)).aggregate(() => '', { value: stringSerde }).toStream()),
  onStream('a tumbling window', (stream, check) => stream.groupByKey().windowedBy(tumbling('1s', { grace: '1h' })).aggregate(() => '', (_key, value, sum) => sum + check(value), { value: stringSerde })
    .toStream().selectKey((_value, { key }) => key)),
  onStream('a sliding window', (stream, check) => stream.groupByKey().windowedBy(sliding('1s', { grace: '1h' })).aggregate(() => '', (_key, value, sum) => sum + check(value), { value: stringSerde })
    .toStream().selectKey((_value, { key }) => key)),
  onStream('a session', (stream, check) => stream.groupByKey().windowedBy(session('1s', { grace: '1h' })).aggregate(() => '', (_key, value, sum) => sum + check(value), (_key, a, b) => a + b, { value: stringSerde })
    .toStream().selectKey((_value, { key }) => key)),
]

const tables: readonly BadRecordCase[] = [
  onTable('the filter of a table', (table, check) => table.filter((value) => check(value) !== '')),
  onTable('the mapValues of a table', (table, check) => table.mapValues(check)),
  onTable('the mapValues of a table, kept in a store', (table, check) => table.mapValues(check, { store: 'kept', value: stringSerde })),
  onTable('transformValues', (table, check) => table.transformValues(() => ({ transform: (value) => (value === null ? null : check(value)) }))),
  onTable('the groupBy of a table', (table, check) => table.groupBy((value, key) => [key, check(value)], text).reduce((_sum, value) => value, (sum) => sum)),
  onTable('the adder of an aggregate over a table', (table, check) => table.groupBy((value, key) => [key, value], text).aggregate(() => '', (_key, value) => check(value), (_key, _value, sum) => sum, { value: stringSerde })),
]

const joins: readonly BadRecordCase[] = [
  withOther('a stream–stream join', (stream, others, check) => stream.join(others, (value, otherValue) => `${check(value)}+${otherValue}`, within)),
  withOther('a left join of streams', (stream, others, check) => stream.leftJoin(others, (value, otherValue) => `${check(value)}+${otherValue}`, within)),
  withOther('a stream–table join', (stream, others, check) => stream.join(others.toTable(), (value, row) => `${check(value)}+${row}`)),
  { what: 'a join with a global table', policy: 'onProcessingError', write: (builder, check) => builder.stream(source).join(builder.globalTable(other), (value, row) => `${check(value)}+${row}`, { on: (_value, key) => key }).to(sink) },
  { what: 'the key of a join with a global table', policy: 'onProcessingError', write: (builder, check) => builder.stream(source).join(builder.globalTable(other), (value, row) => `${value}+${row}`, { on: (value, key) => after(check(value), key) }).to(sink) },
  withTable('a table–table join', (table, others, check) => table.join(others, (value, row) => `${check(value)}+${row}`)),
  withTable('the key of a foreign-key join', (table, others, check) => table.joinOn(others, (value, key) => after(check(value), key), (value, row) => `${value}+${row}`)),
  withTable('a foreign-key join', (table, others, check) => table.joinOn(others, (_value, key) => key, (value, row) => `${check(value)}+${row}`)),
]

const reading: readonly BadRecordCase[] = [
  { what: 'bytes that are no value', policy: 'onDeserializationError', write: (builder, check) => builder.stream(topic('in', { key: stringSerde, value: reads(check) })).to(sink) },
  { what: 'bytes that are no key', policy: 'onDeserializationError', write: (builder, check) => builder.stream(topic('in', { key: reads((key) => (key === 'b' ? check('bad') : key)), value: stringSerde })).to(sink) },
  { what: 'bytes that are no row of a table', policy: 'onDeserializationError', write: (builder, check) => builder.table(topic('in', { key: stringSerde, value: reads(check) })).toStream().to(sink as never) },
  { what: 'the timestamp of a source', policy: 'onProcessingError', write: (builder, check) => builder.stream(source, { timestamp: (value, _key, { timestamp }) => after(check(value), timestamp) }).to(sink) },
]

const writing: readonly BadRecordCase[] = [
  { what: 'a serde of a sink', policy: 'onSerializationError', write: (builder, check) => builder.stream(source).mapValues((value) => `${value}!`).to(topic('out', { key: stringSerde, value: writes(check) })) },
  { what: 'a serde of a repartition topic', policy: 'onSerializationError', write: (builder, check) => builder.stream(source).mapValues((value) => `${value}!`).repartition({ key: stringSerde, value: writes(check) }).to(sink) },
  { what: 'a serde of a store', policy: 'onProcessingError', write: (builder, check) => builder.stream(source).groupByKey().aggregate(() => '', (_key, value) => `${value}!`, { value: writes(check) }).toStream().to(sink) },
  { what: 'a serde of a store behind a cache', policy: 'onProcessingError', settings: { cacheMaxBytes: 100_000 }, write: (builder, check) => builder.stream(source).groupByKey().aggregate(() => '', (_key, value) => `${value}!`, { value: writes(check) }).toStream().to(sink) },
  { what: 'the topic of a record', policy: 'onProcessingError', write: (builder, check) => builder.stream(source).to((value) => after(check(value), 'out'), text) },
  { what: 'a topic that does not exist', policy: 'onSerializationError', write: (builder, _check, isMended) => builder.stream(source).to((value) => (value === 'bad' && !isMended ? 'nowhere' : 'out'), text) },
  { what: 'a partitioner', policy: 'onProcessingError', write: (builder, check) => builder.stream(source).to(sink, { partitioner: (_topic, _key, value) => after(check(value), 0) }) },
  { what: 'a partition that does not exist', policy: 'onProcessingError', write: (builder, _check, isMended) => builder.stream(source).to(sink, { partitioner: (_topic, _key, value) => (value === 'bad' && !isMended ? 7 : 0) }) },
  { what: 'a result that is too large for its topic', policy: 'onSerializationError', write: (builder, _check, isMended) => builder.stream(source).mapValues((value) => (value === 'bad' && !isMended ? value.repeat(10_000) : value)).to(sink) },
  { what: 'a result that is too large for its repartition topic', policy: 'onSerializationError', write: (builder, _check, isMended) => builder.stream(source).mapValues((value) => (value === 'bad' && !isMended ? value.repeat(500_000) : value)).repartition(text).to(sink) },
]

export const badRecordCases: readonly BadRecordCase[] = [...reading, ...streams, ...aggregates, ...tables, ...joins, ...writing]

export function programOf({ write }: BadRecordCase, isMended: boolean): Topology {
  const builder = new StreamsBuilder()
  write(builder, (value) => {
    if (!isMended && value.startsWith('bad')) throw new TypeError('not this one')
    return value
  }, isMended)
  return builder.build()
}

/** For functions that give something else than what they looked at. */
function after<T>(_looked: string, result: T): T {
  return result
}

function reads(check: Check): Serde<string> {
  return { serialize: (value) => stringSerde.serialize(value), deserialize: (bytes) => check(stringSerde.deserialize(bytes)) }
}

function writes(check: Check): Serde<string> {
  return { serialize: (value) => stringSerde.serialize(check(value)), deserialize: (bytes) => stringSerde.deserialize(bytes) }
}
