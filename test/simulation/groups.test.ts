/**
 * A consumer group whose members join, leave, get stuck and come back at random, on a clock that the test moves. Whatever
 * happens: members of one generation never share a partition, whoever commits owns what it commits, committed offsets only
 * grow, and in the end every record was read.
 */
import { describe, expect, it } from 'vitest'
import { isStreamError, openEmbeddedBroker, randomInteger, rangeAssignor, roundRobinAssignor, seededRandom } from '../../src/core/index.ts'
import type { Broker, GroupMember, Random, RebalanceEvent } from '../../src/core/index.ts'
import { encode, pause } from '../contract/contract-kit.ts'
import { ManualClock } from '../kit/manual-clock.ts'
import { MemoryFileSystem } from '../kit/memory-file-system.ts'

const seeds = Number(process.env['MILLRACE_GROUP_SEEDS'] ?? 15)
const firstSeed = Number(process.env['MILLRACE_GROUP_SEED'] ?? 1)
const partitions = 5
const recordsPerPartition = 30
const groupId = 'g'
const rebalanceTimeoutMs = 10_000
/** The world's, after which a member throws its work away and goes on. */
const lostTheRace = ['ILLEGAL_GENERATION', 'UNKNOWN_MEMBER_ID', 'REBALANCE_IN_PROGRESS', 'CLOSED']

class World {
  readonly random: Random
  readonly clock = new ManualClock()
  readonly committed = new Map<number, number>()
  readonly seen = new Set<string>()
  broker!: Broker

  constructor(seed: number) {
    this.random = seededRandom(seed)
  }
}

class Worker {
  readonly #world: World
  member: GroupMember | null = null
  /** Read and not committed: next offsets. */
  readonly #done = new Map<number, number>()
  #busy: Promise<void> | null = null
  left = false

  constructor(world: World, broker: Broker) {
    this.#world = world
    broker.joinGroup({
      groupId, topics: ['t'], offsetReset: 'earliest', rebalanceTimeoutMs,
      assignors: randomInteger(world.random, 2) === 0 ? [rangeAssignor, roundRobinAssignor] : [roundRobinAssignor, rangeAssignor],
      onRebalance: (event) => this.#onRebalance(event),
    }).then((member) => void (this.member = member), (error: unknown) => expect(error, 'nobody is there to join any more').toMatchObject({ code: 'CLOSED' }))
  }

  /** Reads a little; does not wait for the read to end, which a rebalance may hold up. */
  work(): void {
    if (this.member === null || this.#busy !== null || this.left) return
    this.#busy = this.#readOnce(this.member).finally(() => (this.#busy = null))
  }

  async leave(): Promise<void> {
    this.left = true
    await this.member?.leave()
    await this.#busy
  }

  async #readOnce(member: GroupMember): Promise<void> {
    try {
      const { partitions: read } = await member.read({ maxWaitMs: 0, maxBytes: 1 })
      for (const { partition, batches, nextOffset } of read) {
        for (const batch of batches) for (const { offset } of batch) this.#world.seen.add(`${partition}/${offset}`)
        this.#done.set(partition, nextOffset)
      }
      if (randomInteger(this.#world.random, 3) === 0) await this.#commit(member)
    } catch (error) {
      if (!isStreamError(error) || !lostTheRace.includes(error.code)) throw error
      this.#done.clear()
    }
  }

  async #commit(member: GroupMember): Promise<void> {
    const offsets = [...this.#done].map(([partition, offset]) => ({ topic: 't', partition, offset }))
    if (offsets.length === 0) return
    await member.commit(offsets)
    for (const { partition, offset } of offsets) {
      expect(offset, `offset of partition ${partition} goes back`).toBeGreaterThanOrEqual(this.#world.committed.get(partition) ?? 0)
      this.#world.committed.set(partition, offset)
    }
    this.#done.clear()
  }

  async #onRebalance({ revoked, lost }: RebalanceEvent): Promise<void> {
    if (lost.length > 0) this.#done.clear()
    if (revoked.length > 0 && this.member !== null) {
      await this.#commit(this.member).catch((error: unknown) => {
        if (!isStreamError(error) || !lostTheRace.includes(error.code)) throw error
      })
      this.#done.clear()
    }
  }
}

/** One that has joined leaves: nobody else could end a member that nobody reads from. */
async function withoutOne(workers: readonly Worker[], random: Random, broker: Broker): Promise<Worker[]> {
  const joined = workers.filter(({ member }) => member !== null)
  const leaving = joined[randomInteger(random, Math.max(1, joined.length))]
  if (leaving === undefined || workers.length === 1) return [...workers]
  await leaving.leave()
  const { members } = await broker.groups.describe(groupId)
  expect(members.length, 'who left is gone at once').toBeLessThan(workers.length)
  return workers.filter((worker) => worker !== leaving)
}

function checkDisjoint(workers: readonly Worker[]): void {
  const owners = new Map<string, string>()
  for (const { member, left } of workers) {
    if (member === null || left) continue
    for (const { partition } of member.assignment) {
      const key = `${member.generation}/${partition}`
      expect(owners.get(key) ?? member.memberId, `partition ${partition} in generation ${member.generation}`).toBe(member.memberId)
      owners.set(key, member.memberId)
    }
  }
}

async function fill(broker: Broker): Promise<void> {
  await broker.topics.create([{ topic: 't', partitions }])
  const producer = await broker.openProducer()
  for (let partition = 0; partition < partitions; partition++) {
    for (let index = 0; index < recordsPerPartition; index++) await producer.append({ topic: 't', partition, value: encode(`${index}`) })
  }
  await producer.close()
}

async function simulate(seed: number): Promise<void> {
  const world = new World(seed)
  const broker = await openEmbeddedBroker({ directory: '/data', fileSystem: new MemoryFileSystem(), clock: world.clock, random: world.random })
  await fill(broker)
  let workers: Worker[] = []
  for (let step = 0; step < 150; step++) {
    const dice = randomInteger(world.random, 20)
    if (dice === 0 && workers.length < 4) workers.push(new Worker(world, broker))
    else if (dice === 1) workers = await withoutOne(workers, world.random, broker)
    else if (dice === 2) await world.clock.advance(rebalanceTimeoutMs)
    else if (workers.length > 0) workers[randomInteger(world.random, workers.length)]!.work()
    await pause(0)
    checkDisjoint(workers)
  }
  workers.push(new Worker(world, broker))
  for (let step = 0; world.seen.size < partitions * recordsPerPartition; step++) {
    expect(step, 'the group comes to rest and reads everything').toBeLessThan(5_000)
    for (const worker of workers) worker.work()
    if (step % 50 === 49) await world.clock.advance(rebalanceTimeoutMs)
    await pause(0)
    checkDisjoint(workers)
  }
  for (const worker of workers) await worker.leave()
  await broker.close()
  expect(world.clock.pendingTimers, 'no timer is left').toBe(0)
}

describe('a consumer group in which members come, go and get stuck at random', () => {
  it.each(Array.from({ length: seeds }, (_, index) => firstSeed + index))('never gives a partition to two of a generation, and reads everything (seed %i)', async (seed) => {
    await simulate(seed)
  })
})
