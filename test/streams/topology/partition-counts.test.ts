import { describe, expect, it } from 'vitest'
import { stringSerde } from '../../../src/core/index.ts'
import { StreamsBuilder } from '../../../src/streams/streams-builder.ts'
import type { Stream } from '../../../src/streams/stream.ts'
import type { Table } from '../../../src/streams/table.ts'
import { topic } from '../../../src/streams/topic.ts'
import { partitionCounts } from '../../../src/streams/topology/partition-counts.ts'
import { joinWithin } from '../../../src/streams/windows.ts'

const format = { key: stringSerde, value: stringSerde }

function counts(program: (left: Stream<string, string>, right: Table<string, string>) => void, external: Record<string, number>) {
  const builder = new StreamsBuilder()
  program(builder.stream(topic('left', format)), builder.table(topic('right', format)))
  return partitionCounts(builder.build(), new Map(Object.entries(external)))
}

const joined = (left: string, right: string) => left + right

describe('the partitions of a repartition topic', () => {
  it('are those of the largest input that feeds it', () => {
    const { ofTopic, ofSubTopology } = counts((left) => left.selectKey((value) => value).groupByKey().count({ store: 'c' }), { left: 7, right: 3 })
    expect(ofTopic.get('c-repartition')).toBe(7)
    expect([...ofSubTopology.values()].sort((a, b) => a - b)).toEqual([3, 7, 7])
  })

  it('are those of the topic it is joined with', () => {
    const { ofTopic } = counts((left, right) => left.selectKey((value) => value).join(right, joined, { name: 'j' }), { left: 7, right: 3 })
    expect(ofTopic.get('j-repartition')).toBe(3)
  })

  it('are what the program says', () => {
    const { ofTopic } = counts((left) => left.repartition({ name: 'r', partitions: 5 }).groupByKey().count(), { left: 2, right: 1 })
    expect(ofTopic.get('r-repartition')).toBe(5)
  })

  it('spread through several topics in a row', () => {
    const { ofTopic } = counts((left) => left.repartition({ name: 'a', partitions: 5 }).repartition({ name: 'b' }).repartition({ name: 'c' }), { left: 2, right: 1 })
    expect([ofTopic.get('a-repartition'), ofTopic.get('b-repartition'), ofTopic.get('c-repartition')]).toEqual([5, 5, 5])
  })
})

describe('topics that a pattern matches', () => {
  function countsOf(external: Record<string, number>) {
    const builder = new StreamsBuilder()
    const stream = builder.streamMatching(/in-.*/, format)
    stream.groupByKey().count({ store: 'direct' })
    stream.selectKey((value) => value).groupByKey().count({ store: 'c' })
    const { ofTopic, ofSubTopology } = partitionCounts(builder.build(), new Map(Object.entries(external)))
    return [ofTopic.get('c-repartition'), ...ofSubTopology.values()]
  }

  it('count as those that are named', () => {
    expect(countsOf({ 'in-a': 2, 'in-b': 3, 'other': 9 })).toEqual([3, 3, 3])
  })

  it('leave open how many StreamTasks there are, and partitions behind a new key, as long as there is none', () => {
    expect(countsOf({ other: 9 })).toEqual([0, 0, 0])
  })
})

describe('repartition topics that are joined with one another', () => {
  const rekeyed = (stream: Stream<string, string>, name: string, partitions?: number) =>
    stream.selectKey((value) => value).repartition({ name, ...(partitions === undefined ? {} : { partitions }) })
  const join = (left: Stream<string, string>, right: Stream<string, string>) => left.join(right, joined, { within: joinWithin('1m') })

  it('take the larger number of the two', () => {
    const { ofTopic } = counts((left, right) => join(rekeyed(left, 'l'), rekeyed(right.toStream() as Stream<string, string>, 'r')), { left: 7, right: 3 })
    expect([ofTopic.get('l-repartition'), ofTopic.get('r-repartition')]).toEqual([7, 7])
  })

  it('take the number that is given for one of them, be it the smaller', () => {
    const { ofTopic } = counts((left, right) => join(rekeyed(left, 'l'), rekeyed(right.toStream() as Stream<string, string>, 'r', 2)), { left: 7, right: 3 })
    expect([ofTopic.get('l-repartition'), ofTopic.get('r-repartition')]).toEqual([2, 2])
  })
})

describe('a repartition topic that its own readers feed', () => {
  it('has as many partitions as what else they read', () => {
    const { ofTopic } = counts((left) => left.repartition({ name: 'r' }).merge(left).groupByKey().count(), { left: 4, right: 1 })
    expect(ofTopic.get('r-repartition')).toBe(4)
  })
})

describe('topics that are joined', () => {
  it('must have equal numbers of partitions', () => {
    expect(() => counts((left, right) => left.join(right, joined), { left: 7, right: 3 })).toThrow('left has 7, right has 3; put repartition({ partitions })')
  })

  it('may differ from a repartition topic only if nobody said its number', () => {
    expect(() => counts((left, right) => left.repartition({ name: 'r', partitions: 5 }).join(right, joined), { left: 7, right: 3 }))
      .toThrow('r-repartition has 5')
  })
})
