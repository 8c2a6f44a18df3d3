import { readVectors } from '../kit/vectors.ts'
import type { VectorArea, VectorFile } from '../kit/vectors.ts'
import type { CaseResult, ConformanceGroups } from './case-result.ts'

export interface GroupOutcome {
  readonly group: string
  readonly results: readonly CaseResult[]
}

export interface OutcomeCounts {
  readonly passed: number
  readonly failed: number
  readonly pending: number
}

export interface RunAreaOptions {
  /** Default: test/vectors. */
  readonly directory?: string
  /** Only this group. */
  readonly only?: string
}

/** Runs every group of vectors that the folder has for the area, in order of name, through the adapters that know it. */
export async function* runArea(area: VectorArea, adapters: readonly ConformanceGroups[], options: RunAreaOptions = {}): AsyncGenerator<GroupOutcome> {
  for (const [group, files] of readVectors(area, options.directory)) {
    if (options.only === undefined || options.only === group) yield { group, results: await runGroup(group, files, adapters) }
  }
}

export function countOutcomes(results: readonly CaseResult[]): OutcomeCounts {
  const pending = results.filter((result) => result.pending !== undefined).length
  const passed = results.filter((result) => result.ok && result.pending === undefined).length
  return { passed, pending, failed: results.length - passed - pending }
}

export function failures(results: readonly CaseResult[]): readonly CaseResult[] {
  return results.filter((result) => !result.ok && result.pending === undefined)
}

async function runGroup(group: string, files: readonly VectorFile[], adapters: readonly ConformanceGroups[]): Promise<readonly CaseResult[]> {
  const runners = adapters.filter((groups) => Object.hasOwn(groups, group)).map((groups) => groups[group]!)
  if (runners.length === 0) return files.map((file) => ({ name: file.path, ok: false, pending: `an adapter for ${group}` }))
  const results: CaseResult[] = []
  for (const run of runners) {
    try {
      results.push(...(await run(files)))
    } catch (error) {
      results.push({ name: group, ok: false, detail: `the adapter threw: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}` })
    }
  }
  return results.length > 0 ? results : [{ name: group, ok: false, detail: 'the adapter found no case in these files' }]
}
