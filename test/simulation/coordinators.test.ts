/**
 * Groups, offsets and transactions together: members, static and dynamic, eager and cooperative, copy records with their offsets in
 * transactions, under ids that others take from them; they come, go, stand still and are replaced, topics are removed and made anew,
 * offsets set and groups removed by hand, the disk is full for a while, the process is killed and started again: in random order,
 * on a clock that the test moves. Whatever happens: no partition has two owners in one generation, generations grow, each record is
 * copied exactly once, offsets are what was committed last, and nothing hangs.
 */
import { describe, expect, it } from 'vitest'
import { cooperativeStickyAssignor, isStreamError, openEmbeddedBroker, randomInteger, rangeAssignor, seededRandom } from '../../src/core/index.ts'
import type { Broker, GroupMember, PartitionRecords, Producer, Random } from '../../src/core/index.ts'
import { encode, pause, visibleValues } from '../contract/contract-kit.ts'
import { ManualClock } from '../kit/manual-clock.ts'
import { MemoryFileSystem } from '../kit/memory-file-system.ts'

const seeds = Number(process.env['MILLRACE_COORDINATOR_SEEDS'] ?? 8)
const firstSeed = Number(process.env['MILLRACE_COORDINATOR_SEED'] ?? 1)
const partitions = 4
const recordsPerPartition = 15
const output = { topic: 'out', partition: 0 }
const rebalanceTimeoutMs = 10_000
/** After one of these a member begins again: the world's, none of them says that something was done. */
const expected = new Set([
  'ILLEGAL_GENERATION', 'UNKNOWN_MEMBER_ID', 'REBALANCE_IN_PROGRESS', 'FENCED_INSTANCE_ID', 'PRODUCER_FENCED', 'INVALID_PRODUCER_EPOCH', 'INVALID_PRODUCER_ID_MAPPING',
  'INCONSISTENT_GROUP_PROTOCOL', 'CONCURRENT_TRANSACTIONS', 'INVALID_TXN_STATE', 'STORAGE_FULL', 'CLOSED', 'ABORTED',
])

function ignoreExpected(error: unknown): void {
  if (!isStreamError(error) || !expected.has(error.code)) throw error
}

class World {
  readonly random: Random
  readonly clock = new ManualClock()
  readonly generations = new Map<string, number>()
  isFull = false
  disk: MemoryFileSystem
  broker!: Broker
  /** What the group without members has committed; undefined: it failed on its way, and may be or not. */
  readonly offsets = new Map<string, number | undefined>()

  constructor(seed: number) {
    this.random = seededRandom(seed)
    this.disk = new MemoryFileSystem({ random: this.random, fault: (operation) => (this.isFull && operation === 'write' && randomInteger(this.random, 2) === 0 ? 'ENOSPC' : null) })
  }

  async open(): Promise<void> {
    this.broker = await openEmbeddedBroker({ directory: '/data', fileSystem: this.disk, clock: this.clock, random: this.random })
  }

  roll(sides: number): number {
    return randomInteger(this.random, sides)
  }
}

/** Copies records, each batch in a transaction with its offset, until it leaves or finds that it is of no use any more. */
class Copier {
  readonly #world: World
  readonly instanceId: string | undefined
  readonly #transactionalId: string
  member: GroupMember | null = null
  #producer: Producer | null = null
  #busy: Promise<void> | null
  isOver = false

  constructor(world: World) {
    this.#world = world
    this.instanceId = world.roll(3) === 0 ? `static-${world.roll(2)}` : undefined
    this.#transactionalId = `tx-${world.roll(3)}`
    this.#busy = this.#join(world.broker).catch((error: unknown) => this.#end(error)).finally(() => (this.#busy = null))
  }

  async #join(broker: Broker): Promise<void> {
    const { roll } = { roll: (sides: number) => this.#world.roll(sides) }
    this.member = await broker.joinGroup({
      groupId: 'g', topics: ['in'], offsetReset: 'earliest', rebalanceTimeoutMs, sessionTimeoutMs: 6_000, maxPollIntervalMs: 20_000,
      // A member of both kinds can be in with either.
      assignors: [roll(2) === 0 ? [cooperativeStickyAssignor, rangeAssignor] : [rangeAssignor, cooperativeStickyAssignor], [rangeAssignor]][roll(4) === 0 ? 1 : 0]!,
      ...(this.instanceId !== undefined && { groupInstanceId: this.instanceId }),
    })
  }

