/**
 * Topics that are removed, made anew under the same name, and altered, at the same moments as producers (also transactional ones),
 * readers and members of a group work with them, and the process is killed or the power goes. A record that was acknowledged is there
 * as long as its topic is, and in no topic of the same name that came later; so is all of a transaction, or nothing; offsets of a topic
 * go with it; nothing hangs, and of a topic that is gone no file is left.
 */
import { describe, expect, it } from 'vitest'
import { isStreamError, openEmbeddedBroker, randomInteger, seededRandom } from '../../src/core/index.ts'
import type { Broker, GroupMember, Producer, Random, Reader } from '../../src/core/index.ts'
import { decode, encode, pause, visibleValues } from '../contract/contract-kit.ts'
import { ManualClock } from '../kit/manual-clock.ts'
import { MemoryFileSystem } from '../kit/memory-file-system.ts'

const seeds = Number(process.env['MILLRACE_TOPIC_SEEDS'] ?? 15)
const firstSeed = Number(process.env['MILLRACE_TOPIC_SEED'] ?? 1)
const names = ['a', 'b']
/** The world's: what was asked for is of a topic that is gone, or comes too late. */
const expected = new Set([
  'UNKNOWN_TOPIC_OR_PARTITION', 'TOPIC_ALREADY_EXISTS', 'INVALID_PARTITIONS', 'OFFSET_OUT_OF_RANGE', 'REBALANCE_IN_PROGRESS', 'ILLEGAL_GENERATION', 'UNKNOWN_MEMBER_ID', 'CLOSED', 'ABORTED',
  'PRODUCER_FENCED', 'INVALID_PRODUCER_EPOCH', 'INVALID_TXN_STATE', 'CONCURRENT_TRANSACTIONS', 'OUT_OF_ORDER_SEQUENCE', 'INVALID_PRODUCER_ID_MAPPING',
])

function ignoreExpected(error: unknown): void {
  if (!isStreamError(error) || !expected.has(error.code)) throw error
}

/** One life of a topic, from its creation to its removal. */
interface Life {
  readonly topic: string
  readonly number: number
  partitions: number
  /** Acknowledged, by partition. */
  readonly acknowledged: Set<string>
  /** Aborted, or of a transaction that ended otherwise than with an acknowledged commit. */
  readonly aborted: Set<string>
}

class World {
  readonly random: Random
  readonly clock = new ManualClock(1_000_000)
  disk: MemoryFileSystem
  broker!: Broker
  /** What exists; `null`: nothing; absent: a change is under way. */
  readonly lives = new Map<string, Life | null>()
  lifeCount = 0
  values = 0
  readonly underWay = new Set<Promise<unknown>>()
  /** The process was killed: what is said to be done now is of a disk that nobody finds. */
  isDead = false

  constructor(seed: number) {
    this.random = seededRandom(seed)
    this.disk = new MemoryFileSystem({ random: this.random })
  }

  roll(sides: number): number {
    return randomInteger(this.random, sides)
  }

  /** The topic is still what it was, and the process that says so lives. */
  has(life: Life | null | undefined): life is Life {
    return life != null && !this.isDead && this.lives.get(life.topic) === life
  }

  start(work: () => Promise<unknown>): void {
    const running: Promise<unknown> = work().catch(ignoreExpected).finally(() => this.underWay.delete(running))
    this.underWay.add(running)
  }

  async open(): Promise<void> {
    this.broker = await openEmbeddedBroker({ directory: '/data', fileSystem: this.disk, clock: this.clock, random: this.random })
  }
}

/** A change of which nobody knows whether it has happened is looked up. */
async function changeTopic(world: World): Promise<void> {
  const topic = names[world.roll(names.length)]!
  const life = world.lives.get(topic)
  if (life === undefined) return
  world.lives.delete(topic)
  const { broker } = world
  if (life === null) {
    const partitions = 1 + world.roll(3)
    await broker.topics.create([{ topic, partitions }])
    if (world.isDead) return
    expect((await broker.groups.describe('g')).offsets.filter((each) => each.topic === topic), `offsets of another ${topic}`).toEqual([])
    world.lives.set(topic, { topic, number: world.lifeCount++, partitions, acknowledged: new Set(), aborted: new Set() })
  } else if (world.roll(3) === 0) {
    await broker.topics.alter(topic, { partitions: life.partitions + 1, configs: { 'retention.ms': '100000000' } })
    if (world.isDead) return
    life.partitions++
    world.lives.set(topic, life)
  } else {
    await broker.topics.remove([topic])
    if (!world.isDead) world.lives.set(topic, null)
  }
}

