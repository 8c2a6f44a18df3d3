import { describe, expect, it } from 'vitest'
import { RecordBatchBuilder, seededRandom } from '../../../src/core/index.ts'
import { BrokerClient } from '../../../src/core/engine/broker-client.ts'
import { LocalEngine } from '../../../src/core/engine/local-engine.ts'
import type { ProducerIdentity } from '../../../src/core/engine/transaction-state.ts'
import { sealBatch } from '../../../src/core/log/record-batch.ts'
import { codeOf, visibleValues } from '../../contract/contract-kit.ts'
import { heldDisk, turns } from '../../kit/held-disk.ts'
import { ManualClock } from '../../kit/manual-clock.ts'
import { MemoryFileSystem } from '../../kit/memory-file-system.ts'

const target = { topic: 't', partition: 0 }
const transactionalId = 'tx'

async function openEngine(disk = new MemoryFileSystem(), clock = new ManualClock()): Promise<LocalEngine> {
  return LocalEngine.open({ directory: '/data', fileSystem: disk, clock, random: seededRandom(1), internalTopicPartitions: 3, offsetsRetentionMs: 60_000 })
}

async function withTopic(disk?: MemoryFileSystem, clock?: ManualClock): Promise<LocalEngine> {
  const engine = await openEngine(disk, clock)
  await engine.createTopics([{ topic: 't', partitions: 1 }])
  return engine
}

function batch(value: string, producer: ProducerIdentity, baseSequence = 0): Uint8Array {
  const builder = new RecordBatchBuilder({ maxBytes: 10_000 })
  builder.add(null, Buffer.from(value), 1)
  const { bytes } = builder.build()
  sealBatch(bytes, { ...producer, baseSequence, transactional: true })
  return bytes
}

const init = (engine: LocalEngine) => engine.initProducer({ transactionalId, transactionTimeoutMs: 60_000 })
const write = (engine: LocalEngine, value: string, producer: ProducerIdentity, addsPartition = true) => engine.appendFromClient({ ...target, bytes: batch(value, producer), transactionalId, addsPartition })
const end = (engine: LocalEngine, producer: ProducerIdentity, outcome: 'commit' | 'abort') => engine.endTransaction({ transactionalId, producer, outcome, acknowledge: 'durable', newEpoch: true })

function committed(engine: LocalEngine) {
  return visibleValues(new BrokerClient(engine, { clock: engine.log.clock, random: seededRandom(2), closeEngine: async () => undefined }), target, 'read-committed')
}

describe('a change of owner', () => {
  it('is answered again to who did not get the answer, until the new owner has begun', async () => {
    const engine = await withTopic()
    const first = await init(engine)
    const next = () => engine.initProducer({ transactionalId, transactionTimeoutMs: 60_000, expected: first })
    const second = await next()
    expect(await next()).toEqual(second)
    await write(engine, 'a', second)
    expect(await codeOf(next)).toBe('PRODUCER_FENCED')
    await engine.close()
  })

  it('that the disk does not take leaves the id to who had it', async () => {
    let isFull = false
    const disk = new MemoryFileSystem({ fault: (operation, path) => (isFull && operation === 'write' && path.includes('__transaction_state') ? 'ENOSPC' : null) })
    const engine = await withTopic(disk)
    const first = await init(engine)
    isFull = true
    expect(await codeOf(() => init(engine))).toBe('STORAGE_FULL')
    isFull = false
    await write(engine, 'a', first)
    await end(engine, first, 'commit')
    expect(await committed(engine)).toEqual(['a'])
    await engine.close()
  })
})

