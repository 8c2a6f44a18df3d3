/** Two processes of `millrace run` on Apache Kafka that answer questions about one store: each knows what it has itself, what it follows, and who has the rest. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { openKafkaBroker } from '../../src/core/index.ts'
import type { Broker } from '../../src/core/index.ts'
import { eventually } from '../contract/contract-kit.ts'
import { startConsole } from '../kit/console.ts'
import type { RunningConsole } from '../kit/console.ts'
import { freshName } from '../kit/kafka.ts'
import { describeWith } from '../kit/services.ts'

const root = fileURLToPath(new URL('../../', import.meta.url))
const partitions = [0, 1, 2, 3]
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

await describeWith('kafka', 'two processes of millrace run on Apache Kafka that are asked', ({ bootstrapServers }) => {
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
    const process = startConsole(command, { directory })
    await process.waitFor('metrics and stores at')
    return { address, process }
  }
  const storeAt = async ({ address }: Instance) => ((await (await fetch(`http://${address}/stores`)).json()) as readonly Store[])[0]!
  const countAt = ({ address }: Instance, key: string, query = '', redirect: 'follow' | 'manual' = 'follow') => fetch(`http://${address}/stores/orders-per-shop/keys/${encodeURIComponent(key)}${query}`, { redirect })
  const expectCounts = (instances: readonly Instance[], count: number) => eventually(async () => {
    for (const instance of instances) for (const key of keys) expect(await (await countAt(instance, key)).json(), `${key} at ${instance.address}`).toMatchObject({ value: count })
  })

  it('answer for each other, and from what they follow, until one of them has it all', async () => {
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

    const answers = await Promise.all(pair.map((instance) => Promise.all(keys.map(async (key) => countAt(instance, key, '', 'manual')))))
    keys.forEach((key, index) => {
      const [here, there] = answers.map((each) => each[index]!)
      expect([here!.status, there!.status].toSorted(byNumber), key).toEqual([200, 307])
      const asked = here!.status === 200 ? [other, one] : [one, other]
      expect((here!.status === 307 ? here! : there!).headers.get('location')).toBe(`http://${asked[1]!.address}/stores/orders-per-shop/keys/${encodeURIComponent(key)}`)
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
    expect((await storeAt(one)).partitions).toEqual(partitions)
  }, 300_000)
})

const byNumber = (a: number, b: number) => a - b

async function freePort(): Promise<number> {
  const probe = createServer()
  await new Promise<void>((resolve) => { probe.listen(0, '127.0.0.1', resolve) })
  const { port } = probe.address() as AddressInfo
  await new Promise((resolve) => { probe.close(resolve) })
  return port
}
