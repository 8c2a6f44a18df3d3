/**
 * Two instances of one application on Apache Kafka. As processes of `millrace run` they answer questions about one store: each knows what
 * it has itself, what it follows, and who has the rest. What one follows it takes over without restoring it.
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { openKafkaBroker, stringSerde } from '../../src/core/index.ts'
import type { Broker } from '../../src/core/index.ts'
import { StreamsApp, StreamsBuilder, topic } from '../../src/streams/index.ts'
import type { Topology } from '../../src/streams/index.ts'
import { eventually as eventuallyWithin } from '../contract/contract-kit.ts'
import { startConsole } from '../kit/console.ts'
import type { RunningConsole } from '../kit/console.ts'
import { freePort } from '../kit/free-port.ts'
import { freshName } from '../kit/kafka.ts'
import { describeWith } from '../kit/services.ts'

const root = fileURLToPath(new URL('../../', import.meta.url))
const partitions = [0, 1, 2, 3]
/** A process of a busy machine takes its time to start, and a group its time to hear who has left. */
const eventually = (attempt: () => Promise<void>) => eventuallyWithin(attempt, 150_000)
const testLimitMs = 600_000
const keys = Array.from({ length: 12 }, (_, index) => `shop ${index}`)

interface Store {
  readonly name: string
  readonly partitions: readonly number[]
  readonly standbys: readonly { readonly partition: number; readonly lagRecords: number }[]
}

interface Instance {
  readonly address: string
  readonly process: RunningConsole
}

