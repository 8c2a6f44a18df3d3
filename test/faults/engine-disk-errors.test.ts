/**
 * The disk refuses single operations of an engine's life in turn, or all for a while, for want of space or altogether:
 * at records, indexes, checkpoints and the journal, offsets of groups, transactions, the list of topics. Whoever asked is told where it
 * failed; what was acknowledged is there; when there is room again everything goes on, and after any other failure once the log is opened again.
 */
import { describe, expect, it } from 'vitest'
import { isStreamError, openEmbeddedBroker, seededRandom } from '../../src/core/index.ts'
import type { Broker } from '../../src/core/index.ts'
import { encode, pause, visibleValues } from '../contract/contract-kit.ts'
import { ManualClock } from '../kit/manual-clock.ts'
import { MemoryFileSystem } from '../kit/memory-file-system.ts'
import type { FileOperation } from '../kit/memory-file-system.ts'

type Errno = 'ENOSPC' | 'EIO'

/** Of some 900 operations one in so many is refused; 1, for all of them, takes about ten minutes. */
const stride = Number(process.env['MILLRACE_DISK_ERROR_STRIDE'] ?? 23)
const firstOf = { ENOSPC: 0, EIO: Math.floor(stride / 2) }
/** What refuses for want of space; everything can fail altogether. */
const growing: ReadonlySet<FileOperation> = new Set(['create', 'write', 'make directory', 'rename', 'sync', 'sync directory'])
const outsider = (groupId: string) => ({ groupId, generation: -1, memberId: '', groupInstanceId: null })

interface Fault {
  readonly errno: Errno
  /** Which operations, counted from 0, are refused. */
  readonly from: number
  readonly to: number
}

/** One engine, and what it has said. */
class Life {
  readonly operations: string[] = []
  readonly errors: unknown[] = []
  readonly clock = new ManualClock(1_000_000)
  readonly random = seededRandom(7)
  isOver = false
  disk: MemoryFileSystem
  broker: Broker | undefined
  readonly topics = new Map<string, boolean | undefined>()
  readonly acknowledged: { readonly topic: string; readonly value: string }[] = []
  /** Values of one transaction, and whether it is known how it ended. */
  readonly transactions: { readonly values: readonly { readonly topic: string; readonly value: string }[]; outcome: 'commit' | 'abort' | 'unknown' }[] = []
  /** By group: the newest that was acknowledged, and those that were tried since. */
  readonly offsets = new Map<string, readonly number[]>()
  #values = 0

  constructor(fault: Fault | null) {
    this.disk = new MemoryFileSystem({
      random: this.random,
      fault: (operation, path) => {
        if (this.isOver || operation === 'read' || operation === 'open') return null
        const index = this.operations.push(`${operation} ${path}`) - 1
        return fault !== null && index >= fault.from && index < fault.to && (fault.errno === 'EIO' || growing.has(operation)) ? fault.errno : null
      },
    })
  }

  async open(): Promise<void> {
    this.broker = await this.inTime(openEmbeddedBroker({ directory: '/data', fileSystem: this.disk, clock: this.clock, random: this.random, internalTopicPartitions: 1 } as Parameters<typeof openEmbeddedBroker>[0]))
  }

  /** Nothing hangs: time goes on until it has settled. */
  async inTime<T>(work: Promise<T>): Promise<T> {
    let isSettled = false
    const settled = work.finally(() => (isSettled = true))
    settled.catch(() => undefined)
    for (let turn = 0; !isSettled; turn++) {
      expect(turn, 'nothing hangs').toBeLessThan(5_000)
      if (turn % 100 === 99) await this.clock.advance(10_000)
      await pause(0)
    }
    return settled
  }

  async attempt(work: () => Promise<unknown>): Promise<boolean> {
    try {
      await this.inTime(Promise.resolve().then(work))
      return true
    } catch (error) {
      this.errors.push(error)
      return false
    }
  }

  async change(topic: string, exists: boolean, work: () => Promise<unknown>): Promise<void> {
    this.topics.set(topic, undefined)
    if (await this.attempt(work)) this.topics.set(topic, exists)
  }

  async append(topic: string, partition: number): Promise<void> {
    const value = `${topic}/${this.#values++}`.padEnd(60, '.')
    const done = await this.attempt(async () => {
      const producer = await this.broker!.openProducer()
      await producer.append({ topic, partition, key: encode(value), value: encode(value) }).finally(() => producer.close())
    })
    if (done) this.acknowledged.push({ topic, value })
  }

  async transact(end: 'commit' | 'abort', groupId: string, offset: number): Promise<void> {
    const values = ['a', 'a', 'c'].map((topic) => ({ topic, value: `${topic}/${this.#values++}`.padEnd(60, '.') }))
    const transaction: Life['transactions'][number] = { values, outcome: 'unknown' }
    this.transactions.push(transaction)
    if (end === 'commit') this.offsets.set(groupId, [...(this.offsets.get(groupId) ?? []), offset])
    const done = await this.attempt(async () => {
      const producer = await this.broker!.openProducer({ transactionalId: 'tx' })
      try {
        producer.begin()
        const written = Promise.all(values.map(({ topic, value }, index) => producer.append({ topic, partition: topic === 'c' ? 0 : index, key: encode(value), value: encode(value) })))
        written.catch(() => undefined)
        if (end === 'commit') await producer.commit({ group: outsider(groupId), offsets: [{ topic: 'a', partition: 0, offset }] })
        else await written.then(() => producer.abort())
      } finally {
        await producer.close().catch((error: unknown) => this.errors.push(error))
      }
    })
    if (done) transaction.outcome = end
    if (done && end === 'commit') this.offsets.set(groupId, [offset])
  }

