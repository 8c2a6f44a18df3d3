import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { stringSerde } from '../../../src/core/index.ts'
import type { Broker } from '../../../src/core/index.ts'
import { StreamsApp, StreamsBuilder, topic } from '../../../src/streams/index.ts'
import type { RestoreProgress, StreamsConfig, Topology } from '../../../src/streams/index.ts'
import { eventually } from '../../contract/contract-kit.ts'
import { createTopics, openMemoryBroker, readAll, write } from '../../kit/streams-harness.ts'

const text = { key: stringSerde, value: stringSerde }
const partitions = 4

let broker: Broker
let apps: StreamsApp[] = []
beforeEach(async () => {
  broker = await openMemoryBroker()
  await createTopics(broker, { in: partitions, out: partitions })
  apps = []
})
afterEach(async () => {
  for (const app of apps) await app.close().catch(() => undefined)
  await broker.close()
})

function counts(): Topology {
  const builder = new StreamsBuilder()
  builder.stream(topic('in', text)).groupByKey().count({ store: 'counts' }).toStream().mapValues(String).to(topic('out', text))
  return builder.build()
}

/** What an instance was told about the filling of its stores. */
class Instance {
  readonly app: StreamsApp
  readonly progress: RestoreProgress[] = []

  constructor(name: string, config: Partial<StreamsConfig> = {}, topology = counts()) {
    this.app = new StreamsApp(topology, {
      applicationId: 'app', broker, commitInterval: 5, sessionTimeout: '6s', endpoint: `${name}:80`, onRestore: (progress) => this.progress.push(progress), ...config,
    })
    apps.push(this.app)
  }

  get standbyRecords(): number {
    return this.progress.filter(({ isStandby }) => isStandby).reduce((sum, { records }) => sum + records, 0)
  }

  /** Records that had to be restored before tasks could run. */
  get restoredRecords(): number {
    return this.progress.filter(({ isStandby }) => !isStandby).reduce((sum, { records }) => sum + records, 0)
  }

  /** Of the changelogs that are followed here: what they have beyond what was taken up. */
  async lags(): Promise<readonly number[]> {
    const newest = new Map(this.progress.filter(({ isStandby }) => isStandby).map((progress) => [progress.taskId, progress]))
    const followed = [...newest.values()].filter(({ step }) => step !== 'suspended')
    const ends = await broker.topics.listOffsets(followed.map(({ topic: name, partition }) => ({ topic: name, partition, at: 'latest' as const })), { isolation: 'read-committed' })
    return followed.map(({ position }, index) => ends[index]!.offset - position)
  }
}

const keys = Array.from({ length: 20 }, (_, index) => `k${index}`)
let written = 0
async function count(rounds: number): Promise<void> {
  for (let round = 0; round < rounds; round++) await write(broker, 'in', keys.map((key) => ({ key, value: 'x', timestamp: written })))
  written += rounds
}

/** The newest count of each key must be the number of its records, and no count may come twice. */
async function expectCounts(rounds: number): Promise<void> {
  const found = await readAll(broker, 'out')
  for (const key of keys) {
    const values = found.filter((record) => record.key === key).map(({ value }) => Number(value))
    expect([key, values.at(-1)]).toEqual([key, rounds])
    expect(values).toEqual([...new Set(values)].sort((a, b) => a - b))
  }
}

const settled = (first: Instance, second: Instance) => eventually(async () => {
  expect([first.app.metrics().tasks, second.app.metrics().tasks]).toEqual([2, 2])
  expect([first.app.state, second.app.state]).toEqual(['RUNNING', 'RUNNING'])
})

