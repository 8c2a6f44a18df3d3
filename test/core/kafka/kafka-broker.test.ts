import { brokerContract } from '../../contract/broker-suite.ts'
import { kafkaContractBackend } from '../../kit/kafka-contract-backend.ts'
import { describeWith } from '../../kit/services.ts'

await describeWith('kafka', 'one broker of Apache Kafka', ({ bootstrapServers }) => {
  brokerContract('KafkaBroker', kafkaContractBackend(() => bootstrapServers))
})