describe('transactions of version 2', () => {
  it('add what they write to by themselves, and give the producer a new epoch with each end', async () => {
    const engine = await withTopic()
    const first = await init(engine)
    await write(engine, 'a', first)
    const second = await end(engine, first, 'commit')
    expect(second).toEqual({ ...first, producerEpoch: first.producerEpoch + 1 })
    await write(engine, 'b', second)
    const third = await end(engine, second, 'abort')
    await write(engine, 'c', third)
    await end(engine, third, 'commit')
    expect(await committed(engine)).toEqual(['a', 'c'])
    await engine.close()
  })

  it('answer an end that comes again with the same epoch, also after a restart', async () => {
    const disk = new MemoryFileSystem()
    const engine = await withTopic(disk)
    const first = await init(engine)
    await write(engine, 'a', first)
    const second = await end(engine, first, 'commit')
    expect(await end(engine, first, 'commit')).toEqual(second)
    await engine.close()
    const again = await openEngine(disk)
    expect(await end(again, first, 'commit')).toEqual(second)
    expect(await committed(again)).toEqual(['a'])
    await again.close()
  })

  it('are not joined by a write that comes late, with the epoch before: it would hang, or be part of the next one', async () => {
    const engine = await withTopic()
    const first = await init(engine)
    await write(engine, 'a', first)
    const second = await end(engine, first, 'abort')
    expect(await codeOf(() => write(engine, 'late', first))).toBe('INVALID_PRODUCER_EPOCH')
    await write(engine, 'b', second)
    expect(await codeOf(() => write(engine, 'late', first))).toBe('INVALID_PRODUCER_EPOCH')
    await end(engine, second, 'commit')
    expect(await committed(engine)).toEqual(['b'])
    expect(engine.log.partition(target).log.lastStableOffset).toBe(engine.log.partition(target).log.highWatermark)
    await engine.close()
  })

  it('are aborted when their time is up; the producer may abort then and goes on with the new epoch', async () => {
    const clock = new ManualClock()
    const engine = await withTopic(undefined, clock)
    const first = await engine.initProducer({ transactionalId, transactionTimeoutMs: 1_000 })
    await write(engine, 'slow', first)
    await clock.advance(1_001)
    expect(await codeOf(() => write(engine, 'more', first))).toBe('INVALID_PRODUCER_EPOCH')
    expect(await codeOf(() => end(engine, first, 'commit'))).toBe('INVALID_TXN_STATE')
    const second = await end(engine, first, 'abort')
    await write(engine, 'kept', second)
    await end(engine, second, 'commit')
    expect(await committed(engine)).toEqual(['kept'])
    await engine.close()
  })
})

describe('a client that adds partitions by itself', () => {
  it('cannot write to one that it did not add: nobody would end it', async () => {
    const engine = await withTopic()
    const producer = await init(engine)
    expect(await codeOf(() => write(engine, 'lost', producer, false))).toBe('INVALID_TXN_STATE')
    expect(engine.log.partition(target).log.logEndOffset).toBe(0)
    engine.transactions.addPartition(transactionalId, producer, target)
    await write(engine, 'kept', producer, false)
    await engine.endTransaction({ transactionalId, producer, outcome: 'commit', acknowledge: 'durable' })
    expect(await committed(engine)).toEqual(['kept'])
    await engine.close()
  })
})

const dayMs = 86_400_000

/** Use sets off the housekeeping, which takes some turns of the event loop. */
async function keepHouse(engine: LocalEngine): Promise<void> {
  await engine.fetch({ positions: [], maxBytes: 1, minBytes: 0, maxWaitMs: 0, isolation: 'read-committed' })
  for (let turn = 0; turn < 20; turn++) await new Promise(setImmediate)
}

describe('a transactional id that nobody uses', () => {
  it('is forgotten after 7 days, for good: its producer is told, and whoever comes back begins anew', async () => {
    const [disk, clock] = [new MemoryFileSystem(), new ManualClock()]
    const engine = await withTopic(disk, clock)
    const first = await init(engine)
    await write(engine, 'a', first)
    const second = await end(engine, first, 'commit')
    await clock.advance(7 * dayMs - 1)
    await keepHouse(engine)
    expect(engine.transactions.stateOf(transactionalId)).toMatchObject({ status: 'complete-commit', ...second })
    await clock.advance(300_000)
    await keepHouse(engine)
    expect(engine.transactions.stateOf(transactionalId)).toBeUndefined()
    expect(await codeOf(() => end(engine, second, 'abort'))).toBe('INVALID_PRODUCER_ID_MAPPING')
    await engine.close()
    const again = await openEngine(disk, clock)
    expect(again.transactions.list()).toEqual([])
    expect((await init(again)).producerId).not.toBe(second.producerId)
    await again.close()
  })

  it('is kept as long as its transaction is open, and from each use on for another 7 days', async () => {
    const clock = new ManualClock()
    const engine = await withTopic(undefined, clock)
    await init(engine)
    await clock.advance(5 * dayMs)
    const used = await init(engine)
    await clock.advance(5 * dayMs)
    await keepHouse(engine)
    expect(engine.transactions.stateOf(transactionalId)).toMatchObject({ status: 'empty', ...used })
    await write(engine, 'a', used)
    await clock.advance(1_000)
    await engine.transactions.expireIds(500)
    expect(engine.transactions.stateOf(transactionalId)).toMatchObject({ status: 'ongoing', ...used })
    await engine.close()
  })
})

