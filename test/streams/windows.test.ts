import { describe, expect, it } from 'vitest'
import { hopping, joinWithin, session, sliding, tumbling, unlimited, windowsRetentionMs } from '../../src/streams/windows.ts'

describe('windows', () => {
  it('are plain frozen data in milliseconds', () => {
    expect(tumbling('1m', { grace: '10s' })).toEqual({ type: 'time', sizeMs: 60_000, advanceMs: 60_000, graceMs: 10_000 })
    expect(hopping('1m', { advance: '20s' })).toEqual({ type: 'time', sizeMs: 60_000, advanceMs: 20_000, graceMs: 0 })
    expect(sliding('5s')).toEqual({ type: 'sliding', differenceMs: 5_000, graceMs: 0 })
    expect(session('5m', { grace: 1 })).toEqual({ type: 'session', gapMs: 300_000, graceMs: 1 })
    expect(unlimited({ startMs: 7 })).toEqual({ type: 'unlimited', startMs: 7 })
    expect(joinWithin('1s')).toEqual({ type: 'join', beforeMs: 1_000, afterMs: 1_000, graceMs: 0 })
    expect(joinWithin({ before: -5, after: 10 })).toEqual({ type: 'join', beforeMs: -5, afterMs: 10, graceMs: 0 })
    expect(Object.isFrozen(tumbling(1))).toBe(true)
  })

  it('refuse sizes that make no windows', () => {
    expect(() => tumbling(0)).toThrow('more than 0')
    expect(() => tumbling('1 minute' as never)).toThrow('is not a duration')
    expect(() => hopping('1m', { advance: '2m' })).toThrow('gaps between windows')
    expect(() => session(0.5)).toThrow('whole number')
    expect(() => joinWithin({ before: -20, after: 10 })).toThrow('no two records')
  })

  it('say how long their stores must keep them', () => {
    expect(windowsRetentionMs(tumbling(10, { grace: 5 }))).toBe(15)
    expect(windowsRetentionMs(sliding(10, { grace: 5 }))).toBe(25)
    expect(windowsRetentionMs(session(10, { grace: 5 }))).toBe(15)
    expect(windowsRetentionMs(joinWithin({ before: 3, after: 4 }, { grace: 5 }))).toBe(12)
    expect(windowsRetentionMs(unlimited())).toBe(Infinity)
  })
})
