import { describe, expect, it } from 'vitest'
import { TurnBudget } from '../../../src/core/engine/turn-budget.ts'

const turn = () => new Promise((resolve) => setImmediate(resolve))

describe('TurnBudget', () => {
  it('lets some bytes go on in a turn of the event loop, and the others in later ones, in order', async () => {
    const budget = new TurnBudget(100)
    const gone: number[] = []
    for (let i = 0; i < 7; i++) void budget.spend(40).then(() => gone.push(i))
    expect(gone).toEqual([])
    const seen: number[] = []
    while (gone.length < 7) {
      await turn()
      seen.push(gone.length)
    }
    expect(gone).toEqual([0, 1, 2, 3, 4, 5, 6])
    expect(seen.length).toBeGreaterThanOrEqual(2)
    expect(seen[0]).toBeLessThan(7)
  })

  it('lets go on what is larger than all of it', async () => {
    const budget = new TurnBudget(100)
    await budget.spend(1000)
    await budget.spend(1000)
    await turn()
    await budget.spend(1)
  })
})
