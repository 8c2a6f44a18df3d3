import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { readVectors } from '../kit/vectors.ts'
import { describeConformance } from './describe-conformance.ts'
import { PendingOperator } from './streams-members.ts'
import { programOf } from './streams-program.ts'
import type { RecordedScenario as Scenario } from './streams-scenario.ts'
import { groups, pendingOperators } from './streams.ts'

describeConformance('streams', groups)

describe('pending operators', () => {
  it('names only what some recording still waits for', () => {
    const scenarios = [...readVectors('streams').values()].flat().map((file) => file.content as Scenario)
    const waitedFor = new Set(scenarios.flatMap(missingOperator))
    expect([...pendingOperators].sort()).toEqual([...waitedFor].sort())
  })
})

describe('recordings of defects', () => {
  const defects = [...readVectors('streams').values()].flat().map((file) => file.content as Scenario).filter(({ upstreamDefect }) => upstreamDefect !== undefined)

  it('are each answered in docs/differences.md', () => {
    const answers = readFileSync(new URL('../../docs/differences.md', import.meta.url), 'utf8')
    expect(defects.map(({ name }) => name).filter((name) => !answers.includes(`\`${name}\``))).toEqual([])
  })
})

function missingOperator(scenario: Scenario): readonly string[] {
  try {
    programOf(scenario, () => {})
  } catch (error) {
    if (error instanceof PendingOperator) return [error.operator]
  }
  return []
}
