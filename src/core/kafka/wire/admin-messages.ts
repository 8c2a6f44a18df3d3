/** Messages that create, change and delete topics. */
import { api, array, boolean, int16, int32, int64, int8, nullableArray, nullableString, string, struct } from './codec.ts'

export const createTopics = api(19, 'CreateTopics', 4, {
  request: struct({
    topics: array(struct({
      name: string,
      numPartitions: int32,
      replicationFactor: int16,
      assignments: array(struct({ partitionIndex: int32, brokerIds: array(int32) })),
      configs: array(struct({ name: string, value: nullableString })),
    })),
    timeoutMs: int32,
    validateOnly: boolean,
  }),
  response: struct({ throttleTimeMs: int32, topics: array(struct({ name: string, errorCode: int16, errorMessage: nullableString })) }),
})

export const deleteTopics = api(20, 'DeleteTopics', 3, {
  request: struct({ topicNames: array(string), timeoutMs: int32 }),
  response: struct({ throttleTimeMs: int32, responses: array(struct({ name: string, errorCode: int16 })) }),
})

export const createPartitions = api(37, 'CreatePartitions', 1, {
  request: struct({
    topics: array(struct({ name: string, count: int32, assignments: nullableArray(struct({ brokerIds: array(int32) })) })),
    timeoutMs: int32,
    validateOnly: boolean,
  }),
  response: struct({ throttleTimeMs: int32, results: array(struct({ name: string, errorCode: int16, errorMessage: nullableString })) }),
})

export const deleteRecords = api(21, 'DeleteRecords', 1, {
  request: struct({
    topics: array(struct({ name: string, partitions: array(struct({ partitionIndex: int32, offset: int64 })) })),
    timeoutMs: int32,
  }),
  response: struct({
    throttleTimeMs: int32,
    topics: array(struct({ name: string, partitions: array(struct({ partitionIndex: int32, lowWatermark: int64, errorCode: int16 })) })),
  }),
})

export const describeConfigs = api(32, 'DescribeConfigs', 2, {
  request: struct({
    resources: array(struct({ resourceType: int8, resourceName: string, configurationKeys: nullableArray(string) })),
    includeSynonyms: boolean,
  }),
  response: struct({
    throttleTimeMs: int32,
    results: array(struct({
      errorCode: int16,
      errorMessage: nullableString,
      resourceType: int8,
      resourceName: string,
      configs: array(struct({
        name: string,
        value: nullableString,
        readOnly: boolean,
        configSource: int8,
        isSensitive: boolean,
        synonyms: array(struct({ name: string, value: nullableString, source: int8 })),
      })),
    })),
  }),
})

export const describeLogDirs = api(35, 'DescribeLogDirs', 1, {
  request: struct({ topics: nullableArray(struct({ topic: string, partitions: array(int32) })) }),
  response: struct({
    throttleTimeMs: int32,
    results: array(struct({
      errorCode: int16,
      logDir: string,
      topics: array(struct({ name: string, partitions: array(struct({ partitionIndex: int32, partitionSize: int64, offsetLag: int64, isFutureKey: boolean })) })),
    })),
  }),
})

/** Of KRaft: who leads the log of the cluster's metadata, and so controls the cluster. Version 0 is flexible already. */
export const describeQuorum = api(55, 'DescribeQuorum', 0, {
  flexible: true,
  request: struct({ topics: array(struct({ topicName: string, partitions: array(struct({ partitionIndex: int32 })) })) }),
  response: struct({
    errorCode: int16,
    topics: array(struct({
      topicName: string,
      partitions: array(struct({
        partitionIndex: int32,
        errorCode: int16,
        leaderId: int32,
        leaderEpoch: int32,
        highWatermark: int64,
        currentVoters: array(struct({ replicaId: int32, logEndOffset: int64 })),
        observers: array(struct({ replicaId: int32, logEndOffset: int64 })),
      })),
    })),
  }),
})

export const incrementalAlterConfigs = api(44, 'IncrementalAlterConfigs', 0, {
  request: struct({
    resources: array(struct({
      resourceType: int8,
      resourceName: string,
      configs: array(struct({ name: string, configOperation: int8, value: nullableString })),
    })),
    validateOnly: boolean,
  }),
  response: struct({
    throttleTimeMs: int32,
    responses: array(struct({ errorCode: int16, errorMessage: nullableString, resourceType: int8, resourceName: string })),
  }),
})
