import { describe, expect, it } from 'vitest'
import { StickyPartitioner, coordinatorPartition, murmur2, partitionForKey } from '../../src/core/partitioner.ts'
import { seededRandom } from '../../src/core/random.ts'

describe('murmur2', () => {
  it('is the hash that Kafka computes', () => {
    expect(murmur2(Buffer.from('21'))).toBe(-973932308)
    expect(murmur2(Buffer.from('foobar'))).toBe(-790332482)
    expect(murmur2(Buffer.from('a-little-bit-long-string'))).toBe(-985981536)
    expect(murmur2(Buffer.from('abc'))).toBe(479470107)
  })

  it('gives every key a partition that exists', () => {
    for (let index = 0; index < 200; index++) expect(partitionForKey(Buffer.from(`key ${index}`), 7)).toBeLessThan(7)
  })
})

it('keeps the group whose name hashes to the smallest integer in partition 0', () => {
  expect(coordinatorPartition('polygenelubricants', 50)).toBe(0)
})

describe('the sticky partitioner', () => {
  it('stays with a partition until it is told to go on', () => {
    const partitioner = new StickyPartitioner(seededRandom(1))
    const first = partitioner.partition('t', 100)
    expect(partitioner.partition('t', 100)).toBe(first)
    const others = new Set(Array.from({ length: 20 }, () => (partitioner.next('t'), partitioner.partition('t', 100))))
    expect(others.size).toBeGreaterThan(5)
  })
})
