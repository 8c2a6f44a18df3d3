import { describe, expect, it } from 'vitest'
import { RestorePace } from '../../../src/streams/runtime/restore-pace.ts'

const mebibyte = 1024 * 1024

describe('the pace of restoring', () => {
  it('leaves a slice of time to tasks that have work, however slow or fast restoring is', () => {
    for (const bytesPerMs of [2_000, 20_000, 200_000]) {
      const pace = new RestorePace()
      for (let slice = 0; slice < 30; slice++) {
        const bytes = pace.next(true)
        pace.took(bytes, bytes / bytesPerMs)
      }
      expect(pace.next(true) / bytesPerMs).toBeCloseTo(10, 1)
    }
  })

  it('is as much as there is room for when no task has work', () => {
    const pace = new RestorePace()
    for (let slice = 0; slice < 30; slice++) pace.took(mebibyte, 1_000)
    expect(pace.next(true)).toBe(16 * 1024)
    expect(pace.next(false)).toBe(4 * mebibyte)
  })

  it('does not take a slice without bytes, or without time, for a measure', () => {
    const pace = new RestorePace()
    const before = pace.next(true)
    pace.took(0, 50)
    expect(pace.next(true)).toBe(before)
    pace.took(mebibyte, 0)
    expect(pace.next(true)).toBeLessThanOrEqual(4 * mebibyte)
  })
})