describe('standby replicas', () => {
  it('follow the stores of the other instance, which are taken over without restoring', async () => {
    const [first, second] = [new Instance('a', { standbyReplicas: 1 }), new Instance('b', { standbyReplicas: 1 })]
    await first.app.start()
    await second.app.start()
    await settled(first, second)
    await count(30)
    await first.app.caughtUp()
    await eventually(async () => expect(await second.lags()).toEqual([0, 0]))
    expect(second.standbyRecords).toBeGreaterThan(0)
    const before = second.restoredRecords
    await first.app.close()
    await eventually(async () => expect(second.app.metrics().tasks).toBe(partitions))
    await second.app.caughtUp()
    expect(second.restoredRecords - before).toBe(0)
    await count(1)
    await second.app.caughtUp()
    await expectCounts(31)
  }, 60_000)

  it('answer where stale rows will do, and everyone knows where they are', async () => {
    const [first, second] = [new Instance('a', { standbyReplicas: 1 }), new Instance('b', { standbyReplicas: 1 })]
    await first.app.start()
    await second.app.start()
    await settled(first, second)
    await count(3)
    await first.app.caughtUp()
    await eventually(async () => expect(await second.lags()).toEqual([0, 0]))
    const [fresh, stale] = [second.app.store<string, number>('counts'), second.app.store<string, number>('counts', 'key-value', { stale: true })]
    expect(keys.map((key) => stale.get(key))).toEqual(keys.map(() => 3))
    expect(stale.count()).toBe(keys.length)
    expect(fresh.count()).toBeLessThan(keys.length)
    const { partitions: own, standbys } = second.app.storeMetadata()[0]!
    expect(new Set([...own, ...standbys.map(({ partition }) => partition)])).toEqual(new Set([0, 1, 2, 3]))
    for (const key of keys) {
      const { isLocal, isStandby, endpoint, standbyEndpoints } = await second.app.keyMetadata('counts', key)
      expect({ isStandby, endpoint, standbyEndpoints }).toEqual(isLocal ? { isStandby: false, endpoint: 'b:80', standbyEndpoints: ['a:80'] } : { isStandby: true, endpoint: 'a:80', standbyEndpoints: ['b:80'] })
    }
    await first.app.close()
    await eventually(async () => expect(second.app.metrics().tasks).toBe(partitions))
    await eventually(async () => expect(fresh.count()).toBe(keys.length))
  }, 60_000)

  it('are where tasks go back to, with what they have from when they ran here', async () => {
    const first = new Instance('a', { standbyReplicas: 1 })
    await first.app.start()
    await count(20)
    await first.app.caughtUp()
    const second = new Instance('b', { standbyReplicas: 1 })
    await second.app.start()
    await settled(first, second)
    await count(5)
    await second.app.caughtUp()
    await eventually(async () => expect(await first.lags()).toEqual([0, 0]))
    expect(first.standbyRecords).toBeLessThanOrEqual(5 * keys.length)
    await second.app.close()
    await eventually(async () => expect(first.app.metrics().tasks).toBe(partitions))
    await count(1)
    await first.app.caughtUp()
    expect(first.restoredRecords).toBe(0)
    await expectCounts(26)
  }, 60_000)

  it('of a table that reads its topic again have what was processed, and nothing beyond', async () => {
    const topology = () => {
      const builder = new StreamsBuilder()
      const table = builder.table(topic('in', text), { store: 'table' })
      table.toStream().mapValues((value) => `${value}`).to(topic('out', text))
      return builder.build({ optimization: 'all' })
    }
    const [first, second] = [new Instance('a', { standbyReplicas: 1 }, topology()), new Instance('b', { standbyReplicas: 1 }, topology())]
    await first.app.start()
    await second.app.start()
    await settled(first, second)
    await count(10)
    await first.app.caughtUp()
    await eventually(async () => expect(await second.lags()).toEqual([0, 0]))
    const before = second.restoredRecords
    await first.app.close()
    await eventually(async () => expect(second.app.metrics().tasks).toBe(partitions))
    await eventually(async () => expect(second.app.state).toBe('RUNNING'))
    expect(second.restoredRecords - before).toBe(0)
    expect([...second.app.store<string, string>('table').all()]).toHaveLength(keys.length)
  }, 60_000)
})

describe('tasks with state', () => {
  it('stay where they are until a copy elsewhere has caught up', async () => {
    const config = { acceptableRecoveryLag: 0, maxWarmupReplicas: 1 }
    const first = new Instance('a', config)
    await first.app.start()
    await count(20)
    await first.app.caughtUp()
    const second = new Instance('b', config)
    await second.app.start()
    await settled(first, second)
    expect(second.standbyRecords).toBeGreaterThan(0)
    expect(second.restoredRecords).toBe(0)
    // one after the other: that is how many copies may be made at a time
    const events = second.progress.filter(({ isStandby, step }) => isStandby && step !== 'batch').map(({ step }) => step)
    expect(events).toEqual(['start', 'suspended', 'start', 'suspended'])
    await count(1)
    await first.app.caughtUp()
    await expectCounts(21)
  }, 60_000)

  it('go from one instance to three and back under load, with standbys, and every record counts once', async () => {
    const config = { standbyReplicas: 1, acceptableRecoveryLag: 0 }
    const instances = ['a', 'b', 'c'].map((name) => new Instance(name, config))
    const [first, second, third] = instances as [Instance, Instance, Instance]
    await first.app.start()
    let isDone = false
    let rounds = 0
    const load = (async () => {
      for (; !isDone; rounds++) await count(1)
    })()
    await eventually(async () => expect(first.app.metrics().processedRecords).toBeGreaterThan(0))
    await second.app.start()
    await third.app.start()
    await eventually(async () => expect(Math.max(...instances.map(({ app }) => app.metrics().tasks))).toBe(2))
    await first.app.close()
    await eventually(async () => expect([second, third].map(({ app }) => app.metrics().tasks)).toEqual([2, 2]))
    await second.app.close()
    await eventually(async () => expect(third.app.metrics().tasks).toBe(partitions))
    isDone = true
    await load
    await third.app.caughtUp()
    await expectCounts(rounds)
  }, 120_000)
})
