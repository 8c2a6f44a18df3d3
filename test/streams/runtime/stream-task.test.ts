import { describe, expect, it } from 'vitest'
import { AssertionError, stringSerde, longSerde } from '../../../src/core/index.ts'
import type { Header } from '../../../src/core/index.ts'
import type { ProcessorContext } from '../../../src/streams/index.ts'
import { StreamsBuilder } from '../../../src/streams/streams-builder.ts'
import { encodeMetadata } from '../../../src/streams/runtime/offset-metadata.ts'
import { StreamTask } from '../../../src/streams/runtime/stream-task.ts'
import type { TaskConfig } from '../../../src/streams/runtime/task-config.ts'
import type { KeyValueStore } from '../../../src/streams/state/key-value-store.ts'
import { SimulatedClock } from '../../../src/streams/testing/simulated-clock.ts'
import { singleRecordBatch } from '../../../src/streams/testing/single-record-batch.ts'
import { topic } from '../../../src/streams/topic.ts'
import type { Topology } from '../../../src/streams/topology/topology.ts'
import { tumbling } from '../../../src/streams/windows.ts'

const text = { key: stringSerde, value: stringSerde }

interface Sent {
  readonly topic: string
  readonly key: string | null
  readonly value: string | null
  readonly timestamp: number
  readonly headers: readonly Header[]
}

function taskOf(topology: Topology, config: TaskConfig = { cacheMaxBytes: 0 }) {
  const sent: Sent[] = []
  const task = new StreamTask({
    taskId: '0_0',
    partition: 0,
    applicationId: 'app',
    nodes: topology.nodes,
    stores: topology.stores,
    repartitionTopics: [],
    clock: new SimulatedClock(0),
    config,
    collector: {
      send: (name, _partition, key, value, timestamp, headers) =>
        sent.push({ topic: name, key: key && Buffer.from(key).toString(), value: value && Buffer.from(value).toString('latin1'), timestamp, headers }),
      partitionCount: () => 1,
    },
  })
  const add = (name: string, offset: number, key: string | null, value: string, timestamp = offset) =>
    task.addRecords({ topic: name, partition: 0 }, [singleRecordBatch({ offset, timestamp, key: key === null ? null : Buffer.from(key), value: Buffer.from(value), headers: [] })], offset + 1)
  const drain = () => {
    while (task.process(0));
    return sent.splice(0)
  }
  return { task, sent, add, drain }
}

function counting(): Topology {
  const builder = new StreamsBuilder()
  builder.stream(topic('in', text)).peek((value) => {
    if (value === 'bad') throw new TypeError('boom')
  }, { name: 'check' }).groupByKey().count({ store: 'counts' }).toStream().to(topic('out', { key: stringSerde, value: longSerde }))
  return builder.build()
}

const countOf = (task: StreamTask, key: string) => (task.stores.get('counts')!.view as KeyValueStore<string, { value: number }>).get(key)?.value ?? 0

const timeOf = (partitionTime: number) => encodeMetadata({ partitionTime, operators: new Map() })

