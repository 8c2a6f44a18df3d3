import { readFileSync } from 'node:fs'
import type { VectorFile } from '../kit/vectors.ts'
import type { CaseResult, ConformanceGroups } from './case-result.ts'
import { PendingOperator } from './streams-members.ts'
import { runScenario } from './streams-scenario.ts'
import type { RecordedScenario } from './streams-scenario.ts'

/** Names of what does not exist yet; the list may only become shorter. */
export const pendingOperators = new Set(
  JSON.parse(readFileSync(new URL('pending-operators.json', import.meta.url), 'utf8')) as readonly string[],
)

const groupNames = [
  'aggregate', 'cache', 'cogroup', 'defect', 'emit-final', 'error', 'foreign-key', 'formats', 'handler', 'headers', 'names', 'papi', 'processor',
  'query', 'random', 'split', 'stateless', 'store', 'stream-global', 'stream-stream', 'stream-table', 'suppress', 'table', 'table-table', 'time',
  'versioned', 'window',
]

export const groups: ConformanceGroups = Object.fromEntries(
  groupNames.map((name) => [name, (files: readonly VectorFile[]) => files.map(({ content }) => runCase(content as RecordedScenario))]),
)

function runCase(scenario: RecordedScenario): CaseResult {
  const { name, upstreamDefect } = scenario
  try {
    const found = runScenario(scenario)
    if (upstreamDefect === undefined) return found === null ? { name, ok: true } : { name, ok: false, detail: found }
    // What was recorded is wrong: ours must not be the same. The right answer has tests of its own.
    return found === null ? { name, ok: false, detail: `behaves as upstream's defect: ${upstreamDefect}` } : { name, ok: true }
  } catch (error) {
    if (error instanceof PendingOperator && pendingOperators.has(error.operator)) return { name, ok: false, pending: error.operator }
    return { name, ok: false, detail: error instanceof Error ? (error.stack ?? error.message) : String(error) }
  }
}
