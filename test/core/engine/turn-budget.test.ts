import { describe, expect, it } from 'vitest'
import { TurnBudget } from '../../../src/core/engine/turn-budget.ts'

const turn = () => new Promise((resolve) => setImmediate(resolve))

describe('TurnBudget', () => {
  it('lets some bytes go on in a turn of the event loop, and the others in later ones, in order', async () => {
    const budget = new TurnBudget(100)
    const gone: number[] = []
    const waits = Array.from({ length: 7 }, (_, i) => {
      const wait = budget.spend(40)
      void (wait ?? Promise.resolve()).then(() => gone.push(i))
      return wait
    })
    expect(waits.map((wait) => wait === undefined)).toEqual([true, true, true, false, false, false, false])
    const seen: number[] = []
    while (gone.length < 7) {
      await turn()
      seen.push(gone.length)
    }
    expect(gone).toEqual([0, 1, 2, 3, 4, 5, 6])
    expect(seen[0]).toBeLessThan(7)
  })

  it('lets nothing small go before something large that asked earlier', async () => {
    const budget = new TurnBudget(100)
    expect(budget.spend(100)).toBeUndefined()
    const gone: string[] = []
    void budget.spend(100)!.then(() => gone.push('large'))
    void budget.spend(1)!.then(() => gone.push('small'))
    await turn()
    await turn()
    expect(gone).toEqual(['large', 'small'])
  })

  it('lets go on what is larger than all of it', async () => {
    const budget = new TurnBudget(100)
    expect(budget.spend(1000)).toBeUndefined()
    await budget.spend(1000)
    await turn()
    expect(budget.spend(1)).toBeUndefined()
  })
})
