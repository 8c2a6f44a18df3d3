import { describe, expect, it } from 'vitest'
import { TaskGauges } from '../../../src/connect/runtime/task-gauges.ts'

describe('the gauges of a task', () => {
  it('are read when somebody looks, and the same name again replaces one', () => {
    const gauges = new TaskGauges()
    let lag = 1
    gauges.set({ name: 'lag_bytes', help: 'Behind.' }, () => 0)
    gauges.set({ name: 'lag_bytes', help: 'Behind.' }, () => lag)
    lag = 7
    expect(gauges.readings()).toEqual([{ name: 'lag_bytes', help: 'Behind.', value: 7 }])
  })

  it('leave out what cannot be read now', () => {
    const gauges = new TaskGauges()
    gauges.set({ name: 'broken', help: '' }, () => { throw new Error('closed') })
    gauges.set({ name: 'unknown', help: '' }, () => Number.NaN)
    gauges.set({ name: 'good', help: '' }, () => 0)
    expect(gauges.readings().map(({ name }) => name)).toEqual(['good'])
  })

  it.each(['', 'Lag', 'lag-bytes', '1st', 'a{b="c"}'])('refuse the name "%s"', (name) => {
    expect(() => new TaskGauges().set({ name, help: '' }, () => 1)).toThrow('needs a name of small letters')
  })

  it('are bounded', () => {
    const gauges = new TaskGauges()
    for (let index = 0; index < 100; index++) gauges.set({ name: `g${index}`, help: '' }, () => index)
    expect(() => gauges.set({ name: 'more', help: '' }, () => 1)).toThrow('may publish 100 gauges')
  })
})
