import { describe, expect, it } from 'vitest'
import type { CaseResult, GroupRunner } from './case-result.ts'
import { describeConformance } from './describe-conformance.ts'
import { groups, pendingReasons } from './connect.ts'
import { runArea } from './run-area.ts'

/** Both tests look at the same results. */
const once = (run: GroupRunner): GroupRunner => {
  let results: Promise<readonly CaseResult[]> | readonly CaseResult[] | undefined
  return (files) => (results ??= run(files))
}
const groupsOnce = Object.fromEntries(Object.entries(groups).map(([group, run]) => [group, once(run)]))

describeConformance('connect', groupsOnce)

describe('what the Connect vectors wait for', () => {
  it('is listed, and nothing is listed that no case waits for', async () => {
    const found = new Set<string>()
    for await (const { results } of runArea('connect', [groupsOnce])) for (const { pending } of results) if (pending !== undefined) found.add(pending)
    expect([...found].toSorted((a, b) => (a < b ? -1 : 1))).toEqual([...pendingReasons])
  }, 180_000)
})
