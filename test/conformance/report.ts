import { vectorAreas } from '../kit/vectors.ts'
import type { VectorArea } from '../kit/vectors.ts'
import type { CaseResult, ConformanceGroups } from './case-result.ts'
import { countOutcomes, failures, runArea } from './run-area.ts'
import type { OutcomeCounts } from './run-area.ts'

/** Runs every area of the folder and prints its groups, the failures, what is pending and by what, and the total. */
export async function reportConformance(
  directory: string,
  adapters: Readonly<Record<VectorArea, readonly ConformanceGroups[]>>,
  print: (line: string) => void,
): Promise<OutcomeCounts> {
  let all: readonly CaseResult[] = []
  for (const area of vectorAreas) {
    for await (const { group, results } of runArea(area, adapters[area], { directory })) {
      for (const line of groupLines(`${area}/${group}`, results)) print(line)
      all = [...all, ...results]
    }
  }
  for (const line of totalLines(all)) print(line)
  return countOutcomes(all)
}

function groupLines(name: string, results: readonly CaseResult[]): readonly string[] {
  const { passed, failed, pending } = countOutcomes(results)
  const waiting = pending > 0 ? `, ${pending} pending` : ''
  return [
    `${name}: ${passed} of ${passed + failed}${waiting}`,
    ...failures(results).map((result) => `  ✗ ${result.name}: ${(result.detail ?? 'no detail').replaceAll('\n', '\n    ')}`),
  ]
}

function totalLines(results: readonly CaseResult[]): readonly string[] {
  const { passed, failed, pending } = countOutcomes(results)
  return [...pendingLines(results), `total: ${passed} passed, ${failed} failed, ${pending} pending`]
}

function pendingLines(results: readonly CaseResult[]): readonly string[] {
  const cases = new Map<string, number>()
  for (const { pending } of results) if (pending !== undefined) cases.set(pending, (cases.get(pending) ?? 0) + 1)
  if (cases.size === 0) return []
  return ['pending, by what they wait for:', ...[...cases].toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([reason, count]) => `  ${reason}: ${count}`)]
}
