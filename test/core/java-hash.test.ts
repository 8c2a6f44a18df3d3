import { expect, it } from 'vitest'
import { inHashTableOrder, javaHashCode, javaPartitionHashCode } from '../../src/core/java-hash.ts'

it('hashes texts and partitions as Java does', () => {
  expect(['', 'a', 'hello', 'Aa', 'BB'].map(javaHashCode)).toEqual([0, 97, 99162322, 2112, 2112])
  expect(javaPartitionHashCode({ topic: 't', partition: 3 })).toBe((31 + 3) * 31 + 116)
})

it('gives keys back by bucket, and those of one bucket in the order they came in', () => {
  expect(inHashTableOrder(['BB', 'b', 'a', 'Aa'], javaHashCode)).toEqual(['BB', 'Aa', 'a', 'b'])
})

it('has more buckets when three quarters of them are taken, and keeps them', () => {
  const keys = ['q', 'a']
  expect(inHashTableOrder(keys, javaHashCode)).toEqual(['q', 'a'])
  expect(inHashTableOrder(keys, javaHashCode, 13)).toEqual(['a', 'q'])
})
