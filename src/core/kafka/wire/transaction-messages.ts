/** Messages of idempotent and transactional producers, to the transaction coordinator but for TxnOffsetCommit. */
import { api, array, boolean, int16, int32, int64, nullableString, string, struct } from './codec.ts'

/** Version 3 is the first that says under which identity the producer was known (KIP-360). */
export const initProducerId = api(22, 'InitProducerId', 3, {
  flexible: true,
  request: struct({ transactionalId: nullableString, transactionTimeoutMs: int32, producerId: int64, producerEpoch: int16 }),
  response: struct({ throttleTimeMs: int32, errorCode: int16, producerId: int64, producerEpoch: int16 }),
})

export const addPartitionsToTxn = api(24, 'AddPartitionsToTxn', 2, {
  request: struct({
    transactionalId: string,
    producerId: int64,
    producerEpoch: int16,
    topics: array(struct({ name: string, partitions: array(int32) })),
  }),
  response: struct({
    throttleTimeMs: int32,
    results: array(struct({ name: string, partitions: array(struct({ partitionIndex: int32, errorCode: int16 })) })),
  }),
})

export const addOffsetsToTxn = api(25, 'AddOffsetsToTxn', 2, {
  request: struct({ transactionalId: string, producerId: int64, producerEpoch: int16, groupId: string }),
  response: struct({ throttleTimeMs: int32, errorCode: int16 }),
})

export const endTxn = api(26, 'EndTxn', 2, {
  request: struct({ transactionalId: string, producerId: int64, producerEpoch: int16, committed: boolean }),
  response: struct({ throttleTimeMs: int32, errorCode: int16 }),
})

/** To the group coordinator. Version 3 is the first that names generation and member, so that a member that lost its partitions is refused (KIP-447). */
export const txnOffsetCommit = api(28, 'TxnOffsetCommit', 3, {
  flexible: true,
  request: struct({
    transactionalId: string,
    groupId: string,
    producerId: int64,
    producerEpoch: int16,
    generationId: int32,
    memberId: string,
    groupInstanceId: nullableString,
    topics: array(struct({
      name: string,
      partitions: array(struct({ partitionIndex: int32, committedOffset: int64, committedLeaderEpoch: int32, committedMetadata: nullableString })),
    })),
  }),
  response: struct({
    throttleTimeMs: int32,
    topics: array(struct({ name: string, partitions: array(struct({ partitionIndex: int32, errorCode: int16 })) })),
  }),
})
