import { describe, expect, it } from 'vitest'
import { durationMs } from '../../src/core/duration.ts'

describe('durationMs', () => {
  it('reads milliseconds and text with a unit', () => {
    expect([durationMs(5), durationMs('250ms'), durationMs('10s'), durationMs('1.5m'), durationMs('2h'), durationMs('7d')]).toEqual([5, 250, 10_000, 90_000, 7_200_000, 604_800_000])
  })

  it('refuses anything else and names the option', () => {
    expect(() => durationMs('1 minute' as never, 'grace')).toThrow(/grace: "1 minute" is not a duration/)
    expect(() => durationMs(-1)).toThrow(/-1/)
  })
})
