/** Messages that move records, and those that say where they are. Names follow Kafka's message definitions. */
import { api, array, boolean, bytes, int16, int32, int64, int8, nullableArray, nullableBytes, nullableString, string, struct } from './codec.ts'
import type { ValueOf } from './codec.ts'

/** Version 0, because it is asked before anything is known about the broker. */
export const apiVersions = api(18, 'ApiVersions', 0, {
  request: struct({}),
  response: struct({ errorCode: int16, apiKeys: array(struct({ apiKey: int16, minVersion: int16, maxVersion: int16 })) }),
})

const topicMetadata = struct({
  errorCode: int16,
  name: string,
  isInternal: boolean,
  partitions: array(struct({
    errorCode: int16,
    partitionIndex: int32,
    leaderId: int32,
    leaderEpoch: int32,
    replicaNodes: array(int32),
    isrNodes: array(int32),
    offlineReplicas: array(int32),
  })),
})

export type TopicMetadata = ValueOf<typeof topicMetadata>

export const metadata = api(3, 'Metadata', 7, {
  request: struct({ topics: nullableArray(string), allowAutoTopicCreation: boolean }),
  response: struct({
    throttleTimeMs: int32,
    brokers: array(struct({ nodeId: int32, host: string, port: int32, rack: nullableString })),
    clusterId: nullableString,
    controllerId: int32,
    topics: array(topicMetadata),
  }),
})

export const produce = api(0, 'Produce', 8, {
  request: struct({
    transactionalId: nullableString,
    acks: int16,
    timeoutMs: int32,
    topics: array(struct({ name: string, partitions: array(struct({ index: int32, records: bytes })) })),
  }),
  response: struct({
    responses: array(struct({
      name: string,
      partitions: array(struct({
        index: int32,
        errorCode: int16,
        baseOffset: int64,
        logAppendTimeMs: int64,
        logStartOffset: int64,
        recordErrors: array(struct({ batchIndex: int32, message: nullableString })),
        errorMessage: nullableString,
      })),
    })),
    throttleTimeMs: int32,
  }),
})

const fetchedPartition = struct({
  partitionIndex: int32,
  errorCode: int16,
  highWatermark: int64,
  lastStableOffset: int64,
  logStartOffset: int64,
  abortedTransactions: nullableArray(struct({ producerId: int64, firstOffset: int64 })),
  preferredReadReplica: int32,
  records: nullableBytes,
})

export type FetchedPartition = ValueOf<typeof fetchedPartition>

export const fetch = api(1, 'Fetch', 11, {
  request: struct({
    replicaId: int32,
    maxWaitMs: int32,
    minBytes: int32,
    maxBytes: int32,
    isolationLevel: int8,
    sessionId: int32,
    sessionEpoch: int32,
    topics: array(struct({
      topic: string,
      partitions: array(struct({ partition: int32, currentLeaderEpoch: int32, fetchOffset: int64, logStartOffset: int64, partitionMaxBytes: int32 })),
    })),
    forgottenTopicsData: array(struct({ topic: string, partitions: array(int32) })),
    rackId: string,
  }),
  response: struct({
    throttleTimeMs: int32,
    errorCode: int16,
    sessionId: int32,
    responses: array(struct({ topic: string, partitions: array(fetchedPartition) })),
  }),
})

export const listOffsets = api(2, 'ListOffsets', 5, {
  request: struct({
    replicaId: int32,
    isolationLevel: int8,
    topics: array(struct({ name: string, partitions: array(struct({ partitionIndex: int32, currentLeaderEpoch: int32, timestamp: int64 })) })),
  }),
  response: struct({
    throttleTimeMs: int32,
    topics: array(struct({
      name: string,
      partitions: array(struct({ partitionIndex: int32, errorCode: int16, timestamp: int64, offset: int64, leaderEpoch: int32 })),
    })),
  }),
})

export const findCoordinator = api(10, 'FindCoordinator', 2, {
  request: struct({ key: string, keyType: int8 }),
  response: struct({ throttleTimeMs: int32, errorCode: int16, errorMessage: nullableString, nodeId: int32, host: string, port: int32 }),
})
