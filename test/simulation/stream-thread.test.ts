/**
 * Applications on a broker that fails: instances come, go, stand still and are killed while their commits are on their way; commits fail
 * before they took effect or after, are answered late, are fenced; appends and look-ups fail; functions throw; punctuators of the wall
 * clock write between records; stores are asked. In random order, on a clock that the test moves. Whatever happens: each record is
 * counted, joined and told of once, in order, stores are what a plain count says, and nothing hangs.
 */
import { beforeAll, describe, expect, it } from 'vitest'
import { StreamError, isStreamError, longSerde, openEmbeddedBroker, randomInteger, seededRandom, stringSerde } from '../../src/core/index.ts'
import type { Broker, GroupMember, Producer, Random, Reader } from '../../src/core/index.ts'
import { StreamsApp, StreamsBuilder, joinWithin, keyValueStore, topic, tumbling } from '../../src/streams/index.ts'
import type { ProcessorContext, Topology } from '../../src/streams/index.ts'
import { ManualClock } from '../kit/manual-clock.ts'
import { MemoryFileSystem } from '../kit/memory-file-system.ts'
import { createTopics, openMemoryBroker, readAll, write } from '../kit/streams-harness.ts'
import type { TextRecord } from '../kit/streams-harness.ts'
import { withMethods } from '../kit/with-methods.ts'

const seeds = Number(process.env['MILLRACE_THREAD_SEEDS'] ?? 6)
const firstSeed = Number(process.env['MILLRACE_THREAD_SEED'] ?? 1)
const partitions = 2
const topics = ['left', 'right', 'counts', 'windows', 'pairs', 'ticks']
const keys = ['a', 'b', 'c', 'd', 'e']
const text = { key: stringSerde, value: stringSerde }
const joinMs = 20
/** What may end an instance, or keep it from beginning: the test starts another one. */
const expected = new Set(['CLOSED', 'ABORTED', 'BACKEND_UNAVAILABLE', 'PRODUCER_FENCED', 'STORE_NOT_AVAILABLE', 'UNKNOWN_MEMBER_ID'])

function ignoreExpected(error: unknown): void {
  if (!isStreamError(error) || !expected.has(error.code)) throw error
}

interface Written {
  readonly topic: 'left' | 'right'
  readonly key: string
  readonly value: string
  readonly timestamp: number
}

class World {
  readonly random: Random
  readonly clock = new ManualClock()
  readonly seals: boolean
  readonly written: Written[] = []
  disk: MemoryFileSystem
  broker!: Broker
  /** Of one in how many calls something goes wrong; 0: of none. */
  faults = 1
  readonly #held: (() => void)[] = []

  constructor(seed: number) {
    this.random = seededRandom(seed)
    this.disk = new MemoryFileSystem({ random: this.random })
    this.seals = this.roll(4) > 0
  }

  async open(): Promise<void> {
    this.broker = await openEmbeddedBroker({ directory: '/data', fileSystem: this.disk, clock: this.clock, random: seededRandom(this.roll(1_000)) })
  }

  roll(sides: number): number {
    return randomInteger(this.random, sides)
  }

  /** Which fault, of those below `kinds`, hits a call of which one in `sides` fails; -1: none. */
  fault(sides: number, kinds = 1): number {
    return this.faults === 0 || this.roll(sides) > 0 ? -1 : this.roll(kinds)
  }

  /** Resolves when the test lets go of what it holds. */
  held(): Promise<void> {
    return this.faults === 0 ? Promise.resolve() : new Promise((resolve) => this.#held.push(resolve))
  }

  letGo(): void {
    for (const resolve of this.#held.splice(0)) resolve()
  }
}

const away = (what: string) => new StreamError('BACKEND_UNAVAILABLE', `${what} does not answer`, { retriable: true })

// ---------------------------------------------------------------------------------------------------- an instance

/** An application, and what stands between it and the broker. */
class Instance {
  readonly #world: World
  readonly app: StreamsApp
  isOver = false
  readonly #starting: Promise<void>
  #thawed: Promise<void> | null = null
  thaw: () => void = () => undefined

  constructor(world: World) {
    this.#world = world
    this.app = new StreamsApp(topology(world), {
      applicationId: 'app', broker: this.#faultyBroker(world.broker), clock: world.clock, random: seededRandom(world.roll(1_000_000)), tracing: false,
      commitInterval: 1 + world.roll(20), cacheMaxBytes: [0, 0, 600][world.roll(3)]!, standbyReplicas: world.roll(2), maxBufferedRecords: 1 + world.roll(30),
      sessionTimeout: '6s', transactionTimeout: '10s', onFailure: () => 'replace',
    })
    this.#starting = this.app.start().catch((error: unknown) => {
      this.isOver = true
      ignoreExpected(error)
    })
  }

