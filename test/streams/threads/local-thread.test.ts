import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { stringSerde } from '../../../src/core/index.ts'
import type { Broker } from '../../../src/core/index.ts'
import { StreamsApp, StreamsBuilder, keyValueStore, topic } from '../../../src/streams/index.ts'
import type { ProcessorContext, RestoreProgress, StreamsConfig, StreamsState, Topology } from '../../../src/streams/index.ts'
import { eventually } from '../../contract/contract-kit.ts'
import { createTopics, openMemoryBroker, readAll, write } from '../../kit/streams-harness.ts'

const text = { key: stringSerde, value: stringSerde }
const formats = { key: stringSerde, value: stringSerde }

let broker: Broker
let apps: StreamsApp[]
beforeEach(async () => {
  broker = await openMemoryBroker()
  await createTopics(broker, { in: 2, out: 1 })
  apps = []
})
afterEach(async () => {
  for (const app of apps) await app.close().catch(() => undefined)
  await broker.close()
})

function appOf(topology: Topology, config: Partial<StreamsConfig> = {}): StreamsApp {
  const app = new StreamsApp(topology, { applicationId: 'app', broker, commitInterval: 5, cacheMaxBytes: 0, ...config })
  apps.push(app)
  return app
}

function counts(): Topology {
  const builder = new StreamsBuilder()
  builder.stream(topic('in', text)).groupByKey().count({ store: 'counts' }).toStream().mapValues(String).to(topic('out', text))
  return builder.build()
}

const writeIn = (count: number) => write(broker, 'in', Array.from({ length: count }, (_, index) => ({ key: `k${index % 4}`, value: 'x' })))
const results = async () => (await readAll(broker, 'out')).map(({ key, value }) => `${key} ${value}`).sort()
const upTo = (last: number) => ['k0', 'k1', 'k2', 'k3'].flatMap((key) => Array.from({ length: last }, (_, index) => `${key} ${index + 1}`)).sort()
const turnsOf = (app: StreamsApp) => Math.min(...app.metricValues().filter(({ name }) => name === 'poll-total').map(({ value }) => value))

/** Several turns of each application's loop. */
async function aWhile(): Promise<void> {
  const before = apps.map(turnsOf)
  await eventually(async () => expect(apps.every((app, index) => app.state === 'NOT_RUNNING' || turnsOf(app) > before[index]! + 3)).toBe(true))
}

const committed = async () => (await broker.groups.describe('app')).offsets.reduce((sum, { offset }) => sum + offset, 0)

describe('an application that is paused', () => {
  it('commits what it did, processes nothing, and goes on after resume with each record once', async () => {
    await writeIn(8)
    const app = appOf(counts())
    const states: StreamsState[] = []
    await app.start()
    await app.caughtUp()
    app.onStateChange((state) => states.push(state))
    app.pause()
    await writeIn(8)
    await aWhile()
    expect(app.isPaused).toBe(true)
    expect(app.state).toBe('RUNNING')
    expect(await results()).toEqual(upTo(2))
    expect(app.store<string, number>('counts').get('k0')).toBe(2)
    app.resume()
    await app.caughtUp()
    expect(app.isPaused).toBe(false)
    expect(await results()).toEqual(upTo(4))
    expect(app.metrics()).toMatchObject({ inputRecords: 16, rollbacks: 0 })
    expect(states).toEqual([])
  })

  it('commits what was processed before it was paused', async () => {
    await writeIn(8)
    const app = appOf(counts(), { commitInterval: '1h' })
    await app.start()
    await eventually(async () => expect(app.metrics().inputRecords).toBe(8))
    app.pause()
    await app.close()
    expect(await results()).toEqual(upTo(2))
    expect(await committed()).toBe(8)
  })

  it('can begin so: it joins the group, and waits', async () => {
    await writeIn(8)
    const app = appOf(counts())
    app.pause()
    await app.start()
    await aWhile()
    expect(app.state).toBe('RUNNING')
    expect(app.metrics()).toMatchObject({ tasks: 2, inputRecords: 0 })
    expect((await broker.groups.describe('app')).members).toHaveLength(1)
    app.resume()
    await app.caughtUp()
    expect(await results()).toEqual(upTo(2))
  })

  it('gives its StreamTasks to others, who are not paused', async () => {
    const [first, second] = [appOf(counts()), appOf(counts())]
    await first.start()
    first.pause()
    await writeIn(8)
    await second.start()
    await eventually(async () => expect([first.metrics().tasks, second.metrics().tasks]).toEqual([1, 1]))
    await first.close()
    await second.caughtUp()
    expect(await results()).toEqual(upTo(2))
  })

  it('restores no stores, and follows none for others', async () => {
    await writeIn(8)
    const before = appOf(counts())
    await before.start()
    await before.caughtUp()
    await before.close()
    const progress: RestoreProgress[] = []
    const app = appOf(counts(), { onRestore: (each) => progress.push(each), standbyReplicas: 1 })
    app.pause()
    await app.start()
    await aWhile()
    expect(app.state).toBe('REBALANCING')
    expect(progress.filter(({ step }) => step !== 'start')).toEqual([])
    app.resume()
    await eventually(async () => expect(app.state).toBe('RUNNING'))
    const follower = appOf(counts(), { onRestore: (each) => progress.push(each), standbyReplicas: 1 })
    await follower.start()
    await eventually(async () => expect(follower.storeMetadata()[0]!.standbys.length + app.storeMetadata()[0]!.standbys.length).toBe(2))
    for (const each of [app, follower]) await each.caughtUp()
    follower.pause()
    app.pause()
    progress.length = 0
    await writeIn(8)
    await aWhile()
    expect(progress).toEqual([])
    for (const each of [app, follower]) each.resume()
    await app.caughtUp()
    await eventually(async () => expect(progress.filter(({ isStandby }) => isStandby).reduce((sum, { records }) => sum + records, 0)).toBeGreaterThan(0))
    expect(await results()).toEqual(upTo(4))
  })

  it('calls no punctuator, and afterwards each whose time came once', async () => {
    const ticks: number[] = []
    const seen = keyValueStore('seen', formats)
    const builder = new StreamsBuilder()
    builder.stream(topic('in', text)).process<string, string>(() => ({
      init: (context: ProcessorContext<string, string>) => { if (context.taskId === '0_0') context.schedule(20, 'wall-clock', (now) => ticks.push(now)) },
      process() {},
    }), { stores: [seen] })
    const app = appOf(builder.build())
    await app.start()
    await eventually(async () => expect(ticks.length).toBeGreaterThan(1))
    app.pause()
    await aWhile()
    const before = ticks.length
    await aWhile()
    expect(ticks).toHaveLength(before)
    app.resume()
    await eventually(async () => expect(ticks.length).toBeGreaterThan(before))
    expect(ticks.length - before).toBeLessThan(10)
  })

  it('keeps results of calls that wait until it goes on', async () => {
    const calls: (() => void)[] = []
    const builder = new StreamsBuilder()
    builder.stream(topic('in', text)).mapAsync((value) => new Promise<string>((resolve) => calls.push(() => resolve(`${value}!`)))).to(topic('out', text))
    await write(broker, 'in', [{ key: 'k', value: 'x', partition: 0 }])
    const app = appOf(builder.build(), { commitInterval: '1h' })
    await app.start()
    await eventually(async () => expect(calls).toHaveLength(1))
    app.pause()
    calls[0]!()
    await aWhile()
    expect(await results()).toEqual([])
    app.resume()
    await app.caughtUp()
    expect(await results()).toEqual(['k x!'])
  })
})
