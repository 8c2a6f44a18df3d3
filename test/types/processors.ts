/** As streams.ts: what the compiler infers and refuses of processors, stores, foreign keys and the test driver. */
import { z } from 'zod'
import { longSerde, stringSerde } from 'millrace'
import {
  StreamsApp, StreamsBuilder, TopologyBuilder, customStore, headersKeyValueStore, headersSessionStore, headersWindowStore, keyValueStore, lruStore, sessionStore, timestampedKeyValueStore, timestampedWindowStore, topic, tumbling, versionedStore, windowStore,
} from 'millrace/streams'
import type {
  CustomStore, GroupedTable, KeyValueStore, ProcessorContext, ReadOnlyKeyValueStore, SessionStore, StoreDefinition, Stream, StreamRecord, Table, ValueAndHeaders, ValueAndTimestamp,
  ValueTimestampAndHeaders, VersionedStore, Windowed, WindowStore,
} from 'millrace/streams'
import { TopologyTestDriver } from 'millrace/testing'
import type { TestOutput } from 'millrace/testing'

type Equal<A, B> = (<T>() => T extends A ? 1 : 2) extends (<T>() => T extends B ? 1 : 2) ? true : false
declare function expectType<T>(): { of<U>(value: U, ...same: Equal<T, U> extends true ? [] : ['the types differ', U, T]): void }

const orders = topic('orders', { key: z.string(), value: z.object({ customer: z.number(), total: z.number() }) })
const customers = topic('customers', { key: z.number(), value: z.object({ name: z.string() }) })
const builder = new StreamsBuilder()
const stream = builder.stream(orders)
type Order = { customer: number; total: number }

// ------------------------------------------------------------------------------------------------ stores

const formats = { key: z.string(), value: z.number() }
const counts = keyValueStore('counts', formats)
const windows = windowStore('windows', { ...formats, retention: '1h', windowSize: '1m' })

interface Scores extends CustomStore {
  best(): string
}
const scores = customStore('scores', (context): Scores => ({ best: () => context.name, restore: (key, value) => context.log(key, value), commit() {}, rollback() {} }))
expectType<StoreDefinition<Scores>>().of(scores)
// @ts-expect-error: a store of one's own can be rolled back
customStore('scores', () => ({ restore() {}, commit() {} }))
// @ts-expect-error: rows are kept in an object with the calls of a RowStore
keyValueStore('counts', { ...formats, rows: () => new Map<string, string>() })
// @ts-expect-error: a store says how values are written
keyValueStore('counts', { key: z.string() })
// @ts-expect-error: windows are kept for a time
windowStore('windows', { ...formats, windowSize: '1m' })
// @ts-expect-error: no such place
keyValueStore('counts', { ...formats, type: 'onDisk' })
// @ts-expect-error: only so many rows are kept
lruStore('recent', formats)

// ------------------------------------------------------------------------------------------------ processors

const processed = stream.process<string, boolean>(() => ({
  init(context) {
    expectType<ProcessorContext<string, boolean>>().of(context)
    expectType<KeyValueStore<string, number>>().of(context.store(counts))
    expectType<KeyValueStore<string, ValueAndTimestamp<number>>>().of(context.store(timestampedKeyValueStore('stamped', formats)))
    expectType<WindowStore<string, ValueAndTimestamp<number>>>().of(context.store(timestampedWindowStore('stamped-windows', { ...formats, retention: '1h', windowSize: '1m' })))
    expectType<KeyValueStore<string, ValueTimestampAndHeaders<number>>>().of(context.store(headersKeyValueStore('headers', formats)))
    expectType<WindowStore<string, ValueTimestampAndHeaders<number>>>().of(context.store(headersWindowStore('headers-windows', { ...formats, retention: '1h', windowSize: '1m' })))
    expectType<SessionStore<string, ValueAndHeaders<number>>>().of(context.store(headersSessionStore('headers-sessions', { ...formats, retention: '1h' })))
    expectType<WindowStore<string, number>>().of(context.store(windows))
    expectType<SessionStore<string, number>>().of(context.store(sessionStore('sessions', { ...formats, retention: '1h' })))
    expectType<VersionedStore<string, number>>().of(context.store(versionedStore('versions', { ...formats, history: '1h' })))
    expectType<Scores>().of(context.store(scores))
    expectType<unknown>().of(context.store('by name'))
    expectType<StreamRecord<string, boolean>>().of(context.record('key', true, 0))
    expectType<{ cancel(): void }>().of(context.schedule('10s', 'wall-clock', (now) => expectType<number>().of(now)))
    // @ts-expect-error: no such clock
    context.schedule('10s', 'event-time', () => {})
    // @ts-expect-error: this processor gives booleans
    context.forward(context.record('key', 'text', 0))
    // @ts-expect-error: counts are numbers
    context.store(counts).put('key', 'many')
    // @ts-expect-error: keys are text
    context.store(counts).get(1)
  },
  process(record) {
    expectType<StreamRecord<string, Order>>().of(record)
    expectType<StreamRecord<string, boolean>>().of(record.withValue(record.value.total > 1))
    expectType<StreamRecord<number, Order>>().of(record.withKey(record.value.customer))
    // @ts-expect-error: a record is never changed
    record.value = { customer: 1, total: 1 }
  },
}), { stores: [counts, windows] })
expectType<Stream<string, boolean>>().of(processed)
expectType<Stream<string, number>>().of(stream.processValues<number>(() => ({ process: (record) => expectType<Order>().of(record.value) })))

