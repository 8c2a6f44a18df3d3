/**
 * What the compiler infers and refuses; `npm run typecheck` is the test run. `expectType<T>().of(x)` compiles only if the
 * type of x is exactly T; a line under `@ts-expect-error` that compiles is an error.
 */
import { filter } from 'rxjs'
import { z } from 'zod'
import { doubleSerde, jsonSerde, longSerde, stringSerde } from 'millrace'
import { StreamsBuilder, hopping, joinWithin, jsonWindowedSerde, session, sessionWindowedSerde, sliding, timeWindowedSerde, topic, tumbling, unlimited } from 'millrace/streams'
import type {
  CogroupedStream, GlobalTable, GroupedStream, GroupedTable, SessionWindowedStream, Stream, StreamRecord, Table, Topic, Topology, TypeOf, Windowed, WindowedStream,
} from 'millrace/streams'

type Equal<A, B> = (<T>() => T extends A ? 1 : 2) extends (<T>() => T extends B ? 1 : 2) ? true : false
declare function expectType<T>(): { of<U>(value: U, ...same: Equal<T, U> extends true ? [] : ['the types differ', U, T]): void }

const Hit = z.object({ path: z.string(), status: z.number(), at: z.number(), user: z.string().nullable() })
type Hit = z.infer<typeof Hit>

// ------------------------------------------------------------------------------------------------ topics

const hits = topic('hits', { key: z.string(), value: Hit })
const keyless = topic('access-log', { value: Hit })
const users = topic('users', { key: stringSerde, value: z.object({ name: z.string() }) })
expectType<Topic<string, Hit>>().of(hits)
expectType<Topic<Uint8Array | null, Hit>>().of(keyless)
expectType<Topic<Uint8Array | null, Uint8Array | null>>().of(topic('raw'))
expectType<Topic<string, { name: string }>>().of(users)
expectType<Topic<string, number>>().of(topic('numbers', { key: stringSerde, value: longSerde }))
expectType<Topic<Windowed<string>, number>>().of(topic('windows', { key: timeWindowedSerde(stringSerde, '1m'), value: doubleSerde }))
expectType<Topic<Windowed<string>, number>>().of(topic('windows', { key: jsonWindowedSerde(), value: z.number() }))
expectType<Topic<Windowed<number>, { a: 1 }>>().of(topic('sessions', { key: sessionWindowedSerde(longSerde), value: jsonSerde<{ a: 1 }>() }))
expectType<Hit>().of({} as TypeOf<typeof Hit>)
expectType<number>().of({} as TypeOf<typeof longSerde>)

// @ts-expect-error: a topic is made of serdes or schemas
topic('hits', { value: 'json' })
// @ts-expect-error: it is `value`, not `values`
topic('hits', { values: Hit })
// @ts-expect-error: the name comes first
topic({ value: Hit })

// ------------------------------------------------------------------------------------------------ streams

type KnownHit = Hit & { user: string }
const isKnown = (hit: Hit): hit is KnownHit => hit.user !== null

const builder = new StreamsBuilder()
const stream = builder.stream(hits, { timestamp: (hit) => hit.at })
expectType<Stream<string, Hit>>().of(stream)
expectType<Stream<string, Hit>>().of(builder.stream([hits, hits]))
expectType<Stream<string, Hit>>().of(stream.filter((hit, key, record) => hit.status < 500 && key !== '' && record.offset > 0))
expectType<Stream<string, string>>().of(stream.filter(isKnown).mapValues((hit) => hit.user))
expectType<Stream<string, Hit>>().of(stream.filterNot((hit) => hit.status >= 500))
expectType<Stream<string, number>>().of(stream.mapValues((hit) => hit.status))
expectType<Stream<number, string>>().of(stream.map((hit, key) => [hit.status, key]))
expectType<Stream<string, string>>().of(stream.flatMapValues((hit) => hit.path.split('/')))
expectType<Stream<string, number>>().of(stream.flatMap((hit) => [[hit.path, hit.status]]))
expectType<Stream<string | null, Hit>>().of(stream.selectKey((hit) => hit.user))
expectType<Stream<string, Hit>>().of(stream.peek((_hit, _key, record) => expectType<StreamRecord<string, Hit>>().of(record)))
expectType<Stream<string, Hit | number>>().of(stream.merge(stream.mapValues((hit) => hit.status)))
expectType<Stream<string, Hit>>().of(stream.repartition({ partitions: 4 }))
expectType<Stream<string, Hit>>().of(stream.pipe(filter((record) => record.value.status < 400)))
expectType<void>().of(stream.forEach((hit) => hit.path))