describe('a decided transaction', () => {
  it('is finished as soon as a disk that was full has room for its markers, though its producer has gone', async () => {
    let isFull = false
    const disk = new MemoryFileSystem({ fault: (operation, path) => (isFull && operation === 'write' && path.includes('/t-0/') ? 'ENOSPC' : null) })
    const clock = new ManualClock()
    const engine = await withTopic(disk, clock)
    const producer = await init(engine)
    await write(engine, 'a', producer)
    isFull = true
    expect(await codeOf(() => engine.endTransaction({ transactionalId, producer, outcome: 'commit', acknowledge: 'durable' }))).toBe('STORAGE_FULL')
    await clock.advance(5_000)
    expect(await committed(engine)).toEqual([])
    isFull = false
    await clock.advance(1_000)
    await turns()
    expect(await committed(engine)).toEqual(['a'])
    await engine.close()
    expect(clock.pendingTimers).toBe(0)
  })

  it('gets no marker before the decision is on disk, however often it is tried: a restart may not find it decided', async () => {
    let isBroken = false
    const disk = new MemoryFileSystem({ fault: (operation, path) => (isBroken && operation === 'sync' && path.includes('__transaction_state') ? 'EIO' : null) })
    const engine = await withTopic(disk)
    const producer = await init(engine)
    await write(engine, 'a', producer)
    isBroken = true
    for (let attempt = 0; attempt < 3; attempt++) {
      expect(await codeOf(() => engine.endTransaction({ transactionalId, producer, outcome: 'commit', acknowledge: 'durable' }))).toBe('STORAGE_ERROR')
      expect(engine.log.partition(target).log.hasOpenTransaction(producer.producerId)).toBe(true)
    }
    expect(await codeOf(() => init(engine))).toBe('STORAGE_ERROR')
    expect(engine.log.partition(target).log.hasOpenTransaction(producer.producerId)).toBe(true)
    await engine.close().catch(() => undefined)
  })

  it('is not held up by a topic of it that is removed in whatever step', async () => {
    const engine = await withTopic()
    const values: string[] = []
    for (let waits = 0; waits < 40; waits++) {
      const gone = { topic: `gone-${waits}`, partition: 0 }
      await engine.createTopics([{ topic: gone.topic, partitions: 1 }])
      const producer = await init(engine)
      await write(engine, `a${waits}`, producer)
      await engine.appendFromClient({ ...gone, bytes: batch('b', producer), transactionalId, addsPartition: true })
      // Not yet on disk, as the embedded producer's.
      engine.log.partition(target).log.append(batch(`c${waits}`, producer, 1), 'builder')
      engine.log.partition(gone).log.append(batch('d', producer, 1), 'builder')
      const ending = engine.endTransaction({ transactionalId, producer, outcome: 'commit', acknowledge: 'durable' })
      const removing = (async () => {
        for (let turn = 0; turn < waits; turn++) await Promise.resolve()
        await engine.removeTopics([gone.topic])
      })()
      await Promise.all([ending, removing])
      values.push(`a${waits}`, `c${waits}`)
    }
    expect(await committed(engine)).toEqual(values)
    await engine.close()
  })
})

