import { once } from 'node:events'
import { MessageChannel } from 'node:worker_threads'
import { afterEach, describe, expect, it } from 'vitest'
import { openKafkaBroker, openSharedBroker, shareBroker, systemClock } from '../../../src/core/index.ts'
import type { Broker, BrokerHandle, SharedBroker } from '../../../src/core/index.ts'
import { kafkaJsClient } from '../../../src/core/kafka/kafkajs-client.ts'
import { eventually, expectCommitted } from '../../contract/contract-kit.ts'
import { freshName } from '../../kit/kafka.ts'
import { describeWith } from '../../kit/services.ts'
import { openMemoryBroker } from '../../kit/streams-harness.ts'

const open: Broker[] = []
afterEach(async () => void await Promise.all(open.splice(0).map((broker) => broker.close())))

/** As it arrives in another thread: copied, with its ports transferred. */
async function sent({ handle, transferList }: SharedBroker): Promise<BrokerHandle> {
  const { port1, port2 } = new MessageChannel()
  const arrives = once(port2, 'message') as Promise<[BrokerHandle]>
  port1.postMessage(handle, [...transferList])
  const [arrived] = await arrives
  port1.close()
  return arrived
}

async function openOther(shared: SharedBroker): Promise<Broker> {
  const broker = await openSharedBroker(await sent(shared))
  open.push(broker)
  return broker
}

function sharesBroker(connect: () => Promise<Broker>): void {
  const openOwn = async () => {
    const broker = await connect()
    open.push(broker)
    return broker
  }

  it('the other thread appends and reads, and its end leaves the sharing thread\'s broker open', async () => {
    const broker = await openOwn()
    const topic = freshName('shared')
    await broker.topics.create([{ topic }])
    const shared = shareBroker(broker)
    const other = await openOther(shared)
    const producer = await other.openProducer({ transactionalId: topic })
    producer.begin()
    await producer.append({ topic, partition: 0, value: Buffer.from('x') })
    await producer.commit()
    await other.close()
    shared.close()
    await expectCommitted(broker, { topic, partition: 0 }, ['x'])
  })

  it('a member whose thread is gone leaves its group at once', async () => {
    const broker = await openOwn()
    const topic = freshName('shared')
    await broker.topics.create([{ topic }])
    const shared = shareBroker(broker)
    const other = await openOther(shared)
    const groupId = freshName('group')
    await other.joinGroup({ groupId, topics: [topic], sessionTimeoutMs: 300_000 })
    const left = await other.joinGroup({ groupId: `${groupId}-left`, topics: [topic], sessionTimeoutMs: 300_000 })
    await left.leave()
    expect((await broker.groups.describe(groupId)).members).toHaveLength(1)
    shared.close()
    await eventually(async () => expect((await broker.groups.describe(groupId)).members).toEqual([]))
  })
}

describe('an embedded broker shared with another thread', () => sharesBroker(openMemoryBroker))

await describeWith('kafka', 'a connection to Kafka shared with another thread', ({ bootstrapServers }) => {
  const brokers = bootstrapServers.split(',')
  sharesBroker(() => openKafkaBroker({ brokers }))

  it('is refused where it cannot be opened again, with the reason', async () => {
    const broker = await openKafkaBroker({ brokers, client: kafkaJsClient({ ssl: false, sasl: null, connectionTimeoutMs: 10_000, clock: systemClock }) })
    open.push(broker)
    expect(() => shareBroker(broker)).toThrow(/client, clock or random of your own cannot be used from another thread/)
  })
})
