import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { runScenario } from './streams-scenario.ts'
import type { RecordedScenario } from './streams-scenario.ts'

/**
 * Random topologies over random input, as Kafka Streams 4.3.1 was seen to run them in its TopologyTestDriver; the format is
 * that of test/vectors/streams, one scenario a line. They are those that once differed, and one for each operator, processor
 * and kind of window; and programs that it refuses.
 */
const scenarios = readFileSync(new URL('random-topologies.jsonl', import.meta.url), 'utf8')
  .split('\n')
  .filter((line) => line !== '')
  .map((line) => JSON.parse(line) as RecordedScenario)

describe('random topologies', () => {
  it.each(scenarios.map((scenario) => [scenario.name, scenario] as const))('%s does what Kafka Streams did', (_name, scenario) => {
    expect(runScenario(scenario)).toBeNull()
  })
})
