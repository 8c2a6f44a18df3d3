import { describe, expect, it } from 'vitest'
import { logConfigOf } from '../../../src/core/engine/log-config-of.ts'
import { describeTopicConfigs, numberConfig, validateTopicConfigs } from '../../../src/core/engine/topic-config.ts'
import { errorOf } from '../../contract/contract-kit.ts'

describe('topic configs are refused in Kafka’s words', () => {
  it.each([
    ['retention.ms', 'soon', 'Invalid value soon for configuration retention.ms: Not a number of type LONG'],
    ['retention.ms', '-2', 'Invalid value -2 for configuration retention.ms: Value must be at least -1'],
    ['segment.bytes', '10', 'Invalid value 10 for configuration segment.bytes: Value must be at least 1048576'],
    ['segment.ms', '0', 'Invalid value 0 for configuration segment.ms: Value must be at least 1'],
    ['cleanup.policy', 'shred', 'Invalid value shred for configuration cleanup.policy: String must be one of: compact, delete'],
    ['compression.type', 'brotli', 'Invalid value brotli for configuration compression.type: String must be one of: uncompressed, zstd, lz4, snappy, gzip, producer'],
    ['min.cleanable.dirty.ratio', '1.5', 'Invalid value 1.5 for configuration min.cleanable.dirty.ratio: Value must be no more than 1'],
    ['message.timestamp.type', 'now', 'Invalid value now for configuration message.timestamp.type: String must be one of: CreateTime, LogAppendTime'],
    ['preallocate', 'maybe', 'Invalid value maybe for configuration preallocate: Expected value to be either true or false'],
    ['cleanup.polisy', 'compact', "Unknown topic config name: cleanup.polisy; did you mean 'cleanup.policy'?"],
  ])('%s=%s', async (name, value, message) => {
    expect(await errorOf(() => validateTopicConfigs({ [name]: value }))).toMatchObject({ code: 'INVALID_CONFIG', message, details: { config: name } })
  })

  it.each([
    ['min.insync.replicas', '2'], ['preallocate', 'true'], ['unclean.leader.election.enable', 'true'], ['remote.storage.enable', 'true'], ['local.retention.ms', '1000'],
    ['compression.lz4.level', '1'], ['leader.replication.throttled.replicas', '*'],
  ])('%s=%s, which could have no effect, is refused by name', async (name, value) => {
    expect(await errorOf(() => validateTopicConfigs({ [name]: value }))).toMatchObject({ code: 'INVALID_CONFIG', message: expect.stringContaining(`${name}=${value} is not possible on the embedded engine: `) })
  })

  it('two that contradict each other', async () => {
    const error = await errorOf(() => validateTopicConfigs({ 'min.compaction.lag.ms': '100', 'max.compaction.lag.ms': '50' }))
    expect(error).toMatchObject({ message: 'conflict topic config setting min.compaction.lag.ms (100) > max.compaction.lag.ms (50)' })
  })
})

it('what Kafka accepts is accepted', () => {
  const configs = { 'cleanup.policy': 'compact, delete', 'retention.ms': '-1', 'segment.bytes': '1048576', 'min.cleanable.dirty.ratio': '0.01', preallocate: 'FALSE' }
  expect(validateTopicConfigs(configs)).toEqual(configs)
  expect(logConfigOf(configs)).toMatchObject({ cleanup: { delete: true, compact: true }, retentionMs: -1, segmentBytes: 1_048_576 })
  expect(logConfigOf({ 'cleanup.policy': '' }).cleanup).toEqual({ delete: false, compact: false })
})

it('all 33 configs of Kafka 4.3 are described, with defaults', () => {
  const described = describeTopicConfigs({ 'retention.ms': '1' })
  expect(described).toHaveLength(33)
  expect(described.map(({ name }) => name)).toEqual([...described.map(({ name }) => name)].sort())
  expect(described.find(({ name }) => name === 'retention.ms')).toEqual({ name: 'retention.ms', value: '1', source: 'topic' })
  expect(described.find(({ name }) => name === 'max.message.bytes')).toEqual({ name: 'max.message.bytes', value: '1048588', source: 'default' })
})

it('the largest long means no limit', () => {
  expect(numberConfig({}, 'max.compaction.lag.ms')).toBe(Infinity)
})

it('partitions take different parts of segment.jitter.ms off, and no more than there is', () => {
  const configs = { 'segment.ms': '1000', 'segment.jitter.ms': '5000' }
  expect([0, 0.5, 1].map((spread) => logConfigOf(configs, spread).segmentMs)).toEqual([1000, 500, 1])
  expect(logConfigOf({ 'segment.ms': '1000' }, 1).segmentMs).toBe(1000)
})
