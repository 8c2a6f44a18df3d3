import { expect, it } from 'vitest'
import { systemClock } from '../../../src/core/clock.ts'
import type { KafkaCluster } from '../../../src/core/kafka/kafka-cluster.ts'
import type { KafkaLane } from '../../../src/core/kafka/kafka-lane.ts'
import { asFencing, KafkaTransaction } from '../../../src/core/kafka/kafka-transaction.ts'
import { kafkaError } from '../../../src/core/kafka/kafka-errors.ts'
import { ProducerIdentity } from '../../../src/core/kafka/producer-identity.ts'
import { seededRandom } from '../../../src/core/random.ts'

const unknownServerError = -1
const producerFenced = 90

/** A coordinator that takes partitions, and answers EndTxn with these codes, the last one for ever. */
function transactionWith(endTxnErrorCodes: readonly number[], addPartitionsErrorCodes: readonly number[] = []): { readonly transaction: KafkaTransaction; readonly asked: string[] } {
  const asked: string[] = []
  const left = [...endTxnErrorCodes]
  const answers: Readonly<Record<string, () => object>> = {
    InitProducerId: () => ({ errorCode: 0, producerId: 7, producerEpoch: asked.length }),
    AddPartitionsToTxn: () => ({ results: [{ partitions: addPartitionsErrorCodes.map((errorCode) => ({ errorCode })) }] }),
    EndTxn: () => ({ errorCode: left.length > 1 ? left.shift() : left[0] }),
  }
  const lane = {
    send(_node: number, api: { readonly name: string }) {
      asked.push(api.name)
      return Promise.resolve(answers[api.name]!())
    },
  } as unknown as KafkaLane
  const cluster = {
    clock: systemClock, random: seededRandom(1), requestTimeoutMs: 1_000, withCoordinator: (_type: string, _id: string, attempt: (node: number) => Promise<unknown>) => attempt(1),
  } as unknown as KafkaCluster
  return { transaction: new KafkaTransaction(cluster, lane, new ProducerIdentity(), { transactionalId: 'tx', transactionTimeoutMs: 60_000 }), asked }
}

it('asks again when the coordinator fails while it fences the producer, and hears that it is fenced', async () => {
  const { transaction } = transactionWith([unknownServerError, unknownServerError, producerFenced])
  await transaction.initialise()
  await transaction.ensureAdded([{ topic: 'a', partition: 0 }])
  await expect(transaction.commit()).rejects.toMatchObject({ code: 'PRODUCER_FENCED' })
})

it('is of unknown outcome when the coordinator goes on failing: only an abort may follow, and the producer is initialised again', async () => {
  const { transaction, asked } = transactionWith([...Array<number>(6).fill(unknownServerError), 0])
  await transaction.initialise()
  await transaction.ensureAdded([{ topic: 'a', partition: 0 }])
  await expect(transaction.commit()).rejects.toMatchObject({ code: 'BACKEND_UNAVAILABLE' })
  await expect(transaction.commit()).rejects.toMatchObject({ code: 'INVALID_TXN_STATE' })
  await transaction.abort()
  expect(asked.slice(-2)).toEqual(['EndTxn', 'InitProducerId'])
})

it('says once that a producer is fenced, whoever passes the failure on', () => {
  const once = asFencing(kafkaError(producerFenced, 'committing'), 'tx')
  expect(once.message).toContain('(committing: Kafka answers PRODUCER_FENCED)')
  expect(asFencing(once, 'tx')).toBe(once)
})

it('says why one of its partitions cannot be added, not that the others were not attempted', async () => {
  const [operationNotAttempted, topicAuthorizationFailed] = [55, 29]
  const { transaction } = transactionWith([0], [operationNotAttempted, topicAuthorizationFailed])
  await transaction.initialise()
  await expect(transaction.ensureAdded([{ topic: 'a', partition: 0 }, { topic: 'b', partition: 0 }])).rejects.toMatchObject({ code: 'NOT_AUTHORIZED' })
})
