import { describe, expect, it } from 'vitest'
import { readVectors } from '../kit/vectors.ts'
import { PendingOperator } from './streams-members.ts'
import { programOf } from './streams-program.ts'
import { runScenario } from './streams-scenario.ts'
import type { RecordedScenario } from './streams-scenario.ts'

/** Operators whose clock, and processors whose fields, live in memory only, as upstream's do: they may go on differently. */
const forgetful = new Set(['windowAggregate', 'slidingAggregate', 'sessionAggregate', 'streamJoin', 'suppress', 'processor'])

const scenarios = [...readVectors('streams').values()].flat()
  .map((file) => file.content as RecordedScenario)
  .filter(({ upstreamDefect, buildError, steps }) => upstreamDefect === undefined && buildError === undefined && steps.length > 1)
  .filter(keepsEverythingInStores)

describe('a restart between two steps, with nothing left but topics', () => {
  it.each([0.25, 0.5, 0.8])('changes nothing that was recorded, at %d of the steps', (share) => {
    expect(scenarios.length).toBeGreaterThan(80)
    const different = scenarios.flatMap((scenario) => {
      const found = runScenario(scenario, { restartBefore: Math.max(1, Math.floor(scenario.steps.length * share)) })
      return found === null ? [] : [`${scenario.name}: ${found}`]
    })
    expect(different).toEqual([])
  })
})

function keepsEverythingInStores(scenario: RecordedScenario): boolean {
  try {
    const { nodes, stores } = programOf(scenario, () => {})
    return !nodes.some((node) => forgetful.has(node.kind)) && stores.every((store) => store.changelog !== null)
  } catch (error) {
    if (error instanceof PendingOperator) return false
    throw error
  }
}
