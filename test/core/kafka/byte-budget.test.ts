import { describe, expect, it } from 'vitest'
import { ByteBudget } from '../../../src/core/kafka/byte-budget.ts'

describe('ByteBudget', () => {
  it('lets waiting requests through in their order, and nobody past them', async () => {
    const budget = new ByteBudget(10)
    const order: string[] = []
    await budget.acquire(8)
    const large = budget.acquire(9).then(() => order.push('large'))
    const small = budget.acquire(1).then(() => order.push('small'))
    expect(budget.tryAcquire(1)).toBe(false)
    budget.release(8)
    await Promise.all([large, small])
    expect(order).toEqual(['large', 'small'])
  })

  it('lets a request larger than the bound through alone', async () => {
    const budget = new ByteBudget(10)
    await budget.acquire(100)
    expect(budget.tryAcquire(1)).toBe(false)
    budget.release(100)
    expect(budget.tryAcquire(10)).toBe(true)
  })

  it('refuses those who wait, and goes on', async () => {
    const budget = new ByteBudget(1)
    await budget.acquire(1)
    const waiting = budget.acquire(1)
    budget.refuseWaiting(new Error('closed'))
    await expect(waiting).rejects.toThrow('closed')
    budget.release(1)
    expect(budget.tryAcquire(1)).toBe(true)
  })
})
