import { describe, expect, it } from 'vitest'
import { TopicCreation } from '../../../src/connect/runtime/topic-creation.ts'

describe('TopicCreation', () => {
  const creation = new TopicCreation({
    'topic.creation.groups': 'big,compacted',
    'topic.creation.default.partitions': '2',
    'topic.creation.default.replication.factor': '-1',
    'topic.creation.big.include': 'big.*, huge',
    'topic.creation.big.exclude': 'big-not',
    'topic.creation.big.partitions': '9',
    'topic.creation.compacted.include': '.*-log',
    'topic.creation.compacted.cleanup.policy': 'compact',
  }, ['big', 'compacted'])

  it('takes the first group that matches the whole name', () => {
    expect(creation.specOf('big-log')).toEqual({ topic: 'big-log', partitions: 9, configs: {} })
    expect(creation.specOf('a-log')).toEqual({ topic: 'a-log', configs: { 'cleanup.policy': 'compact' } })
  })

  it('takes the default group for the rest', () => {
    expect(creation.specOf('big-not')).toEqual({ topic: 'big-not', partitions: 2, configs: {} })
    expect(creation.specOf('not-huge')).toEqual({ topic: 'not-huge', partitions: 2, configs: {} })
  })

  it('leaves everything to the log when nothing is configured', () => {
    expect(new TopicCreation({}, []).specOf('t')).toEqual({ topic: 't', configs: {} })
  })

  it('names the key of a wrong value', () => {
    expect(() => new TopicCreation({ 'topic.creation.default.partitions': 'two' }, [])).toThrow('Invalid value two for configuration topic.creation.default.partitions')
    expect(() => new TopicCreation({ 'topic.creation.g.include': '(' }, ['g'])).toThrow('topic.creation.g.include')
  })
})
