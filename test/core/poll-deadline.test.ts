import { describe, expect, it } from 'vitest'
import { PollDeadline } from '../../src/core/poll-deadline.ts'
import { ManualClock } from '../kit/manual-clock.ts'

function watched(intervalMs = 1_000) {
  const clock = new ManualClock()
  const state = { expired: 0 }
  const deadline = new PollDeadline(clock, intervalMs, () => state.expired++)
  return { clock, state, deadline }
}

const turn = () => new Promise((resolve) => setImmediate(resolve))

describe('PollDeadline', () => {
  it('calls once when nobody has read for the interval, and again only after another read', async () => {
    const { clock, state, deadline } = watched()
    deadline.done()
    await clock.advance(999)
    await turn()
    expect(state.expired).toBe(0)
    await clock.advance(1)
    await turn()
    await clock.advance(10_000)
    await turn()
    expect(state.expired).toBe(1)
    deadline.begin()
    deadline.done()
    await clock.advance(1_000)
    await turn()
    expect(state.expired).toBe(2)
  })

  it('counts from the end of the last read, and not while one is going on', async () => {
    const { clock, state, deadline } = watched()
    deadline.done()
    await clock.advance(900)
    deadline.begin()
    await clock.advance(5_000)
    await turn()
    deadline.done()
    await clock.advance(999)
    await turn()
    expect(state.expired).toBe(0)
    await clock.advance(1)
    await turn()
    expect(state.expired).toBe(1)
  })

  it('lets a read that is due in the same turn go first: the process stood still, not the reader', async () => {
    const { clock, state, deadline } = watched()
    deadline.done()
    await clock.advance(1_000)
    deadline.begin()
    deadline.done()
    await turn()
    expect(state.expired).toBe(0)
    expect(clock.pendingTimers).toBe(1)
  })

  it('says nothing after it was stopped, and keeps no timer', async () => {
    const { clock, state, deadline } = watched()
    deadline.done()
    await clock.advance(1_000)
    deadline.stop()
    await turn()
    expect([state.expired, clock.pendingTimers]).toEqual([0, 0])
  })
})