// @ts-expect-error: no such field
stream.filter((hit) => hit.statuz < 500)
// @ts-expect-error: a predicate gives a boolean
stream.filter((hit) => hit.path)
// @ts-expect-error: the timestamp is a number
builder.stream(hits, { timestamp: (hit) => hit.path })
// @ts-expect-error: no such option
builder.stream(hits, { timestamps: (hit: Hit) => hit.at })
// @ts-expect-error: a mapper gives a pair
stream.map((hit) => hit.path)
// @ts-expect-error: a flat mapper gives something to iterate over
stream.flatMapValues((hit) => hit.status)
// @ts-expect-error: keys of both streams are of one type
stream.merge(stream.selectKey((hit) => hit.status))
// @ts-expect-error: a stream has records, not numbers
stream.pipe(filter((count: number) => count > 1))
// @ts-expect-error: a stream reads a declared topic
builder.stream('hits')
// @ts-expect-error: records are not changed
stream.peek((_hit, _key, record) => { record.timestamp = 0 })

// ------------------------------------------------------------------------------------------------ sinks

expectType<void>().of(stream.to(hits))
expectType<void>().of(stream.to((hit) => `hits-${hit.status}`, { value: Hit }))
expectType<void>().of(stream.mapValues((hit) => hit.user).to(topic('users', { key: z.string(), value: z.string() })))
expectType<void>().of(stream.mapValues(() => 404 as const).to(topic('codes', { key: z.string(), value: z.number() })))
expectType<void>().of(stream.to(hits, { partitioner: (_topic, key, hit, partitions) => (key.length + hit.status) % partitions }))

// @ts-expect-error: values are hits, not numbers
stream.to(topic('numbers', { key: z.string(), value: z.number() }))
// @ts-expect-error: keys are strings, not windows
stream.to(topic('windows', { key: jsonWindowedSerde(), value: Hit }))
// @ts-expect-error: the topic takes fewer values than the stream has
stream.mapValues((hit): string | number => hit.path).to(topic('paths', { key: z.string(), value: z.string() }))
// @ts-expect-error: the topic's name is text
stream.to((hit) => hit.status)
// @ts-expect-error: a sink is a declared topic
stream.to('hits')

// ------------------------------------------------------------------------------------------------ groups and windows

const grouped = stream.groupBy((hit) => hit.path)
expectType<GroupedStream<string, Hit>>().of(grouped)
expectType<GroupedStream<string, Hit>>().of(stream.groupByKey())
expectType<GroupedStream<string, Hit>>().of(stream.groupBy((hit) => hit.user))
expectType<WindowedStream<string, Hit>>().of(grouped.windowedBy(tumbling('1m', { grace: '10s' })))
expectType<WindowedStream<string, Hit>>().of(grouped.windowedBy(hopping('1m', { advance: '10s' })))
expectType<WindowedStream<string, Hit>>().of(grouped.windowedBy(sliding('30s')))
expectType<WindowedStream<string, Hit>>().of(grouped.windowedBy(unlimited()))
expectType<SessionWindowedStream<string, Hit>>().of(grouped.windowedBy(session('5m')))
expectType<Table<string, number, never>>().of(grouped.count({ store: 'hits-per-path' }))
expectType<Table<Windowed<string>, number, never>>().of(grouped.windowedBy(tumbling('1m')).count())
expectType<Table<Windowed<string>, number>>().of(grouped.windowedBy(session('1m')).count())
expectType<Table<string, { total: number }, never>>().of(grouped.aggregate(() => ({ total: 0 }), (sum, hit) => ({ total: sum.total + hit.status })))
expectType<Table<string, number, null>>().of(grouped.aggregate(() => 0, (sum, hit) => (hit.status === 404 ? null : sum + 1)))
expectType<Table<string, Hit, never>>().of(grouped.reduce((first, next) => (next.at > first.at ? next : first)))
expectType<Table<Windowed<string>, Hit, null>>().of(grouped.windowedBy(tumbling('1m')).reduce((_first, next) => (next.status === 200 ? next : null)))
expectType<Stream<Windowed<string>, number>>().of(grouped.windowedBy(tumbling('1m')).count().toStream())
expectType<Stream<Windowed<string>, number | null>>().of(grouped.windowedBy(session('1m')).count().toStream())
expectType<void>().of(grouped.windowedBy(tumbling('1m')).count().toStream().to(topic('per-minute', { key: jsonWindowedSerde(), value: z.number() })))

