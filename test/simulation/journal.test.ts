import { describe, expect, it } from 'vitest'
import { simulateJournal } from './journal-simulation.ts'

const seeds = process.env['MILLRACE_SIM_SEED'] === undefined
  ? Array.from({ length: Math.ceil(Number(process.env['MILLRACE_SIM_SEEDS'] ?? 200) / 4) }, (_, i) => i + 1)
  : [Number(process.env['MILLRACE_SIM_SEED'])]

describe('logs that share a sync, simulated', () => {
  it('keep what was acknowledged, wherever they are interrupted', async () => {
    let redone = 0
    let acknowledged = 0
    for (const seed of seeds) {
      try {
        const run = await simulateJournal(seed)
        redone += run.redone
        acknowledged += run.acknowledged
      } catch (error) {
        throw new Error(`seed ${seed} failed; run it alone with MILLRACE_SIM_SEED=${seed}: ${error instanceof Error ? error.message : String(error)}`, { cause: error })
      }
    }
    expect(redone).toBeGreaterThanOrEqual(seeds.length)
    expect(acknowledged).toBeGreaterThan(seeds.length * 10)
  }, 600_000)
})
