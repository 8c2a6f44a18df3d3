import { describe, expect, it } from 'vitest'
import { simulateCompaction } from './compaction-simulation.ts'

const seeds = process.env['MILLRACE_SIM_SEED'] === undefined
  ? Array.from({ length: Math.ceil(Number(process.env['MILLRACE_SIM_SEEDS'] ?? 200) / 2) }, (_, i) => i + 1)
  : [Number(process.env['MILLRACE_SIM_SEED'])]

describe('compaction, simulated', () => {
  it('keeps the last committed value of every key, wherever it is interrupted', async () => {
    let savedBytes = 0
    for (const seed of seeds) {
      try {
        savedBytes += await simulateCompaction(seed)
      } catch (error) {
        throw new Error(`seed ${seed} failed; run it alone with MILLRACE_SIM_SEED=${seed}: ${error instanceof Error ? error.message : String(error)}`, { cause: error })
      }
    }
    expect(savedBytes).toBeGreaterThan(seeds.length * 1000)
  }, 600_000)
})
