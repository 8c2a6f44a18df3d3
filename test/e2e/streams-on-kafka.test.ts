import { afterAll, beforeAll, expect, it } from 'vitest'
import { longSerde, openKafkaBroker, stringSerde } from '../../src/core/index.ts'
import type { Broker } from '../../src/core/index.ts'
import { StreamsApp, StreamsBuilder, topic } from '../../src/streams/index.ts'
import { eventually, expectCommitted, visibleValues } from '../contract/contract-kit.ts'
import { expectTopicsToBeChosen } from '../kit/chosen-topics.ts'
import { freshName } from '../kit/kafka.ts'
import { describeWith } from '../kit/services.ts'

const words = ['mill', 'race', 'wheel', 'water', 'stone', 'grain', 'flour']
const recordCount = 2_000

await describeWith('kafka', 'a StreamsApp on Apache Kafka', ({ bootstrapServers }) => {
  const clients: Broker[] = []
  const connect = async () => {
    const broker = await openKafkaBroker({ brokers: bootstrapServers.split(',') })
    clients.push(broker)
    return broker
  }
  let admin: Broker
  beforeAll(async () => {
    admin = await connect()
  })
  afterAll(async () => void await Promise.all(clients.map((client) => client.close())))

  it('counts every record exactly once while instances come and go', async () => {
    const applicationId = freshName('count')
    const [input, output] = [`${applicationId}-in`, `${applicationId}-out`]
    await admin.topics.create([{ topic: input, partitions: 3 }, { topic: output, partitions: 3 }])
    const builder = new StreamsBuilder()
    builder.stream(topic(input, { key: stringSerde, value: stringSerde }))
      .groupBy((word) => word, { key: stringSerde, value: stringSerde })
      .count({ store: 'counts' })
      .toStream()
      .to(topic(output, { key: stringSerde, value: longSerde }))
    const topology = builder.build()
    const start = async () => {
      const app = new StreamsApp(topology, { applicationId, broker: await connect(), commitInterval: 50 })
      await app.start()
      return app
    }

    const producer = await admin.openProducer()
    const append = async (from: number, to: number) => {
      for (let index = from; index < to; index++) void producer.append({ topic: input, key: Buffer.from(String(index)), value: Buffer.from(words[index % words.length]!) })
      await producer.flush()
    }
    const first = await start()
    await append(0, 500)
    const second = await start()
    await append(500, 1_000)
    await first.caughtUp()
    await first.close()
    await append(1_000, 1_500)
    const third = await start()
    await append(1_500, recordCount)
    await third.caughtUp()
    await Promise.all([second.close(), third.close()])

    const { counts, updates } = await countsIn(admin, output)
    expect(counts).toEqual(new Map(words.map((word, index) => [word, Math.ceil((recordCount - index) / words.length)])))
    for (const values of updates.values()) expect(values).toEqual([...values].sort((a, b) => a - b))
  }, 120_000)

  it('ends when another instance of its name takes its place, which goes on', async () => {
    const applicationId = freshName('named')
    const text = { key: stringSerde, value: stringSerde }
    await admin.topics.create([{ topic: `${applicationId}-in` }, { topic: `${applicationId}-out` }])
    const builder = new StreamsBuilder()
    builder.stream(topic(`${applicationId}-in`, text)).to(topic(`${applicationId}-out`, text))
    const [first, second] = [await connect(), await connect()].map((broker) => new StreamsApp(builder.build(), { applicationId, broker, instanceId: 'one', commitInterval: 50 }))
    await first!.start()
    await second!.start()
    await expect(first!.finished()).rejects.toMatchObject({ code: 'FENCED_INSTANCE_ID' })
    const producer = await admin.openProducer()
    await producer.append({ topic: `${applicationId}-in`, value: Buffer.from('x') })
    await second!.caughtUp()
    await expectCommitted(admin, { topic: `${applicationId}-out`, partition: 0 }, ['x'])
    await Promise.all([second!.close(), producer.close()])
  }, 60_000)

  it('reads partitions that are added, and topics that appear and match its pattern', async () => {
    const prefix = freshName('grow')
    const text = { key: stringSerde, value: stringSerde }
    await admin.topics.create([{ topic: `${prefix}-in-a` }, { topic: `${prefix}-out` }])
    const builder = new StreamsBuilder()
    builder.streamMatching(new RegExp(`${prefix}-in-.*`), text).to(topic(`${prefix}-out`, text))
    const app = new StreamsApp(builder.build(), { applicationId: prefix, broker: await connect(), commitInterval: 50 })
    await app.start()
    const producer = await admin.openProducer()
    const append = (name: string, partition: number) => producer.append({ topic: `${prefix}-in-${name}`, partition, value: Buffer.from(`${name}${partition}`) })
    await append('a', 0)
    await admin.topics.alter(`${prefix}-in-a`, { partitions: 2 })
    await admin.topics.create([{ topic: `${prefix}-in-b` }])
    await Promise.all([append('a', 1), append('b', 0)])
    await eventually(async () => expect((await visibleValues(admin, { topic: `${prefix}-out`, partition: 0 }, 'read-committed')).toSorted(byText)).toEqual(['a0', 'a1', 'b0']))
    expect(app.state).toBe('RUNNING')
    await Promise.all([app.close(), producer.close()])
  }, 60_000)

  it('sends records to the topics that they name, as far as those exist and take them', async () => {
    await expectTopicsToBeChosen(await connect(), freshName('chosen'))
  }, 120_000)
})

const byText = (a: string | null, b: string | null) => (String(a) < String(b) ? -1 : 1)

/** The last count per word, and all of them in order. */
async function countsIn(broker: Broker, output: string): Promise<{ readonly counts: ReadonlyMap<string, number>; readonly updates: ReadonlyMap<string, number[]> }> {
  const updates = new Map<string, number[]>()
  const reader = await broker.openReader()
  const partitions = [0, 1, 2].map((partition) => ({ topic: output, partition }))
  const ends = await broker.topics.listOffsets(partitions.map((target) => ({ ...target, at: 'latest' })), { isolation: 'read-uncommitted' })
  reader.assign(partitions.map((target) => ({ ...target, offset: 0 })))
  while (reader.positions().some(({ partition, offset }) => offset < ends[partition]!.offset)) {
    for (const { batches } of (await reader.read({ maxWaitMs: 500 })).partitions) {
      for (const batch of batches) {
        for (const { key, value } of batch) {
          const word = stringSerde.deserialize(key!)
          updates.set(word, [...(updates.get(word) ?? []), longSerde.deserialize(value!)])
        }
      }
    }
  }
  await reader.close()
  return { counts: new Map([...updates].map(([word, values]) => [word, values.at(-1)!])), updates }
}
