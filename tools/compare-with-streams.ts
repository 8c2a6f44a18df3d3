/**
 * npx jiti tools/compare-with-streams.ts [SEED] [PROGRAMS]
 *
 * Runs random programs over random input in Kafka Streams' TopologyTestDriver and in ours, and compares describe(), internal
 * topics, every record that is written, what queries answer and the stores at the end. Prints what differs, and the recordings
 * of that as lines for test/conformance/random-topologies.jsonl into FILE (MILLRACE_RECORDINGS; none by default). Exit code 1
 * when something differs. Needs Java.
 */
import { appendFileSync } from 'node:fs'
import { seededRandom } from '../src/core/index.ts'
import { runScenario } from '../test/conformance/streams-scenario.ts'
import type { RecordedScenario } from '../test/conformance/streams-scenario.ts'
import { recordScenarios } from '../test/kit/kafka-jars.ts'
import { randomScenario } from './random-stream-scenarios.ts'

const seed = Number(process.argv[2] ?? 1)
const programs = Number(process.argv[3] ?? 500)
const recordings = process.env['MILLRACE_RECORDINGS']

/** So many a Java process. */
const batch = 250

/** Refused by upstream when a task starts, for reasons that docs/differences.md gives. */
const knownRefusals = /has no access to StateStore|KTable source state store must implement/

const counts = { same: 0, refused: 0, different: 0, skipped: 0 }
for (let first = 0; first < programs; first += batch) {
  const scenarios = Array.from({ length: Math.min(batch, programs - first) }, (_, index) => {
    const number = seed * 1_000_000 + first + index
    return randomScenario(seededRandom(number), `random-program/${number}`)
  })
  const recorded = await recordScenarios(scenarios.map((scenario) => `${JSON.stringify(scenario)}\n`).join(''))
  for (const line of recorded.trimEnd().split('\n')) judge(JSON.parse(line) as RecordedScenario & { readonly skip?: string })
}
process.stdout.write(`seed ${seed}: ${Object.entries(counts).map(([what, number]) => `${number} ${what}`).join(', ')}\n`)
process.exitCode = counts.different === 0 ? 0 : 1

function judge(recorded: RecordedScenario & { readonly skip?: string }): void {
  const refusal = recorded.buildError as { readonly causeMessage?: string } | undefined
  if (recorded.skip !== undefined || knownRefusals.test(refusal?.causeMessage ?? '')) {
    counts.skipped++
    return
  }
  const found = differenceOf(comparable(recorded))
  if (found === null) counts[refusal === undefined ? 'same' : 'refused']++
  else {
    counts.different++
    process.stdout.write(`${recorded.name}: ${found}\n`)
    if (recordings !== undefined) appendFileSync(recordings, `${JSON.stringify(recorded)}\n`)
  }
}

/** The driver knows no topics of a pattern, and no internal topics behind one. */
function comparable(recorded: RecordedScenario): RecordedScenario {
  if (recorded.topology.every(({ pattern }) => pattern === undefined)) return recorded
  const others: { -readonly [member in keyof RecordedScenario]?: RecordedScenario[member] } = { ...recorded }
  delete others.internalTopics
  return others as RecordedScenario
}

function differenceOf(recorded: RecordedScenario): string | null {
  try {
    return runScenario(recorded)
  } catch (error) {
    return `cannot be run: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`
  }
}
