import { describe, expect, it } from 'vitest'
import { longSerde, stringSerde } from '../../../src/core/index.ts'
import { StreamsBuilder } from '../../../src/streams/streams-builder.ts'
import { keyValueStore } from '../../../src/streams/stores.ts'
import { TopologyTestDriver } from '../../../src/streams/testing/index.ts'
import { TopologyBuilder } from '../../../src/streams/topology-builder.ts'
import type { Processor, ProcessorContext } from '../../../src/streams/processor.ts'
import { topic } from '../../../src/streams/topic.ts'

const text = { key: stringSerde, value: stringSerde }
const input = topic('in', text)
const output = topic('out', text)
const counts = keyValueStore('counts', { key: stringSerde, value: longSerde })

/** Counts, and reports all counts every 10 ms of stream time. */
class Reporter implements Processor<string, string> {
  readonly #closed: string[]
  #context!: ProcessorContext<string, string>

  constructor(closed: string[] = []) {
    this.#closed = closed
  }

  init(context: ProcessorContext<string, string>): void {
    this.#context = context
    context.schedule(10, 'stream-time', (time) => {
      for (const { key, value } of context.store(counts).all()) context.forward(context.record(key, `${value}`, time))
    })
  }

  process(record: { readonly key: string; readonly value: string }): void {
    if (record.value === 'bad') throw new Error('boom')
    const store = this.#context.store(counts)
    store.put(record.key, (store.get(record.key) ?? 0) + 1)
  }

  close(): void {
    this.#closed.push('closed')
  }
}

describe('a processor', () => {
  it('keeps state, runs by stream time and forwards what no record led to', () => {
    const builder = new StreamsBuilder()
    builder.stream(input).process(() => new Reporter(), { stores: [counts] }).to(output)
    const driver = new TopologyTestDriver(builder.build())
    const piped = [['a', 1], ['b', 5], ['a', 12], ['a', 13], ['b', 40]] as const
    driver.inputTopic(input).pipeAll(piped.map(([key, timestamp]) => ({ key, value: 'x', timestamp })))
    expect(driver.outputTopic(output).readAll().map(({ key, value, timestamp }) => `${key}=${value}@${timestamp}`))
      .toEqual(['a=1@1', 'a=2@12', 'b=1@12', 'a=3@40', 'b=2@40'])
    expect(driver.keyValueStore<string, number>('counts').get('b')).toBe(2)
  })

  it('is closed with the task', () => {
    const closed: string[] = []
    const builder = new StreamsBuilder()
    builder.stream(input).process(() => new Reporter(closed), { stores: [counts] })
    new TopologyTestDriver(builder.build()).close()
    expect(closed).toEqual(['closed'])
  })

  it('has its name in the error when it throws, in process and in a punctuator', () => {
    const failing = (type: 'stream-time' | 'wall-clock') => {
      const builder = new StreamsBuilder()
      builder.stream(input).process(() => ({
        init(context: ProcessorContext<string, string>) {
          context.schedule(1, type, () => { throw new Error('late') })
        },
        process() {},
      }), { name: 'mine' })
      return new TopologyTestDriver(builder.build())
    }
    expect(() => failing('stream-time').inputTopic(input).pipe({ value: 'x' })).toThrow('mine failed in a punctuator (task 0_0): late')
    expect(() => failing('wall-clock').advanceWallClock('1s')).toThrow('mine failed in a punctuator (task 0_0): late')
    const builder = new StreamsBuilder()
    builder.stream(input).process(() => new Reporter(), { stores: [counts], name: 'reporter' })
    expect(() => new TopologyTestDriver(builder.build()).inputTopic(input).pipe({ key: 'k', value: 'bad' })).toThrow('reporter failed on in-0 at offset 0')
  })

  it('runs on the grid of a time to start at, by either kind of time', () => {
    const ran: string[] = []
    const builder = new StreamsBuilder()
    builder.stream(input).process(() => ({
      init(context: ProcessorContext<string, string>) {
        for (const type of ['stream-time', 'wall-clock'] as const) context.schedule(100, type, (time) => ran.push(`${type} ${time}`), { startAt: 30 })
      },
      process() {},
    }))
    const driver = new TopologyTestDriver(builder.build(), { startAtMs: 150 })
    for (const timestamp of [20, 40, 120, 130]) driver.inputTopic(input).pipe({ key: 'k', value: 'x', timestamp })
    for (const ms of [79, 1, 100]) driver.advanceWallClock(ms)
    expect(ran).toEqual(['stream-time 40', 'stream-time 130', 'wall-clock 230', 'wall-clock 330'])

    const wrong = new StreamsBuilder()
    wrong.stream(input).process(() => ({ init(context) { context.schedule(1, 'wall-clock', () => {}, { startAt: -1 }) }, process() {} }), { name: 'p' })
    expect(() => new TopologyTestDriver(wrong.build())).toThrow('p: startAt of a punctuator must be milliseconds since the epoch, not -1')
  })

  it('may not change keys in processValues, nor use a store that it is not connected to', () => {
    const builder = new StreamsBuilder()
    builder.stream(input).processValues(() => {
      let context: ProcessorContext<string, string>
      return { init(given: ProcessorContext<string, string>) { context = given }, process: (record) => context.forward(record.withKey('other')) }
    }, { name: 'fixed' })
    expect(() => new TopologyTestDriver(builder.build()).inputTopic(input).pipe({ key: 'k', value: 'x' })).toThrow('fixed must not change the key of a record')

    const unconnected = new StreamsBuilder()
    unconnected.stream(input).process(() => ({ init(context) { context.store(counts) }, process() {} }), { name: 'p' })
    expect(() => new TopologyTestDriver(unconnected.build())).toThrow('p has no access to the store counts')
  })

  it('sends records to the child it names in a topology written node by node', () => {
    const route = () => {
      let context: ProcessorContext<string, string>
      return {
        init(given: ProcessorContext<string, string>) { context = given },
        process: (record: Parameters<Processor<string, string>['process']>[0]) => context.forward(record, record.value),
      }
    }
    const topology = new TopologyBuilder()
      .addSource('source', input)
      .addProcessor('route', route, { parents: ['source'] })
      .addSink('left', topic('left', text), { parents: ['route'] })
      .addSink('right', topic('right', text), { parents: ['route'] })
      .build()
    const driver = new TopologyTestDriver(topology)
    driver.inputTopic(input).pipeAll([{ value: 'right' }, { value: 'left' }, { value: 'right' }])
    expect(driver.outputTopic(topic('right', text)).size).toBe(2)
    expect(driver.outputTopic(topic('left', text)).size).toBe(1)
    expect(() => driver.inputTopic(input).pipe({ value: 'nowhere' })).toThrow('route has no child named nowhere to forward to')
  })
})
