import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { stringSerde, systemClock } from '../../../src/core/index.ts'
import type { Broker, OffsetQuery, PartitionPosition, RecordBatch, TopicPartition } from '../../../src/core/index.ts'
import { StreamsApp, StreamsBuilder, topic, tumbling } from '../../../src/streams/index.ts'
import type { RestoreProgress, StreamsConfig } from '../../../src/streams/index.ts'
import { RecordBatchBuilder } from '../../../src/core/log/record-batch-builder.ts'
import type { ActiveTask } from '../../../src/streams/runtime/active-task.ts'
import type { TaskPlan } from '../../../src/streams/runtime/assignor.ts'
import { Restorer } from '../../../src/streams/runtime/restore.ts'
import { StandbyTasks } from '../../../src/streams/runtime/standby-tasks.ts'
import type { StreamTask } from '../../../src/streams/runtime/stream-task.ts'
import { eventually } from '../../contract/contract-kit.ts'
import { createTopics, openMemoryBroker, readAll, write } from '../../kit/streams-harness.ts'

const text = { key: stringSerde, value: stringSerde }
const changelog: TopicPartition = { topic: 'app-counts-changelog', partition: 0 }
const windowMs = 1_000

let broker: Broker
let apps: StreamsApp[]
beforeEach(async () => {
  broker = await openMemoryBroker()
  await createTopics(broker, { in: 1, out: 1 })
  apps = []
})
afterEach(async () => {
  for (const app of apps) await app.close().catch(() => undefined)
  await broker.close()
})

function started(config: Partial<StreamsConfig> = {}): StreamsApp {
  const builder = new StreamsBuilder()
  builder.stream(topic('in', text)).groupByKey().windowedBy(tumbling(windowMs, { grace: '1h' })).count({ store: 'counts' }).toStream().map((value, { key, start }) => [`${key} ${start}`, String(value)]).to(topic('out', text))
  const app = new StreamsApp(builder.build(), { applicationId: 'app', broker, commitInterval: 5, cacheMaxBytes: 0, ...config })
  apps.push(app)
  return app
}

const now = systemClock.now()
const place = (window: number) => now - (now % windowMs) + window * windowMs
const writeWindows = (windows: readonly number[]) => write(broker, 'in', windows.map((window) => ({ key: 'k', value: 'x', timestamp: place(window) })))

/** A broker whose log of changes loses its records before `beforeOffset` once a reader of it has been given its position: as when retention comes in between. */
function losing(beforeOffset: number): Broker {
  let isLost = false
  const openReader: Broker['openReader'] = async (...options) => {
    const reader = await broker.openReader(...options)
    return new Proxy(reader, {
      get(target, name) {
        const member = Reflect.get(target, name) as unknown
        if (typeof member !== 'function') return member
        if (name !== 'read') return member.bind(target) as unknown
        return async (...args: unknown[]) => {
          const isReadHere = target.positions().some((position) => position.topic === changelog.topic)
          if (!isLost && isReadHere) {
            isLost = true
            await broker.topics.deleteRecords([{ ...changelog, beforeOffset }])
          }
          return (member as (...all: unknown[]) => unknown).apply(target, args)
        }
      },
    })
  }
  return new Proxy(broker, {
    get(target, name) {
      if (name === 'openReader') return openReader
      const member = Reflect.get(target, name) as unknown
      return typeof member === 'function' ? (member.bind(target) as unknown) : member
    },
  })
}

/** Of two changelogs of four records, each read gives one record of each that was assigned, as a cluster's leaders do. */
function twoChangelogs(): Broker {
  let positions: { topic: string; partition: number; offset: number }[] = []
  const batchAt = (offset: number) => ({ baseOffset: offset, lastOffset: offset, recordCount: 1, sizeBytes: 10 }) as unknown as RecordBatch
  const taken = (position: { offset: number }) => ({ ...position, batches: [batchAt(position.offset)], nextOffset: ++position.offset, lastStableOffset: 4 })
  const reader = {
    assign: (assigned: readonly PartitionPosition[]) => { positions = assigned.map((position) => ({ ...position })) },
    read: async () => ({ partitions: positions.filter(({ offset }) => offset < 4).map((position) => taken(position)) }),
    close: async () => undefined,
  }
  const listOffsets = async (queries: readonly OffsetQuery[]) => queries.map(({ topic: name, partition, at }) => ({ topic: name, partition, offset: at === 'earliest' ? 0 : 4, timestamp: -1 }))
  return { openReader: async () => reader, topics: { listOffsets } } as unknown as Broker
}

