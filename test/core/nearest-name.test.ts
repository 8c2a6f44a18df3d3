import { expect, it } from 'vitest'
import { didYouMean, nearestName } from '../../src/core/nearest-name.ts'

const known = ['retention.ms', 'retention.bytes', 'cleanup.policy', 'segment.ms']

it('finds the name that was meant through slips, swaps and other spellings', () => {
  expect(nearestName('retension.ms', known)).toBe('retention.ms')
  expect(nearestName('cleanupPolicy', known)).toBe('cleanup.policy')
  expect(nearestName('segmnet_ms', known)).toBe('segment.ms')
})

it('finds nothing when nothing is near', () => {
  expect(nearestName('bootstrap.servers', known)).toBeUndefined()
  expect(nearestName('x'.repeat(10_000), known)).toBeUndefined()
})

it('ends a sentence with the question, or not at all', () => {
  expect(didYouMean('retention.mss', known)).toBe("; did you mean 'retention.ms'?")
  expect(didYouMean('bootstrap.servers', known)).toBe('')
})
