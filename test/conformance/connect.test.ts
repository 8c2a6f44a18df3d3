import { describe, expect, it } from 'vitest'
import { describeConformance } from './describe-conformance.ts'
import { groups, pendingReasons } from './connect.ts'
import { runArea } from './run-area.ts'

describeConformance('connect', groups)

describe('what the Connect vectors wait for', () => {
  it('is listed, and nothing is listed that no case waits for', async () => {
    const found = new Set<string>()
    // the conversations wait for nothing, and take long
    const others = Object.fromEntries(Object.entries(groups).filter(([group]) => group !== 'rest'))
    for await (const { group, results } of runArea('connect', [others])) if (group !== 'rest') for (const { pending } of results) if (pending !== undefined) found.add(pending)
    expect([...found].toSorted((a, b) => (a < b ? -1 : 1))).toEqual([...pendingReasons])
  })
})
