import { openKafkaBroker } from '../../../src/core/kafka/open-kafka-broker.ts'
import type { Broker } from '../../../src/core/broker.ts'
import { brokerContract } from '../../contract/broker-suite.ts'
import { describeWith } from '../../kit/services.ts'

await describeWith('kafka', 'one broker of Apache Kafka', ({ bootstrapServers }) => {
  brokerContract('KafkaBroker', {
    start: () => {
      const clients: Broker[] = []
      const connect = async () => {
        const broker = await openKafkaBroker({ brokers: bootstrapServers.split(',') })
        clients.push(broker)
        return broker
      }
      return Promise.resolve({ connect, stop: async () => void await Promise.all(clients.map((client) => client.close())) })
    },
  })
})
