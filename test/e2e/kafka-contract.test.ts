import { afterAll, beforeAll, expect, it } from 'vitest'
import { openKafkaBroker } from '../../src/core/index.ts'
import type { Broker } from '../../src/core/index.ts'
import { brokerContract } from '../contract/broker-suite.ts'
import { createTopic, eventually, freshName, PollingMember } from '../contract/contract-kit.ts'
import { kafkaContractBackend } from '../kit/kafka-contract-backend.ts'
import { describeWithOwnKafka } from '../kit/kafka-describe.ts'

describeWithOwnKafka({ brokers: 3, properties: ['broker.session.timeout.ms=60000', 'broker.rack=rack-{node}'] }, 'three brokers of Apache Kafka', (cluster) => {
  brokerContract('KafkaBroker', kafkaContractBackend(() => cluster().bootstrapServers))

  let broker: Broker
  beforeAll(async () => {
    broker = await openKafkaBroker({ brokers: cluster().bootstrapServers.split(',') })
  })
  afterAll(() => broker?.close())

  it('each member of a group reads what is in its own rack, as far as that is fair', async () => {
    await eventually(async () => expect((await broker.describeCluster()).nodes).toHaveLength(3))
    const topic = await createTopic(broker, { partitions: 6, replicationFactor: 1 })
    const groupId = freshName('group')
    const racks = ['rack-1', 'rack-2', 'rack-3']
    const members = await Promise.all(racks.map((rackId) => PollingMember.join(broker, { groupId, topics: [topic], rackId })))
    const [description] = await broker.topics.describe([topic])
    const inRack = (rack: string) => description!.partitions.filter(({ leader }) => `rack-${leader}` === rack).map(({ partition }) => `${topic}-${partition}`)
    await eventually(() => Promise.resolve(expect(members.flatMap(({ assigned }) => assigned)).toHaveLength(6)))
    // Each gets two, and no others while there are some in its rack.
    const ownPartitions = members.map(({ assigned }, index) => assigned.filter((partition) => inRack(racks[index]!).includes(partition)).length)
    expect(ownPartitions).toEqual(racks.map((rack) => Math.min(2, inRack(rack).length)))
    await Promise.all(members.map((member) => member.leave()))
  }, 120_000)
})
