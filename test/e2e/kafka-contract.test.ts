import { brokerContract } from '../contract/broker-suite.ts'
import { kafkaContractBackend } from '../kit/kafka-contract-backend.ts'
import { describeWithOwnKafka } from '../kit/kafka-describe.ts'

describeWithOwnKafka({ brokers: 3 }, 'three brokers of Apache Kafka', (cluster) => {
  brokerContract('KafkaBroker', kafkaContractBackend(() => cluster().bootstrapServers))
})
