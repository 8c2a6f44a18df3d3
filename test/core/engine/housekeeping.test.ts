import { describe, expect, it } from 'vitest'
import { Housekeeping } from '../../../src/core/engine/housekeeping.ts'
import { ManualClock } from '../../kit/manual-clock.ts'

describe('housekeeping', () => {
  it('begins half a minute after the start, and is then repeated at most once an interval, when the engine is used', async () => {
    const clock = new ManualClock()
    let runs = 0
    const housekeeping = new Housekeeping(clock, 300_000, [() => Promise.resolve(void runs++)])
    const use = async () => {
      housekeeping.poke()
      await clock.advance(0)
      return runs
    }
    expect(await use()).toBe(0)
    await clock.advance(30_000)
    expect(await use()).toBe(1)
    expect(await use()).toBe(1)
    await clock.advance(300_000)
    expect(runs).toBe(1)
    expect(await use()).toBe(2)
    expect(clock.pendingTimers).toBe(0)
  })

  it('goes on with the other chores when one fails, and starts none after it was closed', async () => {
    const clock = new ManualClock()
    const done: string[] = []
    const housekeeping = new Housekeeping(clock, 1_000, [() => Promise.reject(new Error('a full disk')), () => Promise.resolve(void done.push('second'))])
    await clock.advance(30_000)
    housekeeping.poke()
    await clock.advance(0)
    expect(done).toEqual(['second'])
    await housekeeping.close()
    await clock.advance(60_000)
    housekeeping.poke()
    await clock.advance(0)
    expect(done).toEqual(['second'])
  })

  it('begins no chore any more once it closes, and waits for the one at hand', async () => {
    const clock = new ManualClock()
    const done: string[] = []
    let finish = () => undefined as void
    const first = () => new Promise<void>((resolve) => (finish = resolve)).then(() => void done.push('first'))
    const housekeeping = new Housekeeping(clock, 1_000, [first, () => Promise.resolve(void done.push('second'))])
    await clock.advance(30_000)
    housekeeping.poke()
    const closed = housekeeping.close().then(() => done.push('closed'))
    finish()
    await closed
    expect(done).toEqual(['first', 'closed'])
    await clock.advance(1_000)
    housekeeping.poke()
    finish()
    await clock.advance(0)
    expect(done).toEqual(['first', 'closed'])
  })
})
