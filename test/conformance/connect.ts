import { readFileSync } from 'node:fs'
import type { CaseResult, ConformanceGroups, GroupRunner } from './case-result.ts'
import { runConverters } from './connect-converters.ts'
import { runValues } from './connect-header-values.ts'
import { runRest } from './connect-rest.ts'
import { runTransforms } from './connect-transforms.ts'

/** What cases may wait for, or differ by on purpose; a reason that no case has any more must go. */
export const pendingReasons = new Set(
  JSON.parse(readFileSync(new URL('pending-connect.json', import.meta.url), 'utf8')) as readonly string[],
)

const listed = (run: GroupRunner): GroupRunner => async (files) => (await run(files)).map((result): CaseResult => {
  if (result.pending === undefined || pendingReasons.has(result.pending)) return result
  return { name: result.name, ok: false, detail: `waits for "${result.pending}", which pending-connect.json does not list` }
})

export const groups: ConformanceGroups = {
  converters: listed(runConverters),
  predicates: listed(runTransforms),
  rest: listed(runRest),
  transforms: listed(runTransforms),
  values: listed(runValues),
}
