import { describe, expect, it } from 'vitest'
import { stringSerde } from '../../../src/core/index.ts'
import type { Optimization } from '../../../src/streams/index.ts'
import { StreamsBuilder } from '../../../src/streams/streams-builder.ts'
import { TopologyTestDriver } from '../../../src/streams/testing/index.ts'
import { topic } from '../../../src/streams/topic.ts'
import type { Topology } from '../../../src/streams/topology/topology.ts'
import { joinWithin } from '../../../src/streams/windows.ts'

const format = { key: stringSerde, value: stringSerde }

function build(program: (builder: StreamsBuilder) => void, optimization: 'all' | readonly Optimization[]): Topology {
  const builder = new StreamsBuilder()
  program(builder)
  return builder.build({ optimization })
}

const repartitions = (topology: Topology) => topology.repartitionTopics.map((spec) => spec.name)

describe('a repartition topic', () => {
  const nullKeyFilters = (topology: Topology) => topology.nodes.filter((node) => node.kind === 'nullKeyFilter').length

  it('has no records without a key, also where a left join looks up what comes of them', () => {
    const topology = build((builder) => {
      const values = builder.stream(topic('in', format))
      const counts = values.groupBy((value) => value, format).count({ store: 'counts' })
      values.leftJoin(counts, (value, count) => `${value} ${count}`).to(topic('out', format))
    }, [])
    expect(nullKeyFilters(topology)).toBe(1)
  })

  it('has them where a left join takes them behind another one', () => {
    const topology = build((builder) => {
      builder.stream(topic('in', format)).repartition({ name: 'first' }).repartition({ name: 'second' }).leftJoin(builder.table(topic('rows', format)), (value, row) => `${value} ${row}`).to(topic('out', format))
    }, [])
    const driver = new TopologyTestDriver(topology)
    driver.inputTopic(topic('in', format)).pipe({ key: null, value: 'none' })
    expect(driver.outputTopic(topic('out', format)).readValues()).toEqual(['none null'])
  })

  it('has them where a left join takes them', () => {
    const topology = build((builder) => {
      builder.stream(topic('in', format)).selectKey((value) => value).leftJoin(builder.table(topic('rows', format)), (value, row) => `${value} ${row}`).to(topic('out', format))
    }, [])
    expect(nullKeyFilters(topology)).toBe(0)
  })
})

describe('optimisation', () => {
  it('gives several uses of a new key one repartition topic, with the first one\'s name', () => {
    const topology = build((builder) => {
      const keyed = builder.stream(topic('in', format)).selectKey((value) => value)
      keyed.groupByKey().count({ store: 'first' })
      keyed.filter((value) => value !== '').groupByKey().count({ store: 'second' })
    }, 'all')
    expect(repartitions(topology)).toEqual(['first-repartition'])
    expect(topology.subTopologies.length).toBe(2)
    const aggregates = topology.nodes.filter((node) => node.kind === 'streamAggregate')
    expect(aggregates.map((node) => node.parents[0])).toEqual(['first-repartition-source', expect.stringMatching(/FILTER/)])
  })

  it('keeps a topic of its own for values that changed after the key did', () => {
    const topology = build((builder) => {
      const keyed = builder.stream(topic('in', format)).selectKey((value) => value)
      keyed.groupByKey().count({ store: 'first' })
      keyed.mapValues((value) => value.length).groupByKey().count({ store: 'second' })
    }, 'all')
    expect(repartitions(topology)).toEqual(['first-repartition', 'second-repartition'])
  })

  it('stands behind a merge, so that all of its inputs are repartitioned', () => {
    const topology = build((builder) => {
      const [a, b] = [builder.stream(topic('a', format)).selectKey((value) => value), builder.stream(topic('b', format)).selectKey((value) => value)]
      const merged = a.merge(b, { name: 'merged' })
      merged.groupByKey().count({ store: 'first' })
      merged.groupByKey().count({ store: 'second' })
    }, 'all')
    expect(repartitions(topology)).toEqual(['first-repartition'])
    const filter = topology.nodes.find((node) => node.kind === 'nullKeyFilter')
    expect(filter!.parents).toEqual(['merged'])
  })

  it('never takes away a topic that the program asked for', () => {
    const topology = build((builder) => {
      const keyed = builder.stream(topic('in', format)).selectKey((value) => value)
      keyed.repartition({ name: 'mine' }).groupByKey().count()
      keyed.groupByKey().count({ store: 'other' })
    }, 'all')
    expect(repartitions(topology)).toEqual(expect.arrayContaining(['mine-repartition', 'other-repartition']))
  })

  it('lets the topic of a table serve as its changelog', () => {
    const program = (builder: StreamsBuilder) => { builder.table(topic('rows', format), { store: 'rows' }) }
    expect(build(program, ['reuse.ktable.source.topics']).stores[0]!.changelog!.sourceTopic).toBe('rows')
    expect(build(program, []).stores[0]!.changelog!.sourceTopic).toBeNull()
  })

  it('keeps the records of a stream joined with itself once', () => {
    const topology = build((builder) => {
      const stream = builder.stream(topic('in', format))
      stream.join(stream, (left, right) => left + right, { within: joinWithin(10), name: 'twins' })
    }, ['single.store.self.join'])
    expect(topology.stores.map((store) => store.name)).toEqual(['KSTREAM-JOINTHIS-0000000003-store'])
    expect(topology.nodes.map((node) => node.kind)).toEqual(['source', 'joinWindow', 'selfJoin'])
  })

  it('names the ones there are when asked for another', () => {
    expect(() => build((builder) => { builder.stream(topic('in', format)) }, ['merge' as Optimization])).toThrow('merge.repartition.topics')
  })

  it('leaves a join of stream and table its stream where topics become one', () => {
    const topology = build((builder) => {
      const keyed = builder.stream(topic('in', format)).selectKey(() => 'k')
      keyed.groupByKey().count({ store: 'counts' })
      keyed.join(builder.table(topic('rows', format)), (value, row) => `${value}+${row}`, { name: 'joined' }).to(topic('out', format))
    }, 'all')
    expect(repartitions(topology)).toEqual(['counts-repartition'])
    const driver = new TopologyTestDriver(topology)
    driver.inputTopic(topic('rows', format)).pipe({ key: 'k', value: 'row', timestamp: 1 })
    driver.inputTopic(topic('in', format)).pipe({ key: 'a', value: 'value', timestamp: 2 })
    expect(driver.outputTopic(topic('out', format)).readValues()).toEqual(['value+row'])
  })
})
