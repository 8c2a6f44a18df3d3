import { describe, expect, it } from 'vitest'
import { describeConformance } from './describe-conformance.ts'
import { groups, pendingReasons } from './connect.ts'
import { runArea } from './run-area.ts'

describeConformance('connect', groups)

describe('what the Connect vectors wait for', () => {
  it('is listed, and nothing is listed that no case waits for', async () => {
    const found = new Set<string>()
    for await (const { results } of runArea('connect', [groups])) for (const { pending } of results) if (pending !== undefined) found.add(pending)
    expect([...found].toSorted((a, b) => (a < b ? -1 : 1))).toEqual([...pendingReasons])
  })
})
