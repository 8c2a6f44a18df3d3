import { describe, expect, it } from 'vitest'
import { changelogConfigs, changelogTopic, repartitionConfigs } from '../../../src/streams/topology/internal-topics.ts'
import type { Topology } from '../../../src/streams/topology/topology.ts'
import { PendingOperator } from '../../conformance/streams-members.ts'
import { programOf } from '../../conformance/streams-program.ts'
import type { Scenario } from '../../conformance/streams-members.ts'
import { readVectors } from '../../kit/vectors.ts'

interface Recorded extends Scenario {
  readonly describe?: string
  readonly buildError?: unknown
  readonly internalTopics?: { readonly repartition: Topics; readonly changelog: Topics }
}

type Topics = Readonly<Record<string, Readonly<Record<string, unknown>>>>

const scenarios = [...readVectors('streams').values()].flat().map(file => file.content as Recorded).filter(isBuildable)

/** Operators that do not exist yet are counted by the conformance run. */
function isBuildable(scenario: Recorded): boolean {
  try {
    programOf(scenario, () => {})
    return true
  } catch (error) {
    return !(error instanceof PendingOperator)
  }
}

describe('a program recorded from Kafka Streams', () => {
  it('is buildable in most cases', () => expect(scenarios.length).toBeGreaterThan(135))

  it('is described with the same text', () => {
    const described = scenarios.filter(scenario => scenario.describe !== undefined)
    expect(described.length).toBeGreaterThan(100)
    const different = described.filter(scenario => programOf(scenario, () => {}).describe() !== scenario.describe)
    expect(different.map(scenario => scenario.name)).toEqual([])
  })

  it('needs the same internal topics with the same configs', () => {
    const recorded = scenarios.filter(scenario => scenario.internalTopics !== undefined)
    expect(recorded.length).toBeGreaterThan(100)
    for (const scenario of recorded) expect(internalTopics(programOf(scenario, () => {})), scenario.name).toEqual(scenario.internalTopics)
  })

  it('is refused where Kafka Streams refuses it', () => {
    // Processors are made when a task starts, and that is where their errors come up.
    const refused = scenarios.filter(scenario => scenario.buildError !== undefined && scenario.api !== 'processor')
    expect(refused.length).toBeGreaterThan(5)
    for (const scenario of refused) expect(() => programOf(scenario, () => {}), scenario.name).toThrow()
  })
})

function internalTopics(topology: Topology): { readonly repartition: Topics; readonly changelog: Topics } {
  const changelogs = topology.stores.filter(store => store.changelog?.sourceTopic === null)
  return {
    repartition: Object.fromEntries(topology.repartitionTopics.map(({ name, partitions }) =>
      [`app-${name}`, { ...repartitionConfigs, ...(partitions === null ? {} : { partitions }) }])),
    changelog: Object.fromEntries(changelogs.map(store => [changelogTopic('app', store), changelogConfigs(store)])),
  }
}
