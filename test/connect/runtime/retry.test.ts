import { describe, expect, it } from 'vitest'
import { retriableError } from '../../../src/connect/errors.ts'
import { backoffMs, retrying } from '../../../src/connect/runtime/retry.ts'
import type { RetryOptions } from '../../../src/connect/runtime/retry.ts'
import { seededRandom, systemClock } from '../../../src/core/index.ts'
import { memoryLog } from './connect-kit.ts'

function options(pauses: number[], stop = new AbortController()): RetryOptions & { readonly log: ReturnType<typeof memoryLog>; readonly told: (string | null)[] } {
  const told: (string | null)[] = []
  return {
    clock: systemClock, random: seededRandom(1), log: memoryLog(), signal: stop.signal, maxDelayMs: 1000, told,
    waiting: (reason) => { told.push(reason) },
    pause: async (delayMs) => {
      pauses.push(delayMs)
      if (pauses.length === 20) stop.abort()
    },
  }
}

describe('retrying', () => {
  it('says once that it waits and once that it works again', async () => {
    const pauses: number[] = []
    const given = options(pauses)
    let calls = 0
    const result = await retrying('put', () => {
      if (++calls < 6) throw retriableError('away')
      return 'done'
    }, given)
    expect(result).toBe('done')
    expect(given.log.lines).toEqual(['warn: put: away; waiting, will try again until it works', 'info: put: works again, at attempt 6'])
    expect(given.told).toEqual(['away', null])
    expect(pauses.slice(0, 3)).toEqual(pauses.slice(0, 3).toSorted((a, b) => a - b))
    expect(Math.max(...pauses)).toBeLessThanOrEqual(1000)
  })

  it('throws at once what is not retriable', async () => {
    await expect(retrying('put', () => { throw new Error('broken') }, options([]))).rejects.toThrow('broken')
  })

  it('gives up when it is stopped, naming what it waited for', async () => {
    await expect(retrying('put', () => { throw retriableError('away') }, options([]))).rejects.toMatchObject({ code: 'ABORTED', message: expect.stringContaining('away') as string })
  })
})

describe('backoffMs', () => {
  it('doubles up to the ceiling, the last fifth at random', () => {
    const waits = [1, 2, 3, 10, 1000].map((attempt) => backoffMs(attempt, { firstMs: 100, maxMs: 5000 }, { next: () => 0 }))
    expect(waits).toEqual([80, 160, 320, 4000, 4000])
    expect(backoffMs(1, { firstMs: 100, maxMs: 5000 }, { next: () => 1 })).toBe(100)
  })
})
