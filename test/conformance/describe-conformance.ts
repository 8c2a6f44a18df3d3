import { describe, expect, it } from 'vitest'
import { readVectors } from '../kit/vectors.ts'
import type { VectorArea } from '../kit/vectors.ts'
import type { CaseResult, ConformanceGroups } from './case-result.ts'
import { failures, runArea } from './run-area.ts'

const shownFailures = 5
/** Some groups are a hundred scenarios of random operations. */
const timeoutMs = 180_000

/** One test for each group of test/vectors that the adapter has a runner for; a group that is wholly pending is skipped with what it waits for. */
export function describeConformance(area: VectorArea, groups: ConformanceGroups): void {
  describe(`recorded vectors: ${area}`, () => {
    for (const group of readVectors(area).keys()) {
      if (!Object.hasOwn(groups, group)) continue
      it(`${group} behaves as recorded`, async (context) => {
        const results = await resultsOf(area, group, groups)
        expect(describeFailures(results)).toEqual([])
        context.skip(results.every((result) => result.pending !== undefined), `waits for ${waitsFor(results)}`)
      }, timeoutMs)
    }
  })
}

async function resultsOf(area: VectorArea, group: string, groups: ConformanceGroups): Promise<readonly CaseResult[]> {
  for await (const outcome of runArea(area, [groups], { only: group })) return outcome.results
  return []
}

function describeFailures(results: readonly CaseResult[]): readonly string[] {
  const failed = failures(results).map((result) => `${result.name}: ${result.detail ?? 'no detail'}`)
  const hidden = failed.length - shownFailures
  return hidden > 0 ? [...failed.slice(0, shownFailures), `and ${hidden} more`] : failed
}

function waitsFor(results: readonly CaseResult[]): string {
  return [...new Set(results.map((result) => result.pending))].join(', ')
}
