import { describe, expect, it } from 'vitest'
import type { SessionKey } from '../../../../src/connect/runtime/herder/config-records.ts'
import { SessionKeys } from '../../../../src/connect/runtime/herder/session-keys.ts'
import { ManualClock } from '../../../kit/manual-clock.ts'
import { memoryLog } from '../connect-kit.ts'

const ttlMs = 3_600_000

function keysOf(put: (key: SessionKey) => void = () => {}) {
  const clock = new ManualClock()
  const made: SessionKey[] = []
  const state = { isLeader: true }
  const log = memoryLog()
  const keys = new SessionKeys({
    clock, log, ttlMs, known: () => made.at(-1) ?? null, isLeader: () => state.isLeader,
    put: async (key) => {
      put(key)
      made.push(key)
    },
  })
  return { clock, made, state, log, keys }
}

describe('the key of a cluster', () => {
  it('is made by the leader, and anew each time it has lived long enough', async () => {
    const { clock, made, keys } = keysOf()
    await keys.ensure()
    await keys.ensure()
    expect(made).toHaveLength(1)
    await clock.advance(ttlMs - 1)
    expect(made).toHaveLength(1)
    await clock.advance(1)
    expect(made).toHaveLength(2)
    await clock.advance(ttlMs)
    expect(new Set(made.map(({ key }) => key)).size).toBe(3)
    keys.close()
    expect(clock.pendingTimers).toBe(0)
  })

  it('is not made by who leads no more', async () => {
    const { clock, made, state, keys } = keysOf()
    await keys.ensure()
    state.isLeader = false
    await clock.advance(3 * ttlMs)
    expect(made).toHaveLength(1)
  })

  it('is tried again when it cannot be written', async () => {
    let isAway = false
    const { clock, made, log, keys } = keysOf(() => { if (isAway) throw new Error('the log is away') })
    await keys.ensure()
    isAway = true
    await clock.advance(ttlMs)
    expect(log.lines).toEqual(['warn: the key of the cluster cannot be made anew: the log is away'])
    isAway = false
    await clock.advance(5_000)
    expect(made).toHaveLength(2)
    keys.close()
  })
})