/** Values tell by which life they were meant to be taken; one that is remade meanwhile may take them, too. */
async function produce(world: World, producer: Producer): Promise<void> {
  const topic = names[world.roll(names.length)]!
  const life = world.lives.get(topic)
  const partition = world.roll(life?.partitions ?? 2)
  const value = `${partition}/${world.values++}`
  await producer.append({ topic, partition, value: encode(value) })
  // What was acknowledged is in the topic that is there now, if it was there all the time.
  if (world.has(life)) life.acknowledged.add(value)
}

async function transact(world: World, id: string): Promise<void> {
  const producer = await world.broker.openProducer({ transactionalId: id, transactionTimeoutMs: 30_000 })
  try {
    for (let round = world.roll(3); round >= 0; round--) {
      producer.begin()
      const written: { readonly life: Life | null | undefined; readonly value: string; isThere: boolean }[] = []
      for (let count = world.roll(4); count >= 0; count--) {
        const topic = names[world.roll(names.length)]!
        const life = world.lives.get(topic)
        const partition = world.roll(life?.partitions ?? 2)
        const record = { life, value: `${partition}/${world.values++}`, isThere: false }
        written.push(record)
        producer.append({ topic, partition, value: encode(record.value) }).then(() => void (record.isThere = true)).catch(ignoreExpected)
        if (world.roll(2) === 0) await pause(0)
      }
      const isAborted = world.roll(3) === 0
      if (isAborted) for (const { life, value } of written) life?.aborted.add(value)
      await (isAborted ? producer.abort() : producer.commit())
      if (isAborted) continue
      for (const { life, value, isThere } of written) if (isThere && world.has(life)) life.acknowledged.add(value)
    }
  } finally {
    await producer.close().catch(ignoreExpected)
  }
}

async function readOn(world: World, reader: Reader | GroupMember): Promise<void> {
  const { partitions } = await reader.read({ maxWaitMs: world.roll(2) * 100 })
  for (const { topic, partition, batches } of partitions) {
    for (const batch of batches) {
      for (const record of batch) {
        const value = decode(record.value)!
        expect(value.startsWith(`${partition}/`)).toBe(true)
        expect(world.lives.get(topic)?.aborted.has(value), `${value} of ${topic} was aborted`).not.toBe(true)
      }
    }
  }
  if ('commit' in reader && world.roll(2) === 0) await reader.commit(partitions.map(({ topic, partition, nextOffset }) => ({ topic, partition, offset: nextOffset })))
}

async function check(world: World): Promise<void> {
  const { broker } = world
  const existing = await broker.topics.list()
  for (const [topic, life] of world.lives) {
    expect(existing.includes(topic), `${topic} exists`).toBe(life !== null)
    if (life === null) {
      expect(leftOver(world, topic), `left of ${topic}`).toEqual([])
      continue
    }
    const [description] = await broker.topics.describe([topic])
    expect(description!.partitions).toHaveLength(life.partitions)
    const found = new Set<string>()
    for (let partition = 0; partition < life.partitions; partition++) for (const value of await visibleValues(broker, { topic, partition }, 'read-committed')) found.add(value!)
    for (const value of life.acknowledged) expect(found.has(value), `${value} of ${topic}, life ${life.number}`).toBe(true)
    for (const value of life.aborted) expect(found.has(value), `${value} of ${topic} was aborted`).toBe(false)
  }
}

/** Directories that a creation was killed in are empty logs; the next creation clears them. */
function leftOver({ disk }: World, topic: string): readonly string[] {
  const directories = disk.list('/data').filter((name) => name.startsWith(`${topic}-`))
  return directories.flatMap((name) => disk.list(`/data/${name}`).map((file) => `/data/${name}/${file}`)).filter((file) => file.endsWith('.log') && disk.stat(file)!.sizeBytes > 0)
}