  work(): void {
    if (this.#busy !== null || this.isOver) return
    this.#busy = this.#copy().catch((error: unknown) => this.#end(error)).finally(() => (this.#busy = null))
  }

  async leave(): Promise<void> {
    this.isOver = true
    await this.member?.leave().catch(ignoreExpected)
    await this.#producer?.close().catch(ignoreExpected)
    await this.#busy
  }

  async #copy(): Promise<void> {
    const member = this.member!
    const { partitions: read } = await member.read({ maxWaitMs: 0, maxBytes: 200 })
    this.#checkGeneration(member)
    if (read.length === 0) return
    this.#producer ??= await this.#world.broker.openProducer({ transactionalId: this.#transactionalId, transactionTimeoutMs: 30_000 })
    const producer = this.#producer
    producer.begin()
    for (const { partition, batches } of read) for (const batch of batches) for (const { offset } of batch) producer.append({ ...output, value: encode(`${partition}/${offset}`) }).catch(ignoreExpected)
    if (this.#world.roll(6) === 0) await pause(0)
    await producer.commit({ group: member.metadata(), offsets: read.map(offsetAfter) })
  }

  #checkGeneration(member: GroupMember): void {
    const before = this.#world.generations.get(member.memberId) ?? 0
    if (member.generation >= 0) expect(member.generation, 'generations grow').toBeGreaterThanOrEqual(before)
    this.#world.generations.set(member.memberId, Math.max(before, member.generation))
  }

  /** What it read and did not commit comes again, to whoever begins anew. */
  async #end(error: unknown): Promise<void> {
    ignoreExpected(error)
    this.isOver = true
    await this.#producer?.close().catch(ignoreExpected)
    await this.member?.leave().catch(ignoreExpected)
  }
}

function offsetAfter({ topic, partition, nextOffset }: PartitionRecords) {
  return { topic, partition, offset: nextOffset }
}

// ---------------------------------------------------------------------------------------------------- by hand

const outsider = { groupId: 'h', generation: -1, memberId: '', groupInstanceId: null }

/** One change of the group without members; when it fails nobody knows whether it has happened. */
async function changeByHand(world: World): Promise<void> {
  const topic = `t${world.roll(2)}`
  const offset = world.roll(100)
  const { broker, offsets } = world
  const exists = (await broker.topics.list()).includes(topic)
  try {
    switch (world.roll(5)) {
      case 0:
        if (!exists) return await broker.topics.create([{ topic }])
        offsets.set(topic, undefined)
        await broker.topics.remove([topic])
        return void offsets.delete(topic)
      case 1:
        if (offsets.size === 0) return
        for (const known of offsets.keys()) offsets.set(known, undefined)
        await broker.groups.remove(['h'])
        return offsets.clear()
      case 2:
        if (exists) await commitByHand(world, topic, offset)
        return
      default:
        if (!exists) return
        offsets.set(topic, undefined)
        await broker.groups.setOffsets('h', [{ topic, partition: 0, offset }])
        return void offsets.set(topic, offset)
    }
  } catch (error) {
    if (!isStreamError(error, 'GROUP_ID_NOT_FOUND')) ignoreExpected(error)
  }
}

/** In a transaction, after whose offsets the same one is set from outside now and then: that counts. */
async function commitByHand(world: World, topic: string, offset: number): Promise<void> {
  const { broker, offsets } = world
  const before = offsets.get(topic)
  const hadOne = offsets.has(topic)
  offsets.set(topic, undefined)
  const producer = await broker.openProducer({ transactionalId: 'by-hand' })
  producer.begin()
  if (world.roll(3) === 0) {
    await producer.append({ ...output, topic: 'noise', value: encode('x') })
    await producer.abort()
    if (hadOne) offsets.set(topic, before)
    else offsets.delete(topic)
  } else {
    await producer.commit({ group: outsider, offsets: [{ topic, partition: 0, offset }] })
    offsets.set(topic, offset)
  }
  await producer.close()
}

async function checkByHand({ broker, offsets }: World): Promise<void> {
  const found = new Map((await broker.groups.describe('h')).offsets.map((each) => [each.topic, each.offset]))
  for (const topic of ['t0', 't1']) {
    if (offsets.has(topic) && offsets.get(topic) === undefined) continue
    expect(found.get(topic), `offset of ${topic}`).toBe(offsets.get(topic))
  }
}

