import { describe, expect, it } from 'vitest'
import type { OffsetQuery } from '../../src/core/index.ts'
import { resetOffsets } from '../../src/core/offset-reset.ts'

const ends: Readonly<Record<string, number>> = { 'a-0': 10, 'b-0': 20 }
/** a-0 has records since 5,000, b-0 none after 1,000. */
async function listOffsets(queries: readonly OffsetQuery[]) {
  return queries.map(({ topic, partition, at }) => {
    const end = ends[`${topic}-${partition}`]!
    const offset = at === 'earliest' ? 3 : at === 'latest' ? end : topic === 'a' && at <= 5_000 ? 7 : -1
    return { topic, partition, offset, timestamp: -1 }
  })
}

const both = [{ topic: 'a', partition: 0 }, { topic: 'b', partition: 0 }]
const offsetsFrom = async (reset: Parameters<typeof resetOffsets>[1]) => (await resetOffsets(both, reset, 6_000, listOffsets)).map(({ topic, offset }) => `${topic}: ${offset}`)

describe('resetOffsets', () => {
  it('begins at either end', async () => {
    expect(await offsetsFrom('earliest')).toEqual(['a: 3', 'b: 3'])
    expect(await offsetsFrom('latest')).toEqual(['a: 10', 'b: 20'])
  })

  it('begins with what is young enough, and at the end where all is older', async () => {
    expect(await offsetsFrom({ maxAgeMs: 1_500 })).toEqual(['a: 7', 'b: 20'])
    expect(await offsetsFrom({ maxAgeMs: 10 })).toEqual(['a: 10', 'b: 20'])
  })

  it('takes an age beyond the beginning of time for all there is', async () => {
    expect(await offsetsFrom({ maxAgeMs: 1e15 })).toEqual(['a: 7', 'b: 20'])
  })
})