/** What was under way when the process ended may have happened or not. */
async function restart(world: World): Promise<void> {
  const left = [world.disk.kill(), world.disk.crash(), null][world.roll(3)]!
  world.isDead = left !== null
  const closing = world.broker.close().catch(ignoreExpected)
  await settled(world)
  await closing
  expect(world.disk.openFiles).toBe(0)
  if (left !== null) world.disk = left
  world.isDead = false
  await world.open()
  for (const topic of names.filter((name) => !world.lives.has(name))) await lookUp(world, topic)
  await check(world)
}

/** Of a topic whose change has failed: what is there is what begins now. */
async function lookUp(world: World, topic: string): Promise<void> {
  const [description] = await world.broker.topics.describe([topic]).catch(() => [])
  if (description === undefined) {
    world.lives.set(topic, null)
    return
  }
  world.lives.set(topic, { topic, number: world.lifeCount++, partitions: description.partitions.length, acknowledged: new Set(), aborted: new Set() })
}

async function settled(world: World): Promise<void> {
  for (let turn = 0; world.underWay.size > 0; turn++) {
    expect(turn, 'nothing hangs').toBeLessThan(2_000)
    if (turn % 10 === 9) await world.clock.advance(10_000)
    await pause(0)
  }
}

async function simulate(seed: number): Promise<void> {
  const world = new World(seed)
  await world.open()
  for (const topic of names) world.lives.set(topic, null)
  let actors = await hire(world)
  for (let step = 0; step < 150; step++) {
    const dice = world.roll(20)
    if (dice < 4) world.start(() => changeTopic(world))
    else if (dice < 9) world.start(() => produce(world, actors.producer))
    else if (dice < 11) world.start(() => transact(world, `tx-${world.roll(3)}`))
    else if (dice < 13 && !actors.isReading) {
      actors.isReading = true
      world.start(() => readOn(world, actors.reader).finally(() => (actors.isReading = false)))
    } else if (dice < 16 && actors.member !== null && !actors.isWorking) {
      actors.isWorking = true
      world.start(() => readOn(world, actors.member!).finally(() => (actors.isWorking = false)))
    } else if (dice === 16) await world.clock.advance(world.roll(3) * 20_000)
    else if (dice === 17 && world.roll(4) === 0) {
      await restart(world)
      actors = await hire(world)
    } else if (dice === 18) {
      const topic = names[world.roll(names.length)]!
      const partitions = world.lives.get(topic)?.partitions ?? 0
      actors.reader.assign(Array.from({ length: partitions }, (_, partition) => ({ topic, partition, offset: 0 })))
    } else for (let turn = world.roll(4); turn > 0; turn--) await pause(0)
  }
  await settled(world)
  for (const topic of names.filter((name) => !world.lives.has(name))) await lookUp(world, topic)
  await check(world)
  await world.broker.close()
  expect(world.disk.openFiles).toBe(0)
  await world.open()
  await check(world)
  for (const [topic, life] of world.lives) if (life !== null) await world.broker.topics.remove([topic]).then(() => world.lives.set(topic, null))
  await check(world)
  await world.broker.close()
  expect(world.clock.pendingTimers, 'no timer is left').toBe(0)
}

interface Actors {
  readonly producer: Producer
  readonly reader: Reader
  member: GroupMember | null
  isReading: boolean
  isWorking: boolean
}

async function hire(world: World): Promise<Actors> {
  const actors: Actors = { producer: await world.broker.openProducer(), reader: await world.broker.openReader(), member: null, isReading: false, isWorking: false }
  world.start(async () => { actors.member = await world.broker.joinGroup({ groupId: 'g', topics: names, offsetReset: 'earliest' }) })
  return actors
}

describe('topics that come, go and grow under those who use them', () => {
  it.each(Array.from({ length: seeds }, (_, index) => firstSeed + index))('keep what is theirs, and leave nothing behind (seed %i)', async (seed) => {
    await simulate(seed)
  }, 60_000)
})