await describeWith('kafka', 'two instances of an application on Apache Kafka', ({ bootstrapServers }) => {
  const applicationId = freshName('asked')
  const orders = `${applicationId}-orders`
  let directory: string
  let broker: Broker

  beforeAll(async () => {
    broker = await openKafkaBroker({ brokers: bootstrapServers.split(',') })
    await broker.topics.create([{ topic: orders, partitions: partitions.length }])
    // Inside the project, where the program finds what it imports.
    mkdirSync(join(root, '.test-tmp'), { recursive: true })
    directory = mkdtempSync(join(root, '.test-tmp', 'asked-'))
    writeFileSync(join(directory, 'app.ts'), `
      import { stringSerde } from 'millrace'
      import { StreamsBuilder, topic } from 'millrace/streams'
      const builder = new StreamsBuilder()
      builder.stream(topic('${orders}', { key: stringSerde, value: stringSerde })).groupByKey().count({ store: 'orders-per-shop' })
      export default builder.build()
    `)
  })
  afterAll(async () => {
    await broker.close()
    rmSync(directory, { recursive: true, force: true })
  })

  const order = async (count: number) => {
    const producer = await broker.openProducer()
    for (let round = 0; round < count; round++) for (const key of keys) void producer.append({ topic: orders, key: Buffer.from(key), value: Buffer.from('x') })
    await producer.close()
  }
  const start = async (threads: number): Promise<Instance> => {
    const address = `localhost:${await freePort()}`
    const command = ['run', 'app.ts', '--application-id', applicationId, '--http-port', address.split(':')[1]!, '--endpoint', address, '--standby-replicas', '1', '--threads', String(threads), '--kafka', bootstrapServers]
    const process = startConsole(command, { directory, limitMs: testLimitMs })
    await process.waitFor('metrics and stores at')
    return { address, process }
  }
  const storeAt = async ({ address }: Instance) => ((await (await fetch(`http://${address}/stores`)).json()) as readonly Store[])[0]!
  const countAt = ({ address }: Instance, key: string, query = '', redirect: 'follow' | 'manual' = 'follow') => fetch(`http://${address}/stores/orders-per-shop/keys/${encodeURIComponent(key)}${query}`, { redirect })
  const expectCounts = (instances: readonly Instance[], count: number) => eventually(async () => {
    for (const instance of instances) for (const key of keys) expect(await (await countAt(instance, key)).json(), `${key} at ${instance.address}`).toMatchObject({ value: count })
  })

  it('answer for each other when they are asked, and from what they follow, until one of them has it all', async () => {
    await order(2)
    const [one, other] = [await start(2), await start(2)]
    const pair = [one, other]
    // each runs two of the four, and follows what the other runs
    await eventually(async () => {
      const stores = await Promise.all(pair.map(storeAt))
      expect(stores.map((store) => store.partitions.length)).toEqual([2, 2])
      expect(stores.flatMap((store) => store.partitions).toSorted(byNumber)).toEqual(partitions)
      expect(stores.map(({ standbys }) => standbys.map(({ partition }) => partition).toSorted(byNumber))).toEqual(stores.map((store) => partitions.filter((partition) => !store.partitions.includes(partition))))
    })
    await expectCounts(pair, 2)

    await eventually(async () => {
      const answers = await Promise.all(pair.map((instance) => Promise.all(keys.map(async (key) => countAt(instance, key, '', 'manual')))))
      keys.forEach((key, index) => {
        const [here, there] = answers.map((each) => each[index]!)
        expect([here!.status, there!.status].toSorted(byNumber), key).toEqual([200, 307])
        const [owner, redirecting] = here!.status === 200 ? [one, there!] : [other, here!]
        expect(redirecting.headers.get('location')).toBe(`http://${owner.address}/stores/orders-per-shop/keys/${encodeURIComponent(key)}`)
      })
    })
    await eventually(async () => {
      for (const instance of pair) {
        for (const key of keys) {
          const stale = await countAt(instance, key, '?stale=true', 'manual')
          expect([stale.status, await stale.json()], `${key} at ${instance.address}`).toMatchObject([200, { value: 2 }])
        }
        expect((await storeAt(instance)).standbys.map(({ lagRecords }) => lagRecords)).toEqual([0, 0])
      }
    })

    other.process.kill('SIGTERM')
    expect(await other.process.ended).toMatchObject({ code: 0 })
    await order(1)
    await expectCounts([one], 3)
    await eventually(async () => expect((await storeAt(one)).partitions).toEqual(partitions))
  }, testLimitMs)

  it('take over what they follow, without restoring it', async () => {
    const followed = freshName('followed')
    await broker.topics.create([{ topic: `${followed}-in`, partitions: 2 }])
    const builder = new StreamsBuilder()
    builder.stream(topic(`${followed}-in`, { key: stringSerde, value: stringSerde })).groupByKey().count({ store: 'counts' })
    const topology = builder.build()
    const instances = await Promise.all([1, 2].map(async () => new Following(topology, followed, await openKafkaBroker({ brokers: bootstrapServers.split(',') }))))
    const [first, second] = instances as [Following, Following]
    await first.app.start()
    await second.app.start()
    await eventually(async () => expect(instances.map(({ app }) => [app.state, app.metrics().tasks])).toEqual([['RUNNING', 1], ['RUNNING', 1]]))
    const producer = await broker.openProducer()
    const add = async () => {
      for (const key of keys) void producer.append({ topic: `${followed}-in`, key: Buffer.from(key), value: Buffer.from('x') })
      await producer.flush()
    }
    await add()
    await Promise.all(instances.map(({ app }) => app.caughtUp()))
    const stale = second.app.store<string, number>('counts', 'key-value', { stale: true })
    await eventually(async () => expect(keys.map((key) => stale.get(key))).toEqual(keys.map(() => 1)))
    const { restoredRecords } = second
    await first.close()
    await eventually(async () => expect([second.app.state, second.app.metrics().tasks]).toEqual(['RUNNING', 2]))
    await add()
    await second.app.caughtUp()
    const fresh = second.app.store<string, number>('counts')
    await eventually(async () => expect(keys.map((key) => fresh.get(key))).toEqual(keys.map(() => 2)))
    expect(second.restoredRecords).toBe(restoredRecords)
    await Promise.all([second.close(), producer.close()])
  }, testLimitMs)
})

class Following {
  readonly app: StreamsApp
  /** That had to be read from changelogs before tasks could run. */
  restoredRecords = 0
  readonly #broker: Broker

  constructor(topology: Topology, applicationId: string, broker: Broker) {
    this.#broker = broker
    this.app = new StreamsApp(topology, {
      applicationId, broker, commitInterval: 50, sessionTimeout: '60s', standbyReplicas: 1,
      onRestore: ({ isStandby, records }) => {
        if (!isStandby) this.restoredRecords += records
      },
    })
  }

  async close(): Promise<void> {
    await this.app.close()
    await this.#broker.close()
  }
}

const byNumber = (a: number, b: number) => a - b
