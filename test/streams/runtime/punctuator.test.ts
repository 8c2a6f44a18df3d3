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

  it('runs those that are due at once in the order in which upstream\'s heap has them', () => {
    const queue = new PunctuationQueue()
    const ran: string[] = []
    for (const name of ['a', 'b', 'c', 'd']) queue.schedule(0, 10, () => ran.push(name))
    queue.punctuate(1)
    queue.punctuate(10)
    expect(ran.join('')).toBe('adbcbcad')
  })

  it('runs at once what a punctuator schedules for a time that has come, and ends when that schedules more', () => {
    const queue = new PunctuationQueue()
    const ran: string[] = []
    const again = (depth: number) => () => {
      ran.push(`${depth}`)
      queue.schedule(0, 100, again(depth + 1))
    }
    queue.schedule(0, 100, again(0))
    queue.punctuate(5)
    expect(ran).toEqual(['0', '1'])
    queue.punctuate(6)
    expect(ran.slice(2)).toEqual(['2', '3'])
  })

  it('keeps no more than some of those that are cancelled long before their time', () => {
    const queue = new PunctuationQueue()
    let ran = 0
    const kept = queue.schedule(1_000, 1_000, () => ran++)
    for (let round = 0; round < 10_000; round++) queue.schedule(1_000_000, 1, () => undefined).cancel()
    expect(queue.size).toBeLessThan(200)
    queue.punctuate(1_000)
    kept.cancel()
    queue.punctuate(5_000_000)
    expect([ran, queue.size]).toEqual([1, 0])
  })
})