// ---------------------------------------------------------------------------------------------------- the run

async function fill(broker: Broker): Promise<void> {
  await broker.topics.create([{ topic: 'in', partitions }, { topic: 'out' }, { topic: 'noise' }])
  const producer = await broker.openProducer()
  for (let partition = 0; partition < partitions; partition++) {
    for (let index = 0; index < recordsPerPartition; index++) await producer.append({ topic: 'in', partition, value: encode(`${index}`) })
  }
  await producer.close()
}

function checkOwners(copiers: readonly Copier[]): void {
  const owners = new Map<string, string>()
  for (const { member, isOver, instanceId } of copiers) {
    if (member === null || isOver) continue
    // A static member that was replaced in a generation finds out when it reads or commits.
    const owner = instanceId ?? member.memberId
    for (const { partition } of member.assignment) {
      const key = `${member.generation}/${partition}`
      expect(owners.get(key) ?? owner, `partition ${partition} in generation ${member.generation}`).toBe(owner)
      owners.set(key, owner)
    }
  }
}

async function restart(world: World, copiers: readonly Copier[]): Promise<void> {
  world.isFull = false
  const isKilled = world.roll(2) === 0
  const left = isKilled ? world.disk.kill() : null
  await world.broker.close().catch(ignoreExpected)
  for (const copier of copiers) await copier.leave()
  if (left !== null) world.disk = left
  await world.open()
  await checkByHand(world)
}

async function copied(broker: Broker): Promise<readonly (string | null)[]> {
  return visibleValues(broker, output, 'read-committed')
}

function anyOf<T>(world: World, all: readonly T[]): T | undefined {
  return all[world.roll(Math.max(1, all.length))]
}

/** One that is still joining may have to wait until static members, which have left without the group's hearing of it, are given up. */
async function allLeave({ clock }: World, copiers: readonly Copier[]): Promise<void> {
  let isLeft = false
  const left = Promise.all(copiers.map((copier) => copier.leave())).finally(() => (isLeft = true))
  for (; !isLeft; await pause(0)) await clock.advance(rebalanceTimeoutMs)
  await left
}

async function simulate(seed: number): Promise<void> {
  const world = new World(seed)
  await world.open()
  await fill(world.broker)
  let copiers: Copier[] = []
  for (let step = 0; step < 120; step++) {
    const dice = world.roll(24)
    copiers = copiers.filter(({ isOver }) => !isOver)
    if (dice <= 1 && copiers.length < 4) copiers.push(new Copier(world))
    else if (dice === 2) await anyOf(world, copiers.filter(({ member }) => member !== null))?.leave()
    else if (dice === 3) await world.clock.advance(world.roll(2) === 0 ? rebalanceTimeoutMs : 40_000)
    else if (dice === 4) world.isFull = !world.isFull && world.roll(2) === 0
    else if (dice === 5 && world.roll(3) === 0) await restart(world, copiers)
    else if (dice <= 9) await changeByHand(world)
    else anyOf(world, copiers)?.work()
    await pause(0)
    checkOwners(copiers)
    if (!world.isFull) await checkByHand(world)
  }
  world.isFull = false
  const wanted = Array.from({ length: partitions }, (_, partition) => Array.from({ length: recordsPerPartition }, (_record, index) => `${partition}/${index}`)).flat()
  for (let step = 0; step % 10 !== 0 || (await copied(world.broker)).length < wanted.length; step++) {
    expect(step, 'the group comes to rest and copies everything').toBeLessThan(2_000)
    copiers = copiers.filter(({ isOver }) => !isOver)
    if (copiers.length < 2) copiers.push(new Copier(world))
    for (const copier of copiers) copier.work()
    if (step % 20 === 19) await world.clock.advance(rebalanceTimeoutMs)
    await pause(0)
    checkOwners(copiers)
  }
  expect((await copied(world.broker)).toSorted((a, b) => String(a).localeCompare(String(b)))).toEqual(wanted.toSorted((a, b) => a.localeCompare(b)))
  await allLeave(world, copiers)
  await checkByHand(world)
  await world.broker.close()
  expect(world.clock.pendingTimers, 'no timer is left').toBe(0)
}

describe('groups, offsets and transactions in random order', () => {
  it.each(Array.from({ length: seeds }, (_, index) => firstSeed + index))('copy each record once and keep what was committed last (seed %i)', async (seed) => {
    await simulate(seed)
  }, 60_000)
})
