import { describe, expect, it } from 'vitest'
import {
  addPartitions, complete, fence, isCompleting, isEpochBefore, needsNewProducerId, newTransactionState, prepare, prepareNextEpoch, takeOver,
} from '../../../src/core/engine/transaction-state.ts'
import type { TransactionState } from '../../../src/core/engine/transaction-state.ts'
import { codeOf } from '../../contract/contract-kit.ts'

const fresh = newTransactionState('tx', 7, 60_000, 1_000)
const owner = { producerId: 7, producerEpoch: 0 }
const a = { topic: 't', partition: 0 }
const b = { topic: 't', partition: 1 }
const ongoing = addPartitions(fresh, owner, [a], 2_000)

function prepared(state: TransactionState, outcome: 'commit' | 'abort'): TransactionState {
  const answer = prepare(state, owner, outcome, 3_000)
  if (answer.kind !== 'prepared') throw new Error('it was complete already')
  return answer.state
}

describe('a transaction', () => {
  it('begins with its first partition and collects each of them once', () => {
    expect(ongoing).toMatchObject({ status: 'ongoing', partitions: [a], startTimestamp: 2_000 })
    expect(addPartitions(ongoing, owner, [a], 9_000)).toBe(ongoing)
    expect(addPartitions(ongoing, owner, [a, b], 9_000)).toMatchObject({ partitions: [a, b], startTimestamp: 2_000 })
  })

  it.each(['commit', 'abort'] as const)('goes through the decision to %s to its completion, and answers a repeated call', (outcome) => {
    const decided = prepared(ongoing, outcome)
    expect(decided.status).toBe(`prepare-${outcome}`)
    expect(isCompleting(decided)).toBe(true)
    const done = complete(decided, 4_000)
    expect(done).toMatchObject({ status: `complete-${outcome}`, partitions: [] })
    expect(prepare(done, owner, outcome, 5_000)).toEqual({ kind: 'complete' })
  })

  it('refuses the opposite outcome, and any outcome when nothing is open', async () => {
    const committed = complete(prepared(ongoing, 'commit'), 4_000)
    expect(await codeOf(() => prepare(committed, owner, 'abort', 5_000))).toBe('INVALID_TXN_STATE')
    expect(await codeOf(() => prepare(prepared(ongoing, 'commit'), owner, 'abort', 5_000))).toBe('INVALID_TXN_STATE')
    expect(await codeOf(() => prepare(fresh, owner, 'commit', 5_000))).toBe('INVALID_TXN_STATE')
  })

  it('takes no partition and no second decision while it is being completed', async () => {
    const decided = prepared(ongoing, 'commit')
    expect(await codeOf(() => addPartitions(decided, owner, [b], 5_000))).toBe('CONCURRENT_TRANSACTIONS')
    expect(await codeOf(() => prepare(decided, owner, 'commit', 5_000))).toBe('CONCURRENT_TRANSACTIONS')
  })

  it('can be followed by the next one', () => {
    const next = addPartitions(complete(prepared(ongoing, 'commit'), 4_000), owner, [b], 6_000)
    expect(next).toMatchObject({ status: 'ongoing', partitions: [b], startTimestamp: 6_000 })
  })
})

describe('who owns a transactional id', () => {
  it('is told by producer id and epoch', async () => {
    expect(await codeOf(() => addPartitions(ongoing, { producerId: 8, producerEpoch: 0 }, [b], 1))).toBe('INVALID_PRODUCER_ID_MAPPING')
    expect(await codeOf(() => prepare(ongoing, { producerId: 7, producerEpoch: 1 }, 'commit', 1))).toBe('PRODUCER_FENCED')
  })

  it('changes with the epoch, so that the owner before is fenced', async () => {
    const next = takeOver(fresh, { newProducerId: -1, timeoutMs: 5_000, now: 9_000 })
    expect(next).toMatchObject({ producerId: 7, producerEpoch: 1, timeoutMs: 5_000, status: 'empty' })
    expect(await codeOf(() => addPartitions(next, owner, [a], 1))).toBe('PRODUCER_FENCED')
  })

  it('changes with the producer id when the epochs are used up', () => {
    const last = { ...fresh, producerEpoch: 32_766 }
    expect(needsNewProducerId(last)).toBe(true)
    expect(takeOver(last, { newProducerId: 99, timeoutMs: 1, now: 1 })).toMatchObject({ producerId: 99, previousProducerId: 7, producerEpoch: 0 })
  })

  it('is lost by a fence, which aborts what is open under the next epoch', async () => {
    const fenced = fence(ongoing, 5_000)
    expect(fenced).toMatchObject({ status: 'prepare-abort', producerEpoch: 1, partitions: [a] })
    expect(await codeOf(() => prepare(fenced, owner, 'commit', 6_000))).toBe('PRODUCER_FENCED')
  })
})