  get isRunning(): boolean {
    return !this.isOver && this.app.state === 'RUNNING'
  }

  /** Stands still at its next call, as a process that is stopped. */
  freeze(): void {
    this.#thawed ??= new Promise((resolve) => {
      this.thaw = () => {
        this.#thawed = null
        resolve()
      }
    })
  }

  async close(): Promise<void> {
    this.isOver = true
    this.thaw()
    await this.#starting
    await this.app.close()
  }

  #faultyBroker(broker: Broker): Broker {
    return withMethods(broker, {
      openProducer: async (options) => {
        await this.#thawed
        if (this.#world.fault(10) >= 0) throw away('the coordinator of transactions')
        return this.#faultyProducer(await broker.openProducer(options))
      },
      joinGroup: async (options) => this.#faultyMember(await broker.joinGroup(options)),
      openReader: async (options) => this.#faultyReader(await broker.openReader(options)),
      topics: withMethods(broker.topics, {
        listOffsets: async (...asked) => {
          await this.#thawed
          if (this.#world.fault(12) >= 0) throw away('the log')
          return broker.topics.listOffsets(...asked)
        },
      }),
    })
  }

  #faultyProducer(producer: Producer): Producer {
    /** The transaction is over, and its owner does not know. */
    let isOver = false
    return withMethods(producer, {
      appendBatch: async (target, batch) => {
        await this.#thawed
        if (this.#world.fault(150) >= 0) throw away('the log')
        return producer.appendBatch(target, batch)
      },
      commit: async (offsets) => {
        await this.#thawed
        const fault = this.#world.fault(4, 3)
        if (this.#world.fault(2) >= 0) await this.#world.held()
        if (fault === 0) throw away('the coordinator of transactions')
        if (fault === 1) throw new StreamError('PRODUCER_FENCED', 'the transaction ran into its time-out')
        await producer.commit(offsets)
        if (this.#world.fault(4) >= 0) await this.#world.held()
        if (fault !== 2) return
        isOver = true
        throw away('the coordinator of transactions')
      },
      abort: async () => {
        await this.#thawed
        if (this.#world.fault(4) >= 0) throw away('the coordinator of transactions')
        if (!isOver) await producer.abort()
        isOver = false
      },
    })
  }

  #faultyReader(reader: Reader): Reader {
    return withMethods(reader, {
      read: async (options) => {
        await this.#thawed
        if (this.#world.fault(40) >= 0) throw away('the log')
        return reader.read(options)
      },
    })
  }

  #faultyMember(member: GroupMember): GroupMember {
    return withMethods(member, {
      read: async (options) => {
        await this.#thawed
        if (this.#world.fault(60) >= 0) throw away('the log')
        return member.read(options)
      },
      committed: async (asked) => {
        await this.#thawed
        if (this.#world.fault(10) >= 0) throw away('the coordinator of the group')
        return member.committed(asked)
      },
    })
  }
}

// ---------------------------------------------------------------------------------------------------- the program

const pending = keyValueStore('pending', { key: stringSerde, value: longSerde })

/** Counts by key, counts by windows behind a repartition topic, joins, and tells by the wall clock how much has come. */
function topology(world: World): Topology {
  const builder = new StreamsBuilder()
  const left = builder.stream(topic('left', text))
  const right = builder.stream(topic('right', text))
  const counted = left.mapValues((value) => {
    if (world.fault(400) >= 0) throw new Error('the program does not like this record today')
    return value
  })
  counted.groupByKey().count({ store: 'counts' }).toStream().mapValues(String).to(topic('counts', text))
  left.selectKey((value) => value.slice(-1)).groupByKey().windowedBy(tumbling('50ms', { grace: '10m' })).count({ store: 'windows' })
    .toStream().selectKey((_count, { key, start }) => `${key}@${start}`).mapValues(String).to(topic('windows', text))
  const within = joinWithin(joinMs, { grace: '10m' })
  // A store of the outer join cannot seal: then commits are waited for.
  const pairs = world.seals ? left.join(right, (a, b) => `${a}+${b}`, { within }) : left.leftJoin(right, (a, b) => `${a}+${b}`, { within }).filter((pair) => !pair.endsWith('+null'))
  pairs.to(topic('pairs', text))
  right.process<string, string>(() => {
    let context!: ProcessorContext<string, string>
    return {
      init(given) {
        context = given
        context.schedule(7, 'wall-clock', (now) => {
          const store = context.store(pending)
          const seen = store.get('seen') ?? 0
          if (seen === 0) return
          const ticks = (store.get('ticks') ?? 0) + 1
          store.put('ticks', ticks)
          store.put('seen', 0)
          context.forward(context.record(`of ${context.taskId}`, `${ticks}:${seen}`, now))
        })
      },
      process: () => context.store(pending).put('seen', (context.store(pending).get('seen') ?? 0) + 1),
    }
  }, { stores: [pending] }).to(topic('ticks', text))
  return builder.build()
}

// ---------------------------------------------------------------------------------------------------- what must come of it

const lastOf = (rows: readonly TextRecord[]) => Object.fromEntries(new Map(rows.map(({ key, value }) => [key, Number(value)])))

function countsOf(names: readonly string[]): Record<string, number> {
  const counts: Record<string, number> = {}
  for (const name of names) counts[name] = (counts[name] ?? 0) + 1
  return counts
}

function windowOf({ value, timestamp }: Written): string {
  return `${value.slice(-1)}@${timestamp - (timestamp % 50)}`
}

function pairsOf(written: readonly Written[]): readonly string[] {
  const right = written.filter((record) => record.topic === 'right')
  return written.filter((record) => record.topic === 'left')
    .flatMap(({ key, value, timestamp }) => right.filter((other) => other.key === key && Math.abs(other.timestamp - timestamp) <= joinMs).map((other) => `${value}+${other.value}`)).sort()
}

/** Every update of a key is larger than the one before; with a cache some are left out. */
function expectGrowing(rows: readonly TextRecord[]): void {
  const last = new Map<string | null, number>()
  for (const { key, value } of rows) {
    expect(Number(value), `the count of ${key} after ${last.get(key)}`).toBeGreaterThan(last.get(key) ?? 0)
    last.set(key, Number(value))
  }
}

/** The ticks of each task are numbered without a gap, and tell of so many records altogether. */
function seenBy(rows: readonly TextRecord[]): number {
  const ticks = new Map<string | null, number>()
  let seen = 0
  for (const { key, value } of rows) {
    const [tick, count] = value!.split(':').map(Number)
    expect(tick, `a tick ${key}`).toBe((ticks.get(key) ?? 0) + 1)
    ticks.set(key, tick!)
    seen += count!
  }
  return seen
}

/** True when everything that was written has come out. @throws what came out that is wrong */
async function isDone({ broker, written }: World): Promise<boolean> {
  const left = written.filter((record) => record.topic === 'left')
  const [counts, windows, pairs, ticks] = await Promise.all(['counts', 'windows', 'pairs', 'ticks'].map((name) => readAll(broker, name)))
  expectGrowing(counts!)
  expectGrowing(windows!)
  const wantedPairs = pairsOf(written)
  const foundPairs = pairs!.map(({ value }) => value!).sort()
  expect(new Set(foundPairs).size, 'pairs that came twice').toBe(foundPairs.length)
  const wanted = { counts: countsOf(left.map(({ key }) => key)), windows: countsOf(left.map(windowOf)), pairs: wantedPairs, seen: written.length - left.length }
  const found = { counts: lastOf(counts!), windows: lastOf(windows!), pairs: foundPairs, seen: seenBy(ticks!) }
  if (wantedPairs.length > foundPairs.length || found.seen < wanted.seen || sum(found.counts) < sum(wanted.counts) || sum(found.windows) < sum(wanted.windows)) return false
  expect(found).toEqual(wanted)
  return true
}

const sum = (counts: Readonly<Record<string, number>>) => Object.values(counts).reduce((all, count) => all + count, 0)

/** What all instances together say, once all of them can be asked. */
async function expectStores(world: World, running: readonly Instance[]): Promise<void> {
  const left = world.written.filter((record) => record.topic === 'left')
  for (let step = 0; ; step++) {
    expect(step, 'stores can be asked').toBeLessThan(3_000)
    const rows = running.map(rowsOf)
    await turns(10)
    await world.clock.advance(100)
    if (rows.includes(null) || !running.every(({ isRunning }) => isRunning)) continue
    expect(Object.assign({}, ...rows)).toEqual({ ...countsOf(left.map(({ key }) => key)), ...countsOf(left.map(windowOf)) })
    return
  }
}

/** null: its stores move, or are restored. Who has no partition of one cannot be asked. */
function rowsOf({ app }: Instance): Readonly<Record<string, number>> | null {
  const rows: Record<string, number> = {}
  const has = (store: string) => app.storeMetadata().some(({ name, partitions }) => name === store && partitions.length > 0)
  try {
    if (has('counts')) for (const { key, value } of app.store<string, number>('counts').all()) rows[key] = value
    if (has('windows')) for (const { key, value } of app.store<string, number>('windows', 'window').all()) rows[`${key.key}@${key.start}`] = value
    return rows
  } catch (error) {
    ignoreExpected(error)
    return null
  }
}

// ---------------------------------------------------------------------------------------------------- the run

async function writeSome(world: World): Promise<void> {
  for (const name of ['left', 'right'] as const) {
    const records = Array.from({ length: world.roll(6) }, (): Written => {
      const value = `${name[0]}${world.written.length}`
      const record = { topic: name, key: keys[world.roll(keys.length)]!, value, timestamp: world.clock.now() - world.roll(30) }
      world.written.push(record)
      return record
    })
    await write(world.broker, name, records)
  }
}

/** Lets everything go on, for longer than any chain of promises and turns that does not wait for time. */
async function turns(count: number): Promise<void> {
  for (let turn = 0; turn < count; turn++) await new Promise(setImmediate)
}

async function restart(world: World, instances: readonly Instance[]): Promise<void> {
  const left = world.disk.kill()
  world.letGo()
  const faults = world.faults
  world.faults = 0
  await world.broker.close().catch(ignoreExpected)
  for (const instance of instances) await endOf(world, instance.close().catch(ignoreExpected))
  world.faults = faults
  world.disk = left
  await world.open()
}

/** Of what waits for time to pass. */
async function endOf(world: World, work: Promise<void>): Promise<void> {
  let isOver = false
  const done = work.finally(() => (isOver = true))
  done.catch(() => undefined)
  for (let step = 0; !isOver; step++) {
    expect(step, 'an instance ends').toBeLessThan(2_000)
    world.letGo()
    await turns(5)
    await world.clock.advance(100)
  }
  await done
}

function ask(instance: Instance | undefined): void {
  if (instance?.isRunning !== true) return
  try {
    for (const { value } of instance.app.store<string, number>('counts').all()) expect(value).toBeGreaterThan(0)
  } catch (error) {
    ignoreExpected(error)
  }
}

function anyOf<T>(world: World, all: readonly T[]): T | undefined {
  return all[world.roll(Math.max(1, all.length))]
}

async function simulate(seed: number): Promise<void> {
  const world = new World(seed)
  await world.open()
  // Small batches leave before the commit that they belong to has begun.
  const configs = { 'max.message.bytes': String(150 + world.roll(500)) }
  await world.broker.topics.create(topics.map((name) => ({ topic: name, partitions, ...(name !== 'left' && name !== 'right' && { configs }) })))
  // Where instances come and go, the group is at rest only now and then.
  const moves = world.roll(2) === 0
  let instances: Instance[] = [new Instance(world)]
  for (let step = 0; step < 200; step++) {
    const dice = world.roll(40)
    instances = instances.filter(({ isOver }) => !isOver)
    if (instances.length === 0 || (dice === 0 && moves && instances.length < 3)) instances.push(new Instance(world))
    else if (dice === 1 && moves) await endOf(world, anyOf(world, instances)!.close().catch(ignoreExpected))
    else if (dice === 2 && moves && world.roll(3) === 0) anyOf(world, instances)?.freeze()
    else if (dice === 3) for (const instance of instances) instance.thaw()
    else if (dice === 4 && world.roll(8) === 0) await restart(world, instances)
    else if (dice === 5 && moves) await world.clock.advance(world.roll(70_000))
    else if (dice <= 16) await writeSome(world)
    else if (dice <= 19) world.letGo()
    else if (dice <= 20) ask(anyOf(world, instances))
    else await world.clock.advance(world.roll(15))
    await turns(world.roll(20))
  }
  world.faults = 0
  world.letGo()
  for (const instance of instances) instance.thaw()
  for (let step = 0; step % 10 !== 0 || !(await isDone(world)); step++) {
    expect(step, 'everything comes out').toBeLessThan(3_000)
    instances = instances.filter(({ isOver }) => !isOver)
    if (instances.length === 0) instances.push(new Instance(world))
    await turns(10)
    await world.clock.advance(step % 20 === 19 ? 11_000 : 20)
  }
  const running = instances.filter(({ isOver }) => !isOver)
  if (running.length > 0) await expectStores(world, running)
  for (const instance of instances) await endOf(world, instance.close())
  expect(await isDone(world)).toBe(true)
  await world.broker.close()
  expect(world.clock.pendingTimers, 'no timer is left').toBe(0)
}

/** Modules that a start loads take real time, which the clock of a run knows nothing of. */
async function loadModules(): Promise<void> {
  const world = new World(0)
  world.faults = 0
  const broker = await openMemoryBroker()
  await createTopics(broker, Object.fromEntries(topics.map((name) => [name, 1])))
  const app = new StreamsApp(topology(world), { applicationId: 'app', broker, tracing: false })
  await app.start()
  await app.close()
  await broker.close()
}

describe('applications on a broker that fails', () => {
  beforeAll(loadModules)

  it.each(Array.from({ length: seeds }, (_, index) => firstSeed + index))('count, join and tell of each record once (seed %i)', async (seed) => {
    await simulate(seed)
  }, 60_000)
})