// @ts-expect-error: no such field
stream.groupBy((hit) => hit.pfad)
// @ts-expect-error: no such duration
tumbling('1 minute')
// @ts-expect-error: hopping windows need an advance
hopping('1m')
// @ts-expect-error: the aggregate is a number
grouped.aggregate(() => 0, (sum, hit) => sum + hit.path)
// @ts-expect-error: what is reduced keeps its type
grouped.reduce((first, next) => first.status + next.status)
// @ts-expect-error: keys of a windowed table are windows, not strings
grouped.windowedBy(tumbling('1m')).count().toStream().filter((_count, key) => key.startsWith('/'))
// @ts-expect-error: a count is a number
grouped.count({ value: stringSerde })
// @ts-expect-error: retention is for windows
grouped.count({ retention: '1h' })
// @ts-expect-error: sessions need a merger
grouped.windowedBy(session('1m')).aggregate(() => 0, (sum) => sum + 1)

// ------------------------------------------------------------------------------------------------ tables

const names = builder.table(users)
expectType<Table<string, { name: string }, null>>().of(names)
expectType<Table<string, { name: string }, null>>().of(names.filter((user) => user.name !== ''))
expectType<Table<string, number, null>>().of(names.mapValues((user) => user.name.length))
expectType<Table<string, number, null>>().of(grouped.count().mapValues((count) => (count > 1 ? count : null)))
expectType<Table<string, string, never>>().of(grouped.count().mapValues((count) => `${count}`))
expectType<Stream<string, { name: string } | null>>().of(names.toStream())
expectType<Stream<string, number>>().of(grouped.count().toStream())
expectType<Table<string, Hit>>().of(stream.toTable())
expectType<GroupedTable<string, number>>().of(names.groupBy((user, id) => [user.name, id.length]))
expectType<Table<string, number, never>>().of(names.groupBy((user) => [user.name, user]).count())
expectType<Table<string, string, null>>().of(names.join(stream.toTable(), (user, hit) => user.name + hit.path))
expectType<Table<string, string, null>>().of(names.leftJoin(stream.toTable(), (user, hit) => user.name + (hit?.path ?? '')))
expectType<Stream<string, string>>().of(stream.join(names, (hit, user, key) => hit.path + user.name + key))
expectType<Stream<string, string | null>>().of(stream.leftJoin(names, (_hit, user) => user?.name ?? null))

// Records without a key meet no row.
const mayLackKeys = stream.selectKey((hit) => (hit.path === '' ? null : hit.path))
expectType<Stream<string | null, string>>().of(mayLackKeys.join(names, (hit, user) => hit.path + user.name))
expectType<Stream<string | null, string | null>>().of(mayLackKeys.leftJoin(names, (_hit, user, key) => user?.name ?? key))

// Tables whose rows never go, such as counts, join like any other.
const visits = grouped.count()
expectType<Stream<string, number>>().of(stream.join(visits, (hit, count) => hit.status + count))
expectType<Stream<string, number | null>>().of(stream.leftJoin(visits, (_hit, count) => count))
expectType<Table<string, string, null>>().of(names.join(visits, (user, count) => `${user.name} ${count.toFixed()}`))
expectType<Table<string, number, null>>().of(names.leftJoin(visits, (_user, count) => count ?? 0))
expectType<Table<string, number, null>>().of(visits.outerJoin(visits, (left, right) => (left ?? 0) + (right ?? 0)))
expectType<Table<string, number, null>>().of(names.joinOn(visits, (user) => user.name, (_user, count) => count))
expectType<Table<string, number, null>>().of(names.leftJoinOn(visits, (user) => user.name, (_user, count) => count ?? 0))

// @ts-expect-error: the row may be missing
stream.leftJoin(names, (_hit, user) => user.name)
// @ts-expect-error: either row may be missing
names.outerJoin(names, (left, right) => left.name + right?.name)
// @ts-expect-error: a deleted row is null
names.toStream().mapValues((user) => user.name)
// @ts-expect-error: keys of both sides are of one type
stream.selectKey((hit) => hit.status).join(names, (hit) => hit)
// @ts-expect-error: grouping a table takes a key and a value
names.groupBy((user) => user.name)
// @ts-expect-error: a grouped table needs a subtractor too
names.groupBy((user) => [user.name, 1]).aggregate(() => 0, (sum, one) => sum + one)

// ------------------------------------------------------------------------------------------------ splits and cogroups

const branches = stream.split()
  .branch('failed', (hit) => hit.status >= 500)
  .branch('known', (hit): hit is KnownHit => hit.user !== null)
  .branch('paths', (hit) => hit.status < 400, (branch) => branch.mapValues((hit) => hit.path))
  .otherwise('rest')
expectType<Stream<string, Hit>>().of(branches.failed)
expectType<Stream<string, string>>().of(branches.known.mapValues((hit) => hit.user))
expectType<Stream<string, string>>().of(branches.paths)
expectType<Stream<string, Hit>>().of(branches.rest)
expectType<Stream<string, Hit>>().of(stream.split().branch('only', (hit) => hit.at > 0).done().only)

