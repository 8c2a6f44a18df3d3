import { describe, expect, it } from 'vitest'
import { stringSerde } from '../../../src/core/index.ts'
import { StreamsBuilder } from '../../../src/streams/streams-builder.ts'
import { TopologyTestDriver } from '../../../src/streams/testing/topology-test-driver.ts'
import { topic } from '../../../src/streams/topic.ts'

const input = topic('in', { key: stringSerde, value: stringSerde })

describe('asObservable', () => {
  it('shows records to those who subscribed before, with key, value and timestamp', () => {
    const builder = new StreamsBuilder()
    const observable = builder.stream(input).filter((value) => value !== 'hidden').asObservable()
    const driver = new TopologyTestDriver(builder.build())
    const source = driver.inputTopic(input)
    source.pipe({ key: 'k', value: 'before', timestamp: 1 })
    const seen: unknown[] = []
    const subscription = observable.subscribe(({ key, value, timestamp }) => seen.push([key, value, timestamp]))
    source.pipeAll([{ key: 'k', value: 'a', timestamp: 2 }, { key: 'k', value: 'hidden', timestamp: 3 }])
    subscription.unsubscribe()
    source.pipe({ key: 'k', value: 'after', timestamp: 4 })
    expect(seen).toEqual([['k', 'a', 2]])
  })

  it('shows the changes of a table, null for a deleted row', () => {
    const builder = new StreamsBuilder()
    const seen: unknown[] = []
    builder.table(input).asObservable().subscribe(({ key, value }) => seen.push([key, value]))
    const driver = new TopologyTestDriver(builder.build())
    driver.inputTopic(input).pipeAll([{ key: 'k', value: 'a', timestamp: 1 }, { key: 'k', value: null, timestamp: 2 }])
    expect(seen).toEqual([['k', 'a'], ['k', null]])
  })

  it('never shows what is not committed', () => {
    const builder = new StreamsBuilder()
    const stream = builder.stream(input)
    const seen: unknown[] = []
    stream.asObservable().subscribe(({ value }) => seen.push(value))
    stream.peek((value) => {
      if (value === 'bad') throw new Error('bad')
    })
    const driver = new TopologyTestDriver(builder.build())
    const source = driver.inputTopic(input)
    source.pipe({ key: 'k', value: 'good', timestamp: 1 })
    expect(() => source.pipe({ key: 'k', value: 'bad', timestamp: 2 })).toThrow('bad')
    expect(seen).toEqual(['good'])
  })
})
