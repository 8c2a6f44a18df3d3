/** What needs three brokers of Apache Kafka and does not harm them for good, on one cluster: starting one takes longer than most of it. */
import { describe } from 'vitest'
import { describeWithOwnKafka } from '../kit/kafka-describe.ts'
import { takeOverConnect } from './connect-takeover.ts'
import { followGuide } from './kafka-guide.ts'

describeWithOwnKafka({ brokers: 3 }, 'three brokers of Apache Kafka', (cluster) => {
  describe('beside a live Kafka Connect cluster', () => takeOverConnect(cluster))
  describe('with the guide "Growing onto Kafka"', () => followGuide(cluster))
})