// @ts-expect-error: there is no such branch
expectType<never>().of(branches.fine)
// @ts-expect-error: a branch has a name
stream.split().branch((hit: Hit) => hit.at > 0)
// @ts-expect-error: a predicate gives a boolean
stream.split().branch('one', (hit) => hit.path)

const numbers = stream.mapValues((hit) => hit.status)
const cogrouped = grouped.cogroup((sum: number, hit) => sum + hit.status).cogroup(numbers.groupByKey(), (sum, status) => sum + status)
expectType<CogroupedStream<string, number, Hit | number>>().of(cogrouped)
expectType<Table<string, number>>().of(cogrouped.aggregate(() => 0))
cogrouped.windowedBy(tumbling('1m'), { late: (late) => expectType<Stream<string, Hit | number>>().of(late) })
expectType<Table<Windowed<string>, number>>().of(cogrouped.windowedBy(tumbling('1m')).aggregate(() => 0))
expectType<Table<Windowed<string>, number>>().of(cogrouped.windowedBy(session('1m')).aggregate(() => 0, (_key, left, right) => left + right))

// @ts-expect-error: the aggregate is a number
cogrouped.aggregate(() => '')
// @ts-expect-error: the added stream has numbers
grouped.cogroup((sum: number) => sum).cogroup(numbers.groupByKey(), (sum, hit) => sum + hit.status)
// @ts-expect-error: sessions need a merger
cogrouped.windowedBy(session('1m')).aggregate(() => 0)

// ------------------------------------------------------------------------------------------------ joins of streams, global tables, time

const within = joinWithin('5m', { grace: '10s' })
expectType<Stream<string, string>>().of(stream.join(numbers, (hit, status, key) => `${hit.path} ${status} ${key}`, { within }))
expectType<Stream<string, number | null>>().of(stream.leftJoin(numbers, (_hit, status) => status, { within }))
expectType<Stream<string, boolean>>().of(stream.outerJoin(numbers, (hit, status) => hit === null && status === null, { within }))
expectType<Stream<string, number>>().of(stream.join(stream, (hit, other) => hit.at - other.at, { within: joinWithin({ before: 0, after: '1m' }) }))

const people = builder.globalTable(topic('people', { key: z.number(), value: z.object({ name: z.string() }) }))
expectType<GlobalTable<number, { name: string }>>().of(people)
expectType<Stream<string, string>>().of(stream.join(people, (hit, person) => hit.path + person.name, { on: (hit) => hit.status }))
expectType<Stream<string, string | undefined>>().of(stream.leftJoin(people, (_hit, person) => person?.name, { on: () => null }))
expectType<Table<string, { name: string }, null>>().of(builder.table(topic('past', { key: z.string(), value: z.object({ name: z.string() }) }), { store: 'past', history: '1h' }))
expectType<Stream<string, string>>().of(stream.join(names, (hit, user) => hit.path + user.name, { grace: '5s' }))
expectType<Table<Windowed<string>, number, never>>().of(grouped.windowedBy(tumbling('1m')).count().suppress({ until: 'window-closes' }))
expectType<Table<string, { name: string }, null>>().of(names.suppress({ until: '10s', maxRecords: 1_000, whenFull: 'emit-early' }))
expectType<WindowedStream<string, Hit>>().of(grouped.windowedBy(tumbling('1m')).emit('on-window-close'))

// @ts-expect-error: streams are joined within windows
stream.join(numbers, (hit, status) => hit.status + status)
// @ts-expect-error: the other record may be missing
stream.leftJoin(numbers, (_hit, status) => status + 1, { within })
// @ts-expect-error: either record may be missing
stream.outerJoin(numbers, (hit) => hit.path, { within })
// @ts-expect-error: windows are for streams
names.join(names, (left, right) => left.name + right.name, { within })
// @ts-expect-error: keys of both streams are of one type
stream.join(numbers.selectKey((status) => status), (hit) => hit.path, { within })
// @ts-expect-error: a global table is asked by a key of its own type
stream.join(people, (hit) => hit.path, { on: (hit) => hit.path })
// @ts-expect-error: a global table is asked by a key
stream.join(people, (hit) => hit.path)
// @ts-expect-error: a global row may be missing
stream.leftJoin(people, (_hit, person) => person.name, { on: (hit) => hit.status })
// @ts-expect-error: a table is held back until something
names.suppress({ maxRecords: 10 })
// @ts-expect-error: no such strategy
grouped.windowedBy(tumbling('1m')).emit('final')

expectType<Topology>().of(builder.build())
expectType<Topology>().of(builder.build({ optimization: ['single.store.self.join'] }))
// @ts-expect-error: no such optimisation
builder.build({ optimization: ['everything'] })