/** A power cut takes all that was not synced: the record of completion, which nobody waits for, is among it. */
describe('a commit whose completion a power cut took', () => {
  const dropAll = { random: { next: () => 0 } }
  const afterCut = async (engine: LocalEngine, disk: MemoryFileSystem) => {
    const left = disk.crash(dropAll)
    await engine.close()
    return left
  }
  const noMember = { groupId: 'g', generation: -1, memberId: '', groupInstanceId: null }
  const commit = (engine: LocalEngine, producer: ProducerIdentity, newEpoch: boolean) => engine.endTransaction({ transactionalId, producer, outcome: 'commit', acknowledge: 'durable', newEpoch })

  it.each([[1, false], [2, true]])('is told from what its producer wrote next, which nothing has decided (transactions of version %i)', async (_version, newEpoch) => {
    const disk = new MemoryFileSystem(dropAll)
    const engine = await withTopic(disk)
    const first = await init(engine)
    await write(engine, 'a', first)
    await engine.commitTransactionOffsets({ transactionalId, producer: first, group: noMember, offsets: [{ ...target, offset: 1 }] })
    const second = await commit(engine, first, newEpoch)
    await engine.appendFromClient({ ...target, bytes: batch('b', second, newEpoch ? 0 : 1), transactionalId, addsPartition: true })
    await engine.commitTransactionOffsets({ transactionalId, producer: second, group: noMember, offsets: [{ ...target, offset: 2 }] })
    await engine.log.syncTogether([engine.log.partition(engine.offsetsTopic.partitionFor('g'))])
    const again = await openEngine(await afterCut(engine, disk))
    expect(await committed(again)).toEqual(['a'])
    expect(await again.fetchOffsets({ groupId: 'g', partitions: null, stable: true })).toMatchObject([{ offset: 1 }])
    expect(again.log.partition(target).log.hasOpenTransaction(second.producerId)).toBe(false)
    expect(again.transactions.stateOf(transactionalId)?.status).toBe('complete-commit')
    await again.close()
  })

  it('is told from what its producer wrote next to a topic that was made anew, at the same offset', async () => {
    const disk = new MemoryFileSystem(dropAll)
    const engine = await withTopic(disk)
    const producer = await init(engine)
    await write(engine, 'a', producer)
    await commit(engine, producer, false)
    await engine.removeTopics(['t'])
    await engine.createTopics([{ topic: 't', partitions: 1 }])
    await write(engine, 'b', producer)
    const again = await openEngine(await afterCut(engine, disk))
    expect(await committed(again)).toEqual([])
    await again.close()
  })

  it('is found complete after a second power cut, by which its producer had begun anew', async () => {
    let disk = new MemoryFileSystem(dropAll)
    let engine = await withTopic(disk)
    const producer = await init(engine)
    await write(engine, 'a', producer)
    await commit(engine, producer, false)
    for (const value of ['b', 'c', 'd']) {
      engine = await openEngine((disk = await afterCut(engine, disk)))
      expect(await committed(engine)).toEqual(['a'])
      await write(engine, value, await init(engine))
    }
    await engine.close()
  })
})

describe('a transactional id that is taken over while it is being forgotten', () => {
  it('stays with who took it over', async () => {
    const disk = heldDisk()
    const clock = new ManualClock()
    const engine = await LocalEngine.open({ directory: '/data', fileSystem: disk.fileSystem, clock, random: seededRandom(1), internalTopicPartitions: 1, offsetsRetentionMs: 60_000 })
    await engine.createTopics([{ topic: 't', partitions: 1 }])
    await init(engine)
    await clock.advance(1_000)
    for (const waits of [0, 1, 2, 3]) {
      const release = disk.hold('__transaction_state')
      const expiring = engine.transactions.expireIds(500)
      for (let turn = 0; turn < waits; turn++) await Promise.resolve()
      const taking = init(engine)
      await turns()
      release()
      const [producer] = await Promise.all([taking, expiring])
      await write(engine, `after ${waits}`, producer)
      await end(engine, producer, 'commit')
      await clock.advance(1_000)
    }
    expect(await committed(engine)).toEqual(['after 0', 'after 1', 'after 2', 'after 3'])
    await engine.close()
  })
})
