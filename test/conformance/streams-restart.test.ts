import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { randomInteger, seededRandom } from '../../src/core/index.ts'
import { readVectors } from '../kit/vectors.ts'
import { PendingOperator } from './streams-members.ts'
import { programOf } from './streams-program.ts'
import { runScenario } from './streams-scenario.ts'
import type { RecordedScenario } from './streams-scenario.ts'

/** Operators whose clock, and processors whose fields, live in memory only, as upstream's do: they may go on differently. */
const forgetful = new Set(['windowAggregate', 'slidingAggregate', 'sessionAggregate', 'streamJoin', 'selfJoin', 'suppress', 'processor'])

/** Rounds of restarts at random places; MILLRACE_RESTART_ROUNDS for more. */
const rounds = Number(process.env['MILLRACE_RESTART_ROUNDS'] ?? 3)

const recorded = [...readVectors('streams').values()].flat().map((file) => file.content as RecordedScenario)
const random = readFileSync(new URL('random-topologies.jsonl', import.meta.url), 'utf8').trimEnd().split('\n').map((line) => JSON.parse(line) as RecordedScenario)
const scenarios = [...recorded, ...random]
  .filter(({ upstreamDefect, buildError, steps }) => upstreamDefect === undefined && buildError === undefined && steps.length > 1)
  .filter(keepsEverythingInStores)

describe('restarts between steps, with nothing left but topics', () => {
  it.each(Array.from({ length: rounds }, (_, round) => round))('change nothing that was recorded (places %d)', (round) => {
    expect(scenarios.length).toBeGreaterThan(100)
    const chance = seededRandom(round)
    const different = scenarios.flatMap((scenario) => {
      const places = [1 + randomInteger(chance, scenario.steps.length), 1 + randomInteger(chance, scenario.steps.length)]
      const found = runScenario(scenario, { restartBefore: places })
      return found === null ? [] : [`${scenario.name}, restarted before steps ${places.join(' and ')} of ${scenario.steps.length}: ${found}`]
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
