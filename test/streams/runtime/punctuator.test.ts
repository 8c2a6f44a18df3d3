import { describe, expect, it } from 'vitest'
import { PunctuationQueue, firstOnGrid } from '../../../src/streams/runtime/punctuator.ts'

describe('a punctuator with a time to start at', () => {
  it.each([
    ['then, when it is to come', 50, 30, 50],
    ['at once, when it is now', 50, 50, 50],
    ['at the next place of its grid, when it is past', 5, 30, 35],
    ['at the next place, when now is on the grid', 0, 30, 40],
    ['then, before there is any time', 0, -1, 0],
  ])('is first due %s', (_when, startAt, now, expected) => {
    expect(firstOnGrid(startAt, 10, now)).toBe(expected)
  })
})

describe('PunctuationQueue', () => {
  it('runs once for all that was missed, with the time of now, and stays on its grid', () => {
    const queue = new PunctuationQueue()
    const ran: number[] = []
    queue.schedule(0, 10, (time) => ran.push(time))
    for (const now of [3, 5, 12, 47, 49, 50]) queue.punctuate(now)
    expect(ran).toEqual([3, 12, 47, 50])
  })

  it('runs nothing after a cancel, also when the punctuator itself or another one cancels', () => {
    const queue = new PunctuationQueue()
    const ran: string[] = []
    const own = queue.schedule(0, 1, () => {
      ran.push('own')
      own.cancel()
      other.cancel()
    })
    const other = queue.schedule(0, 1, () => ran.push('other'))
    for (const now of [1, 2, 3]) queue.punctuate(now)
    expect(ran).toEqual(['own'])
    expect(queue.punctuate(4)).toBe(false)
  })

  it('runs the one that is due first before the others', () => {
    const queue = new PunctuationQueue()
    const ran: string[] = []
    queue.schedule(8, 100, () => ran.push('second'))
    queue.schedule(3, 100, () => ran.push('first'))
    queue.punctuate(9)
    expect(ran).toEqual(['first', 'second'])
  })
})