describe('StreamTask', () => {
  it('goes on with the stores that it has where their changelog has them, and else fills them anew', () => {
    const changelog = 'app-counts-changelog'
    const restored = () => {
      const { task, add, drain } = taskOf(counting())
      add('in', 0, 'k', 'x')
      drain()
      task.prepareCommit()
      task.committed()
      task.checkpoint(new Map([[changelog, 10]]))
      return task
    }
    const ranges = [[0, 10], [10, 10], [3, 20], [0, 9], [11, 20]] as const
    const found = ranges.map(([start, end]) => {
      const task = restored()
      return [task.restoreFrom(changelog, start, end), countOf(task, 'k')]
    })
    expect(found).toEqual([[10, 1], [10, 1], [10, 1], [0, 0], [11, 0]])
  })

  it('takes the record with the smallest timestamp among its inputs, and in one input keeps the order of offsets', () => {
    const builder = new StreamsBuilder()
    builder.stream([topic('a', text), topic('b', text)]).to(topic('out', text))
    const { add, drain } = taskOf(builder.build())
    add('a', 0, null, 'a5', 5)
    add('a', 1, null, 'a1', 1)
    add('b', 0, null, 'b3', 3)
    add('b', 1, null, 'b9', 9)
    expect(drain().map(({ value }) => value)).toEqual(['b3', 'a5', 'a1', 'b9'])
  })

  it('tells of what a punctuator did after a seal at the commit that it belongs to, and of what it did before until that is committed', () => {
    const builder = new StreamsBuilder()
    builder.stream(topic('in', text)).process(() => ({ init: (context) => void context.schedule(10, 'wall-clock', () => undefined), process: () => undefined }))
    const { task, add, drain } = taskOf(builder.build())
    const commit = () => {
      const offsets = task.prepareCommit()
      const tells = task.leavesNoTrace
      task.seal()
      return { offsets: offsets.length, tells }
    }
    task.punctuateWallClock(10)
    expect(commit()).toEqual({ offsets: 0, tells: true })
    task.punctuateWallClock(20)
    add('in', 0, 'a', 'x')
    drain()
    expect(task.leavesNoTrace).toBe(true)
    task.committed()
    expect(task.leavesNoTrace).toBe(false)
    expect(commit()).toEqual({ offsets: 1, tells: false })
    task.punctuateWallClock(30)
    task.committed()
    expect(commit()).toEqual({ offsets: 0, tells: true })
    task.committed()
    expect(commit()).toEqual({ offsets: 0, tells: false })
  })

  it('keeps what a punctuator did until it is committed, also when the next one has nothing to do', () => {
    const builder = new StreamsBuilder()
    builder.stream(topic('in', text)).process(() => ({ init: (context) => void context.schedule(10, 'wall-clock', () => undefined), process: () => undefined }))
    const { task, add } = taskOf(builder.build())
    add('in', 0, 'a', 'x')
    task.process(0)
    task.prepareCommit()
    task.committed()
    expect([task.punctuateWallClock(10), task.punctuateWallClock(11)]).toEqual([true, false])
    expect(task.leavesNoTrace).toBe(true)
  })

  it('calls punctuators of the stream time at the first time of it, also at 0, and goes on with that time after a rollback', () => {
    const ticks: number[] = []
    const builder = new StreamsBuilder()
    builder.stream(topic('in', text)).process(() => ({ init: (context) => void context.schedule(10, 'stream-time', (time) => ticks.push(time)), process: () => undefined }))
    const { task, add } = taskOf(builder.build())
    expect(task.punctuateStreamTime(0)).toBe(false)
    add('in', 0, 'a', 'x', 0)
    expect([task.processMany(10, 0), task.punctuateStreamTime(0)]).toEqual([1, true])
    for (const [offset, timestamp] of [[1, 12], [2, 47], [3, 30]] as const) add('in', offset, 'a', 'x', timestamp)
    expect([task.processMany(10, 0), task.punctuateStreamTime(0)]).toEqual([3, true])
    task.prepareCommit()
    task.committed()
    add('in', 4, 'a', 'x', 90)
    task.processMany(10, 0)
    task.punctuateStreamTime(0)
    task.rollback()
    task.punctuateStreamTime(0)
    expect(ticks).toEqual([0, 47, 90, 47])
  })

  it('takes no more records than operators take whose functions wait', () => {
    const builder = new StreamsBuilder()
    builder.stream(topic('in', text)).mapAsync(() => new Promise<string>(() => undefined), { maxInFlight: 2 }).to(topic('out', text))
    const { task, add } = taskOf(builder.build())
    for (let offset = 0; offset < 5; offset++) add('in', offset, 'a', 'x')
    expect([task.processMany(1, 0), task.processMany(10, 0), task.process(0)]).toEqual([1, 1, false])
    task.close()
  })

  it('keeps a wish to commit that came after the seal', () => {
    const builder = new StreamsBuilder()
    builder.stream(topic('in', text)).process<string, string>(() => {
      let context!: ProcessorContext<string, string>
      return { init: (given) => void (context = given), process: () => context.requestCommit() }
    })
    const { task, add } = taskOf(builder.build())
    const requested = () => task.commitRequested
    add('in', 0, 'a', 'x')
    task.process(0)
    task.prepareCommit()
    task.seal()
    expect(requested()).toBe(false)
    add('in', 1, 'a', 'x')
    task.process(0)
    task.committed()
    expect(requested()).toBe(true)
  })

  it('sends final results again that a rollback took back', () => {
    const builder = new StreamsBuilder()
    builder.stream(topic('in', text)).groupByKey().windowedBy(tumbling(10, { grace: 0 })).emit('on-window-close').count({ store: 'counts' })
      .toStream().map((count, window) => [window.key, `${window.start} ${count}`]).to(topic('out', text))
    const { task, add, drain } = taskOf(builder.build())
    const run = () => {
      add('in', 0, 'k', 'x', 1)
      add('in', 1, 'k', 'x', 12)
      return drain().filter(({ topic: name }) => name === 'out').map(({ value }) => value)
    }
    expect(run()).toEqual(['0 1'])
    task.rollback()
    expect(run()).toEqual(['0 1'])
  })

  it('never leaves out a bug of ours, whatever the policy', () => {
    const builder = new StreamsBuilder()
    builder.stream(topic('in', text)).mapValues(() => { throw new AssertionError('impossible') }).to(topic('out', text))
    const { task, add } = taskOf(builder.build(), { cacheMaxBytes: 0, onProcessingError: 'skip' })
    add('in', 0, 'a', 'x')
    expect(() => task.process(0)).toThrow(/impossible/)
  })

  it('commits where an input without a record began, at 0 too', () => {
    const { task } = taskOf(counting())
    task.begin({ topic: 'in', partition: 0 }, 0)
    expect(task.prepareCommit()).toMatchObject([{ topic: 'in', partition: 0, offset: 0 }])
    task.committed()
    expect(task.prepareCommit()).toEqual([])
  })

  it('commits the next offset that was not processed, only for partitions that moved', () => {
    const { task, add } = taskOf(counting())
    expect(task.prepareCommit()).toEqual([])
    add('in', 0, 'k', 'x', 10)
    add('in', 1, 'k', 'y', 20)
    task.process(0)
    expect(task.prepareCommit()).toEqual([{ topic: 'in', partition: 0, offset: 1, metadata: timeOf(10) }])
    task.committed()
    expect(task.prepareCommit()).toEqual([])
    task.process(0)
    expect(task.prepareCommit()).toMatchObject([{ offset: 2 }])
  })

  it('counts as committed what was prepared, not what was added since', () => {
    const { task, add } = taskOf(counting())
    add('in', 0, 'k', 'x')
    task.process(0)
    expect(task.prepareCommit()).toMatchObject([{ offset: 1 }])
    add('in', 5, 'k', 'y')
    task.committed()
    expect(task.prepareCommit()).toMatchObject([{ offset: 5 }])
  })

  it('names node, topic, partition and offset when a function throws, is dead then, and goes on after a rollback', () => {
    const { task, add, sent } = taskOf(counting())
    add('in', 0, 'k', 'x')
    task.process(0)
    task.prepareCommit()
    task.committed()
    add('in', 1, 'k', 'y')
    add('in', 2, 'k', 'bad')
    task.process(0)
    expect(() => task.process(0)).toThrow('check failed on in-0 at offset 2 (task 0_0): boom')
    expect(() => task.process(0)).toThrow('check failed')
    expect(countOf(task, 'k')).toBe(2)
    task.rollback()
    expect(countOf(task, 'k')).toBe(1)
    sent.length = 0
    add('in', 1, 'k', 'y')
    task.process(0)
    expect(sent.map(({ topic: name }) => name)).toEqual(['app-counts-changelog', 'out'])
    expect(countOf(task, 'k')).toBe(2)
  })

  it('leaves a failing record out by policy, with a dead letter that says why', () => {
    const { add, drain, task } = taskOf(counting(), { onProcessingError: 'dead-letter', deadLetterTopic: 'dead', cacheMaxBytes: 0 })
    add('in', 0, 'k', 'bad', 7)
    add('in', 1, 'k', 'x', 8)
    const [letter, ...rest] = drain()
    expect(letter).toMatchObject({ topic: 'dead', key: 'k', value: 'bad', timestamp: 7 })
    expect(Object.fromEntries(letter!.headers.map(({ key, value }) => [key, Buffer.from(value!).toString()]))).toMatchObject({
      '__streams.errors.exception': 'TypeError', '__streams.errors.message': 'boom', '__streams.errors.topic': 'in', '__streams.errors.offset': '0',
    })
    expect(rest.map(({ topic: name }) => name)).toEqual(['app-counts-changelog', 'out'])
    expect(task.droppedRecords).toBe(1)
  })

  it('refuses bytes that cannot be read, naming where they are', () => {
    const builder = new StreamsBuilder()
    builder.stream(topic('in', { key: stringSerde, value: longSerde })).to(topic('out', { key: stringSerde, value: longSerde }))
    const { add } = taskOf(builder.build())
    expect(() => add('in', 4, 'k', 'not a long')).toThrow('a record of in-0 at offset 4 could not be read')
  })

  it('restores its stores from the changelog and counts on', () => {
    const first = taskOf(counting())
    for (let offset = 0; offset < 5; offset++) first.add('in', offset, 'k', 'x')
    const log = first.drain().filter(({ topic: name }) => name === 'app-counts-changelog')
    const { task, add } = taskOf(counting())
    expect(task.changelogTopics).toEqual(['app-counts-changelog'])
    task.restore('app-counts-changelog', log.map(({ key, value, timestamp }, offset) =>
      singleRecordBatch({ offset, timestamp, key: Buffer.from(key!), value: Buffer.from(value!, 'latin1'), headers: [] })))
    task.rollback()
    expect(countOf(task, 'k')).toBe(5)
    add('in', 5, 'k', 'x')
    task.process(0)
    expect(countOf(task, 'k')).toBe(6)
  })

  it('takes the partition time up again from what was committed', () => {
    const seen: number[] = []
    const builder = new StreamsBuilder()
    builder.stream(topic('in', text), { timestamp: (_value, _key, record, partitionTime) => {
      seen.push(partitionTime)
      return record.timestamp
    } }).to(topic('out', text))
    const { task, add, drain } = taskOf(builder.build())
    task.resume([{ topic: 'in', partition: 0, offset: 3, metadata: timeOf(40) }])
    add('in', 3, null, 'x', 50)
    drain()
    add('in', 4, null, 'y', 45)
    expect(seen).toEqual([40, 50])
  })
})