describe('a listener that fails while stores are filled, or followed', () => {
  it.each(['filled', 'followed'])('leaves nothing out of those that are %s: what it kept from them is read again', async (way) => {
    const restored: string[] = []
    const task = {
      taskId: '0_0',
      changelogTopics: ['one', 'two'],
      restoreFrom: (_name: string, start: number) => start,
      restore: (name: string, [batch]: readonly RecordBatch[]) => restored.push(`${name} ${batch!.baseOffset}`),
      checkpoint: () => undefined,
    } as unknown as StreamTask
    let failures = 0
    const onProgress = ({ step }: RestoreProgress) => {
      if (step === 'batch' && failures++ === 0) throw new Error('on purpose')
    }
    const plan = { partition: 0, inputs: [] } as unknown as TaskPlan
    const restorer = new Restorer(twoChangelogs(), onProgress)
    const standbys = new StandbyTasks({ broker: twoChangelogs(), clock: systemClock, committed: async () => [], onProgress })
    if (way === 'filled') await restorer.add({ task, plan, inputs: [] } as unknown as ActiveTask)
    else await standbys.add(task, plan)
    const take = () => (way === 'filled' ? restorer.restoreSlice(100) : standbys.update(100))
    while (failures === 0) await take().catch(() => undefined)
    for (let slices = 0; slices < 8; slices++) await take()
    expect(restored.sort()).toEqual(['one', 'two'].flatMap((name) => [0, 1, 2, 3].map((offset) => `${name} ${offset}`)))
  })
})

describe('a topic that is an input, and the changelog of a table', () => {
  it.each([['restored', 2], ['restored', 3], ['followed', 2], ['followed', 3]])('is %s up to the offset where processing goes on, %i, also when that is in the middle of a batch', async (way, position) => {
    await createTopics(broker, { table: 1 })
    const batch = new RecordBatchBuilder({ maxBytes: 1_000 })
    for (const value of ['a', 'b', 'c', 'd']) batch.add(null, stringSerde.serialize(value), 0, [])
    const producer = await broker.openProducer()
    await producer.appendBatch({ topic: 'table', partition: 0 }, batch.build())
    await producer.close()
    const restored: string[] = []
    const checkpoints: number[] = []
    const task = {
      taskId: '0_0',
      changelogTopics: ['table'],
      restoreFrom: (_name: string, start: number) => start,
      restore: (_name: string, batches: readonly RecordBatch[]) => { for (const read of batches) for (const { value } of read) restored.push(stringSerde.deserialize(value!)) },
      checkpoint: (positions: ReadonlyMap<string, number>) => checkpoints.push(positions.get('table')!),
    } as unknown as StreamTask
    const input = { topic: 'table', partition: 0, position }
    const restorer = new Restorer(broker, () => undefined)
    const standbys = new StandbyTasks({ broker, clock: systemClock, committed: async () => [{ ...input, offset: position }], onProgress: () => undefined })
    if (way === 'restored') await restorer.add({ task, plan: { partition: 0 }, inputs: [input] } as unknown as ActiveTask)
    else await standbys.add(Object.assign(task, { close: () => undefined }), { partition: 0, inputs: [input] } as unknown as TaskPlan)
    for (let slices = 0; slices < 3; slices++) await (way === 'restored' ? restorer.restoreSlice(1_000) : standbys.update(1_000))
    for (const each of [restorer, standbys]) await each.close()
    expect(restored).toEqual(['a', 'b', 'c', 'd'].slice(0, position))
    expect(checkpoints).toEqual([position])
  })
})

describe('stores that are filled while the changelog loses its oldest records', () => {
  const oldWindows = Array.from({ length: 20 }, (_, window) => window)

  it('begin anew where it begins then, and the application goes on', async () => {
    const first = started()
    await writeWindows(oldWindows)
    await first.start()
    await first.caughtUp()
    await first.close()
    const [end] = await broker.topics.listOffsets([{ ...changelog, at: 'latest' }])
    const progress: RestoreProgress[] = []
    const second = started({ broker: losing(12), onRestore: (each) => progress.push(each) })
    await second.start()
    await writeWindows([0, 19])
    await second.caughtUp()
    const starts = progress.filter(({ step }) => step === 'start').map(({ startOffset }) => startOffset)
    expect(starts).toEqual([0, 12])
    expect(progress.at(-1)).toMatchObject({ step: 'end', position: end!.offset })
    expect((await readAll(broker, 'out')).slice(oldWindows.length).map(({ key, value }) => [key, value])).toEqual([[`k ${place(0)}`, '1'], [`k ${place(19)}`, '2']])
  })

  it('begin anew also where they stand by', async () => {
    const first = started({ standbyReplicas: 1, endpoint: 'one:80' })
    await writeWindows(oldWindows)
    await first.start()
    await first.caughtUp()
    const progress: RestoreProgress[] = []
    const second = started({ broker: losing(12), standbyReplicas: 1, endpoint: 'two:80', onRestore: (each) => progress.push(each) })
    await second.start()
    await eventually(async () => expect(progress.filter(({ step, isStandby }) => isStandby && step === 'start').map(({ startOffset }) => startOffset)).toEqual([0, 12]))
    await writeWindows([19])
    await first.caughtUp()
    const [end] = await broker.topics.listOffsets([{ ...changelog, at: 'latest' }], { isolation: 'read-committed' })
    await eventually(async () => expect(progress.at(-1)).toMatchObject({ step: 'batch', position: end!.offset }))
    expect(second.state).toBe('RUNNING')
  })
})