  async setOffsets(groupId: string, offset: number): Promise<void> {
    this.offsets.set(groupId, [...(this.offsets.get(groupId) ?? []), offset])
    if (await this.attempt(() => this.broker!.groups.setOffsets(groupId, [{ topic: 'a', partition: 0, offset }]))) this.offsets.set(groupId, [offset])
  }

  async work(): Promise<void> {
    const { topics } = this.broker!
    await this.append('a', 0)
    await this.transact('commit', 'g', this.#values)
    await this.append('c', 0)
    await this.setOffsets('h', this.#values)
    await this.transact('abort', 'g', 0)
    const hasB = this.topics.get('b') ?? (await this.broker!.topics.list()).includes('b')
    if (!hasB) await this.change('b', true, () => topics.create([{ topic: 'b', partitions: 2 }]))
    else await this.change('b', false, () => topics.remove(['b']))
    await this.attempt(async () => {
      const member = await this.broker!.joinGroup({ groupId: 'm', topics: ['a'], offsetReset: 'earliest' })
      try {
        await member.read({ maxWaitMs: 0 })
        await member.commit(member.assignment.map((target) => ({ ...target, offset: 1 })))
      } finally {
        await member.leave()
      }
    })
    for (let minutes = 0; minutes < 6; minutes++) {
      await this.clock.advance(60_000)
      await pause(0)
    }
    await this.append('a', 1)
  }
}

async function live(fault: Fault | null): Promise<Life> {
  const life = new Life(fault)
  for (let start = 0; start < 3; start++) {
    if (start > 0) await life.attempt(() => life.broker!.close())
    for (let tries = 0; tries < 60; tries++) if (await life.attempt(() => life.open())) break
    for (const [topic, partitions] of [['a', 2], ['c', 1]] as const) {
      const configs = { 'segment.ms': '60000', 'index.interval.bytes': '100', ...(topic === 'c' && { 'cleanup.policy': 'compact', 'min.cleanable.dirty.ratio': '0' }) }
      if (life.topics.get(topic) !== true) await life.change(topic, true, () => life.broker!.topics.create([{ topic, partitions, configs }]).catch((error: unknown) => { if (!isStreamError(error, 'TOPIC_ALREADY_EXISTS')) throw error }))
    }
    await life.work()
  }
  return life
}

async function expectSound(life: Life, fault: Fault | null, where: string): Promise<void> {
  life.isOver = true
  for (const error of life.errors) expect(isStreamError(error), `${where}: ${String(error)}`).toBe(true)
  const refused = fault === null ? [] : life.operations.slice(fault.from, fault.to)
  if (fault?.errno === 'EIO' || refused.some((operation) => operation.startsWith('sync'))) {
    await life.inTime(life.broker!.close().catch(() => undefined))
    await life.open()
  }
  const before = life.errors.length
  for (const topic of ['a', 'c']) if (life.topics.get(topic) !== true) await life.broker!.topics.create([{ topic, partitions: 2 }]).catch(() => undefined)
  await life.work()
  expect(life.errors.slice(before).map(String), `${where}: goes on when the disk does`).toEqual([])
  await check(life, where)
  await life.inTime(life.broker!.close())
  expect(life.disk.openFiles, where).toBe(0)
  await life.open()
  await check(life, `${where}, opened again`)
  await life.inTime(life.broker!.close())
}

async function check({ broker: opened, topics, acknowledged, transactions, offsets }: Life, where: string): Promise<void> {
  const broker = opened!
  const existing = await broker.topics.list()
  for (const [topic, exists] of topics) if (exists !== undefined) expect(existing.includes(topic), `${where}: ${topic}`).toBe(exists)
  const found = new Set<string>()
  for (const { topic, partitions } of await broker.topics.describe(['a', 'c'])) {
    for (const { partition } of partitions) for (const value of await visibleValues(broker, { topic, partition }, 'read-committed')) found.add(value!)
  }
  for (const { value } of acknowledged) expect(found.has(value), `${where}: ${value}`).toBe(true)
  for (const { values, outcome } of transactions) {
    const there = values.filter(({ value }) => found.has(value)).length
    expect(outcome === 'unknown' ? [0, values.length] : [outcome === 'commit' ? values.length : 0], `${where}: ${outcome} of ${JSON.stringify(values)}`).toContain(there)
  }
  for (const [groupId, possible] of offsets) {
    const { offsets: [committed] } = await broker.groups.describe(groupId)
    expect([...possible, ...(possible.length > 1 ? [undefined] : [])], `${where}: offset of ${groupId}`).toContain(committed?.offset)
  }
}

describe('an engine on a failing disk', () => {
  it.each(['ENOSPC', 'EIO'] as const)('loses nothing acknowledged and goes on, whichever operation is refused once with %s', async (errno) => {
    const whole = await live(null)
    expect(whole.errors).toEqual([])
    await expectSound(whole, null, 'without a fault')
    for (const [index, operation] of whole.operations.entries()) {
      if (index % stride !== firstOf[errno]) continue
      if (errno === 'ENOSPC' && !growing.has(operation.slice(0, operation.indexOf(' /')) as FileOperation)) continue
      const fault = { errno, from: index, to: index + 1 }
      await expectSound(await live(fault), fault, `${errno} at operation ${index} (${operation})`)
    }
  }, 300_000)

  it('goes on when space returns after any stretch without', async () => {
    const { operations } = await live(null)
    for (let from = 0; from < operations.length; from += 5 * stride) {
      const fault = { errno: 'ENOSPC', from, to: from + 40 } as const
      await expectSound(await live(fault), fault, `no space from operation ${from} on`)
    }
  }, 300_000)
})