describe('a transaction of version 2', () => {
  const change = { newProducerId: 99, now: 5_000 }
  const next = { producerId: 7, producerEpoch: 1 }
  const decided = (state: TransactionState, outcome: 'commit' | 'abort', producer = owner): TransactionState => {
    const answer = prepareNextEpoch(state, producer, outcome, change)
    if (answer.kind !== 'prepared') throw new Error('it was complete already')
    return answer.state
  }

  it.each(['commit', 'abort'] as const)('goes on to the next epoch with its %s, and answers a call that comes again with the epoch before', (outcome) => {
    const prepared = decided(ongoing, outcome)
    expect(prepared).toMatchObject({ status: `prepare-${outcome}`, producerEpoch: 1, partitions: [a], startTimestamp: 2_000 })
    const done = complete(prepared, 6_000)
    expect(done).toMatchObject({ status: `complete-${outcome}`, producerId: 7, producerEpoch: 1, partitions: [] })
    expect(isEpochBefore(done, owner)).toBe(true)
    expect(prepareNextEpoch(done, owner, outcome, change)).toEqual({ kind: 'complete' })
  })

  it('refuses everybody who is not at the epoch, nor repeats the call before', async () => {
    const committed = complete(decided(ongoing, 'commit'), 6_000)
    expect(await codeOf(() => prepareNextEpoch(committed, owner, 'abort', change)), 'the opposite, again').toBe('INVALID_TXN_STATE')
    expect(await codeOf(() => prepareNextEpoch(committed, next, 'commit', change)), 'nothing is open').toBe('INVALID_TXN_STATE')
    expect(await codeOf(() => prepareNextEpoch(committed, { ...next, producerEpoch: 2 }, 'abort', change)), 'an epoch to come').toBe('PRODUCER_FENCED')
    const ongoingAgain = addPartitions(committed, next, [b], 7_000)
    expect(await codeOf(() => prepareNextEpoch(ongoingAgain, owner, 'commit', change)), 'the epoch before, while the next is open').toBe('PRODUCER_FENCED')
    expect(await codeOf(() => addPartitions(committed, owner, [b], 7_000)), 'a late write').toBe('PRODUCER_FENCED')
    expect(await codeOf(() => prepareNextEpoch(committed, { producerId: 8, producerEpoch: 1 }, 'commit', change))).toBe('INVALID_PRODUCER_ID_MAPPING')
  })

  it('lets an abort that comes again wait for the markers, and refuses the commit', async () => {
    const aborting = decided(ongoing, 'abort')
    expect(await codeOf(() => prepareNextEpoch(aborting, owner, 'abort', change))).toBe('CONCURRENT_TRANSACTIONS')
    expect(await codeOf(() => prepareNextEpoch(aborting, owner, 'commit', change))).toBe('INVALID_TXN_STATE')
    expect(await codeOf(() => prepareNextEpoch(aborting, next, 'abort', change))).toBe('PRODUCER_FENCED')
  })

  it.each([fresh, complete(decided(ongoing, 'commit'), 6_000)])('may be aborted without anything in it, and is one epoch on then', (idle) => {
    const epoch = idle.producerEpoch
    expect(decided(idle, 'abort', { producerId: 7, producerEpoch: epoch })).toMatchObject({ status: 'prepare-abort', partitions: [], producerEpoch: epoch + 1, startTimestamp: 5_000 })
  })

  it('goes on with a new producer id when the epochs are used up, and still knows who asks again', () => {
    const last = { ...ongoing, producerEpoch: 32_766 }
    const exhausted = { producerId: 7, producerEpoch: 32_766 }
    const prepared = decided(last, 'commit', exhausted)
    expect(prepared, 'the markers are those of the old id').toMatchObject({ producerId: 7, producerEpoch: 32_767, nextProducerId: 99 })
    const done = complete(prepared, 6_000)
    expect(done).toMatchObject({ producerId: 99, producerEpoch: 0, previousProducerId: 7, nextProducerId: -1 })
    expect(prepareNextEpoch(done, exhausted, 'commit', change)).toEqual({ kind: 'complete' })
  })
})