// @ts-expect-error: what a processor gets is what the stream has
stream.process<string, string>(() => ({ process: (record: StreamRecord<string, number>) => record.value }))
// @ts-expect-error: a factory makes processors
stream.process<string, string>({ process() {} })

// ------------------------------------------------------------------------------------------------ foreign keys, transformers, groups of tables

const orderTable = builder.table(orders)
const customerTable = builder.table(customers)
expectType<Table<string, string, null>>().of(orderTable.joinOn(customerTable, (order) => order.customer, (order, { name }, key) => `${key} ${name} ${order.total}`))
expectType<Table<string, string, null>>().of(orderTable.leftJoinOn(customerTable, () => null, (_order, customer) => customer?.name ?? ''))
expectType<Table<string, boolean, null>>().of(orderTable.transformValues<boolean>(() => ({ transform: (order) => (expectType<Order | null>().of(order), order === null) })))
expectType<GroupedTable<number, number>>().of(orderTable.groupBy((order) => [order.customer, order.total]))
expectType<Table<number, number, null>>().of(orderTable.groupBy((order) => [order.customer, order.total]).reduce((sum, total) => sum + total, (sum, total) => sum - total))
expectType<Table<string, Order, null>>().of(builder.table(orders, { store: 'latest', history: '1h' }))
expectType<Stream<string, string>>().of(builder.streamMatching(/lines-.*/, { key: stringSerde, value: z.string() }))

// @ts-expect-error: the other table's keys are numbers
orderTable.joinOn(customerTable, (order) => `${order.customer}`, (order) => order)
// @ts-expect-error: there may be no such customer
orderTable.leftJoinOn(customerTable, (order) => order.customer, (_order, customer) => customer.name)
// @ts-expect-error: a transformer gives what it says
orderTable.transformValues<boolean>(() => ({ transform: () => 1 }))
// @ts-expect-error: tables of different keys have no equal keys to join
orderTable.join(customerTable, (order) => order)
// @ts-expect-error: a pattern says how its topics are written
builder.streamMatching(/lines-.*/)
// @ts-expect-error: a topology is not a stream
builder.build().filter(() => true)

// ------------------------------------------------------------------------------------------------ node by node, running, testing

expectType<TopologyBuilder>().of(new TopologyBuilder().addSource('in', orders).addStateStore(counts, 'p').connect('p', 'counts'))

// @ts-expect-error: a processor has parents
new TopologyBuilder().addProcessor('p', () => ({ process() {} }))
// @ts-expect-error: an application has an id and a broker
new StreamsApp(builder.build(), { applicationId: 'app' })

const driver = new TopologyTestDriver(builder.build(), { partitions: 4 })
expectType<void>().of(driver.inputTopic(orders).pipe({ key: 'a', value: { customer: 1, total: 2 }, timestamp: 5 }))
expectType<TestOutput<string, Order> | null>().of(driver.outputTopic(orders).read())
expectType<readonly (Order | null)[]>().of(driver.outputTopic(orders).readValues())
expectType<ReadOnlyKeyValueStore<string, number>>().of(driver.keyValueStore<string, number>('counts'))
expectType<Table<Windowed<number>, number, never>>().of(stream.groupBy((order) => order.customer).windowedBy(tumbling('1m')).count({ value: longSerde }))

// @ts-expect-error: the topic has orders
driver.inputTopic(orders).pipe({ key: 'a', value: { customer: 1 } })
// @ts-expect-error: the driver has its own clock
driver.advanceWallClock('a while')
// @ts-expect-error: stores are only read from outside
driver.keyValueStore<string, number>('counts').put('a', 1)
