import { describe, expect, it } from 'vitest'
import { integerSerde, stringSerde } from '../../../src/core/index.ts'
import type { Stream } from '../../../src/streams/stream.ts'
import { StreamsBuilder } from '../../../src/streams/streams-builder.ts'
import { TopologyTestDriver } from '../../../src/streams/testing/topology-test-driver.ts'
import { topic } from '../../../src/streams/topic.ts'
import { hopping, session, sliding, tumbling, unlimited } from '../../../src/streams/windows.ts'

const texts = { key: stringSerde, value: stringSerde }
const input = topic('in', texts)
const tooLate = topic('late', texts)
const counts = topic('counts', { key: stringSerde, value: stringSerde })

const toLate = { late: (late: Stream<string, string>) => late.to(tooLate) }

const programs = {
  tumbling: (builder: StreamsBuilder) => builder.stream(input).groupByKey().windowedBy(tumbling(10, { grace: 5 }), toLate).count(),
  hopping: (builder: StreamsBuilder) => builder.stream(input).groupByKey().windowedBy(hopping(10, { advance: 5, grace: 5 }), toLate).count(),
  sliding: (builder: StreamsBuilder) => builder.stream(input).groupByKey().windowedBy(sliding(10, { grace: 5 }), toLate).count(),
  session: (builder: StreamsBuilder) => builder.stream(input).groupByKey().windowedBy(session(10, { grace: 5 }), toLate).count(),
  unlimited: (builder: StreamsBuilder) => builder.stream(input).groupByKey().windowedBy(unlimited(), toLate).count(),
}

function lateOf(name: keyof typeof programs, timestamps: readonly number[]): { readonly late: readonly (number | null)[]; readonly results: number } {
  const builder = new StreamsBuilder()
  programs[name](builder).toStream().map((count, { key }) => [key, String(count)]).to(counts)
  const driver = new TopologyTestDriver(builder.build())
  const source = driver.inputTopic(input)
  for (const timestamp of timestamps) source.pipe({ key: 'k', value: `at ${timestamp}`, timestamp, headers: [{ key: 'h', value: null }] })
  const late = driver.outputTopic(tooLate).readAll()
  expect(late.every(({ key, value, timestamp, headers }) => key === 'k' && value === `at ${timestamp}` && headers.length === 1)).toBe(true)
  return { late: late.map(({ timestamp }) => timestamp), results: driver.outputTopic(counts).size }
}

describe('records that come too late', () => {
  it.each([
    ['tumbling', [0, 15, 9, 100, 15], [9, 15]],
    ['sliding', [0, 20, 5, 4, 100], [4]],
    ['session', [0, 100, 84, 85], [84]],
    ['unlimited', [100, 0], []],
  ] as const)('of %s windows go to the side, as they were, and results do not', (name, timestamps, late) => {
    expect(lateOf(name, timestamps).late).toEqual(late)
  })

  it('stay where one of several windows still takes them', () => {
    // At 16 the window [0, 10) is closed and [5, 15) is not.
    expect(lateOf('hopping', [16, 7, 3]).late).toEqual([3])
  })

  it('lead to no result', () => {
    expect(lateOf('tumbling', [0, 100, 1]).results).toBe(2)
  })

  it('can be processed further, from each aggregation of the windows', () => {
    const builder = new StreamsBuilder()
    let sides = 0
    const windowed = builder.stream(input).selectKey((value) => value).groupByKey().windowedBy(tumbling(10), { late: (late) => late.mapValues((value) => `${value}-${++sides}`).to(tooLate) })
    windowed.count()
    windowed.emit('on-window-close').reduce((a) => a)
    const driver = new TopologyTestDriver(builder.build())
    driver.inputTopic(input).pipeAll([{ key: 'a', value: 'x', timestamp: 50 }, { key: 'a', value: 'x', timestamp: 1 }])
    expect(driver.outputTopic(tooLate).readValues()).toEqual(['x-1', 'x-2'])
  })

  it.each(['time', 'sliding', 'session'] as const)('come from every stream of a cogroup, each by its own clock (%s windows)', (kind) => {
    const builder = new StreamsBuilder()
    const numbers = topic('numbers', { key: stringSerde, value: integerSerde })
    const cogrouped = builder.stream(input).groupByKey()
      .cogroup((all: string, text) => `${all}${text}`)
      .cogroup(builder.stream(numbers).groupByKey(), (all, number) => `${all}${number}`)
    const options = { late: (late: Stream<string, string | number>) => late.mapValues((value) => `late ${value}`).to(tooLate) }
    const table = kind === 'session'
      ? cogrouped.windowedBy(session(10, { grace: 5 }), options).aggregate(() => '', (_key, left, right) => left + right)
      : cogrouped.windowedBy(kind === 'sliding' ? sliding(10, { grace: 5 }) : tumbling(10, { grace: 5 }), options).aggregate(() => '')
    table.toStream().map((all, { key }) => [key, all ?? '']).to(counts)
    const driver = new TopologyTestDriver(builder.build())
    driver.inputTopic(input).pipeAll([{ key: 'a', value: 'x', timestamp: 100 }, { key: 'a', value: 'y', timestamp: 1 }])
    driver.inputTopic(numbers).pipeAll([{ key: 'a', value: 1, timestamp: 2 }, { key: 'a', value: 2, timestamp: 200 }, { key: 'a', value: 3, timestamp: 3 }])
    expect(driver.outputTopic(tooLate).readValues()).toEqual(['late y', 'late 3'])
  })
})
