/** Requests whose answers never come: a broker that stands still for longer than an append may take. */
import { expect, it } from 'vitest'
import { isStreamError, openKafkaBroker } from '../../src/core/index.ts'
import type { Broker, Producer } from '../../src/core/index.ts'
import { sleep, systemClock } from '../../src/core/clock.ts'
import { freshName } from '../kit/kafka.ts'
import { describeWithOwnKafka } from '../kit/kafka-describe.ts'

/** Long enough for a busy machine, short enough for a test. */
const timeOuts = { requestTimeoutMs: 3_000, operationTimeoutMs: 40_000, deliveryTimeoutMs: 6_000 }

describeWithOwnKafka({ brokers: 1 }, 'requests that are lost', (cluster) => {
  const withBroker = async (use: (broker: Broker, topic: string) => Promise<void>) => {
    const broker = await openKafkaBroker({ brokers: [cluster().bootstrapServers], ...timeOuts })
    try {
      const topic = freshName('lost')
      await broker.topics.create([{ topic }])
      await use(broker, topic)
    } finally {
      await broker.close()
    }
  }
  const whileStandingStill = async <T>(what: () => Promise<T>): Promise<T> => {
    await cluster().pause(1)
    try {
      return await what()
    } finally {
      await cluster().resume(1)
    }
  }
  const lost = (promise: Promise<unknown>) => expect(promise).rejects.toMatchObject({ code: 'BACKEND_UNAVAILABLE', retriable: true })
  const valuesIn = async (broker: Broker, topic: string) => {
    const target = { topic, partition: 0 }
    const [end] = await broker.topics.listOffsets([{ ...target, at: 'latest' }], { isolation: 'read-uncommitted' })
    const reader = await broker.openReader()
    reader.assign([{ ...target, offset: 0 }])
    const values: string[] = []
    while (reader.positions()[0]!.offset < end!.offset) {
      for (const { batches } of (await reader.read()).partitions) for (const batch of batches) for (const { value } of batch) values.push(Buffer.from(value!).toString())
    }
    return values
  }

  it('an append fails in time, and the producer goes on under another id, in order', () => withBroker(async (broker, topic) => {
    const producer = await broker.openProducer()
    await producer.append({ topic, value: Buffer.from('before') })
    const { producerId } = producer
    await whileStandingStill(() => lost(producer.append({ topic, value: Buffer.from('lost') })))
    for (const value of ['a', 'b', 'c']) await producer.append({ topic, value: Buffer.from(value) })
    expect(producer.producerId).not.toBe(producerId)
    const values = await valuesIn(broker, topic)
    expect(values.filter((value) => value !== 'lost')).toEqual(['before', 'a', 'b', 'c'])
    expect(values.filter((value) => value === 'lost').length).toBeLessThanOrEqual(1)
  }), 120_000)

  it('a transaction with a lost append can only be aborted, and nothing of it ever shows', () => withBroker(async (broker, topic) => {
    const producer = await broker.openProducer({ transactionalId: freshName('lost'), transactionTimeoutMs: 30_000 })
    producer.begin()
    await producer.append({ topic, value: Buffer.from('dropped') })
    await whileStandingStill(() => lost(producer.append({ topic, value: Buffer.from('lost') })))
    await lost(producer.commit())
    const { producerEpoch } = producer
    await producer.abort()
    expect(producer.producerEpoch).toBeGreaterThan(producerEpoch)
    producer.begin()
    await producer.append({ topic, value: Buffer.from('kept') })
    await producer.commit()
    expect(await valuesIn(broker, topic)).toEqual(['kept'])
  }), 120_000)

  it('a producer that comes to itself does not drive out the one that has taken its place', () => withBroker(async (broker, topic) => {
    const transactionalId = freshName('lost')
    const older = await broker.openProducer({ transactionalId, transactionTimeoutMs: 30_000 })
    older.begin()
    await older.append({ topic, value: Buffer.from('dropped') })
    await whileStandingStill(() => lost(older.append({ topic, value: Buffer.from('lost') })))
    const newer = await broker.openProducer({ transactionalId, transactionTimeoutMs: 30_000 })
    // before it begins: Kafka's coordinator ends an open transaction before it looks at who asks
    await expect(older.abort()).rejects.toMatchObject({ code: 'PRODUCER_FENCED' })
    newer.begin()
    await newer.append({ topic, value: Buffer.from('kept') })
    await newer.commit()
    expect(await valuesIn(broker, topic)).toEqual(['kept'])
  }), 120_000)

  it('a commit without an answer is made certain by abort: all of it shows, or nothing', () => withBroker(async (broker, topic) => {
    const impatient = await openKafkaBroker({ brokers: [cluster().bootstrapServers], ...timeOuts, operationTimeoutMs: 2_000 })
    const producer = await impatient.openProducer({ transactionalId: freshName('lost'), transactionTimeoutMs: 30_000 })
    producer.begin()
    await Promise.all(['a', 'b'].map((value) => producer.append({ topic, partition: 0, value: Buffer.from(value) })))
    await whileStandingStill(() => lost(producer.commit()))
    await untilAborted(producer)
    const values = await valuesIn(broker, topic)
    expect([[], ['a', 'b']]).toContainEqual(values)
    producer.begin()
    await producer.append({ topic, value: Buffer.from('next') })
    await producer.commit()
    expect(await valuesIn(broker, topic)).toEqual([...values, 'next'])
    await impatient.close()
  }), 120_000)
})

/** The coordinator may still be busy with the transaction. */
async function untilAborted(producer: Producer): Promise<void> {
  const deadline = systemClock.monotonic() + 40_000
  for (;;) {
    try {
      return await producer.abort()
    } catch (error) {
      if (!isStreamError(error) || !error.retriable || systemClock.monotonic() > deadline) throw error
      await sleep(systemClock, 100)
    }
  }
}
