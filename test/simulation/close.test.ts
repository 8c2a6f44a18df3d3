/**
 * A broker that is closed in the middle of everything: whatever it was asked is answered, and nothing of it stays, no timer (which would
 * keep a process alive) and no open file. What was acknowledged is there when it is opened again.
 */
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { isStreamError, openEmbeddedBroker, randomInteger, seededRandom } from '../../src/core/index.ts'
import type { Broker, Random } from '../../src/core/index.ts'
import { encode, eventually, recordOf } from '../contract/contract-kit.ts'
import { ManualClock } from '../kit/manual-clock.ts'
import { MemoryFileSystem } from '../kit/memory-file-system.ts'

const seeds = Number(process.env.MILLRACE_CLOSE_SEEDS ?? 40)
const firstSeed = Number(process.env.MILLRACE_CLOSE_SEED ?? 1)
const partitions = [0, 1, 2]

/** Calls that have not come to their end, by what they are. */
class Calls {
  readonly open = new Map<symbol, string>()
  /** Of errors that are not the broker's: what a caller cannot tell from a defect. */
  readonly strange: unknown[] = []

  /** Resolves with null where the call fails. */
  async of<T>(name: string, call: () => T | Promise<T>): Promise<T | null> {
    const id = Symbol(name)
    this.open.set(id, name)
    try {
      return await call()
    } catch (error) {
      if (!isStreamError(error)) this.strange.push(error)
      return null
    } finally {
      this.open.delete(id)
    }
  }
}

const macroTurn = () => new Promise<void>((resolve) => setImmediate(resolve))

/** Each goes on until the broker refuses. */
function work(broker: Broker, calls: Calls, random: Random, acknowledged: { partition: number; offset: number }[]): void {
  void calls.of('producer', async () => {
    const producer = await broker.openProducer()
    for (let count = 0; ; count++) {
      const partition = count % 3
      const stored = await producer.append({ topic: 't', partition, key: encode(`k${count}`), value: encode('v') })
      acknowledged.push({ partition, offset: stored.offset })
      await macroTurn()
    }
  })
  void calls.of('producers', async () => {
    for (let count = 0; ; count++) {
      const producer = await broker.openProducer(count % 2 === 0 ? {} : { transactionalId: `x${count % 5}` })
      if (count % 2 === 0) await producer.append({ topic: 't', partition: 2, key: null, value: encode('v') })
      await macroTurn()
      if (randomInteger(random, 2) === 0) await producer.close()
    }
  })
  void calls.of('transactions', async () => {
    const producer = await broker.openProducer({ transactionalId: 'x' })
    for (;;) {
      producer.begin()
      void calls.of('append in a transaction', () => producer.append(recordOf({ topic: 't', partition: 0 }, 'in a transaction')))
      if (randomInteger(random, 3) === 0) await producer.abort()
      else await producer.commit()
      await macroTurn()
    }
  })
  for (const name of ['first', 'second', 'static']) {
    void calls.of(`${name} member`, async () => {
      const member = await broker.joinGroup({ groupId: 'g', topics: ['t'], offsetReset: 'earliest', ...(name === 'static' && { groupInstanceId: name }) })
      for (;;) {
        const { partitions: read } = await member.read({ maxWaitMs: 100 })
        await member.commit(read.map(({ topic, partition, nextOffset }) => ({ topic, partition, offset: nextOffset })))
        if (randomInteger(random, 20) === 0) return member.leave()
        await macroTurn()
      }
    })
  }
  void calls.of('reader', async () => {
    const reader = await broker.openReader()
    reader.assign(partitions.map((partition) => ({ topic: 't', partition, offset: 0 })))
    for (;;) {
      await reader.read({ maxWaitMs: 1_000 })
      await macroTurn()
    }
  })
  void calls.of('admin', async () => {
    for (let count = 0; ; count++) {
      await broker.topics.create([{ topic: `n${count}`, partitions: 2 }])
      await broker.groups.setOffsets('other', [{ topic: `n${count}`, partition: 0, offset: 0 }])
      await broker.topics.deleteRecords([{ topic: 't', partition: 0, beforeOffset: 0 }])
      await broker.topics.remove([`n${count}`])
      await broker.groups.describe('g')
      await macroTurn()
    }
  })
}

const unhandled: unknown[] = []
const onUnhandled = (error: unknown) => void unhandled.push(error)
beforeEach(() => void process.on('unhandledRejection', onUnhandled))
afterEach(() => void process.off('unhandledRejection', onUnhandled))

describe('a broker that is closed while it is at work', () => {
  it.each(Array.from({ length: seeds }, (_, index) => firstSeed + index))('answers everything and leaves nothing behind, seed %i', async (seed) => {
    const random = seededRandom(seed)
    const clock = new ManualClock()
    const late: string[] = []
    let isClosed = false
    const disk = new MemoryFileSystem({
      fault(operation, path) {
        if (isClosed) late.push(`${operation} ${path}`)
        return null
      },
    })
    const broker = await openEmbeddedBroker({ directory: '/data', fileSystem: disk, clock, random: seededRandom(seed) })
    await broker.topics.create([{ topic: 't', partitions: partitions.length }])
    const calls = new Calls()
    const acknowledged: { partition: number; offset: number }[] = []
    work(broker, calls, random, acknowledged)
    for (let turns = randomInteger(random, 40); turns > 0; turns--) {
      if (randomInteger(random, 4) === 0) await clock.advance(randomInteger(random, 200))
      else await macroTurn()
    }
    for (let turns = randomInteger(random, 20); turns > 0; turns--) await Promise.resolve()
    await broker.close()
    isClosed = true
    await eventually(async () => expect([...calls.open.values()], 'calls that were not answered').toEqual([]))
    expect(calls.strange).toEqual([])
    expect(unhandled).toEqual([])
    expect(late, 'done to a directory that another process may have by now').toEqual([])
    isClosed = false
    expect(clock.pendingTimers).toBe(0)
    expect(disk.openFiles).toBe(0)
    const again = await openEmbeddedBroker({ directory: '/data', fileSystem: disk, clock, random: seededRandom(seed) })
    const ends = await again.topics.listOffsets(partitions.map((partition) => ({ topic: 't', partition, at: 'latest' })))
    expect(acknowledged.filter(({ partition, offset }) => offset >= ends[partition]!.offset), 'acknowledged, and gone').toEqual([])
    await again.close()
    expect(clock.pendingTimers).toBe(0)
  })
})
