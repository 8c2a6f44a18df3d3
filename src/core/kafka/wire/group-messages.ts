/** Messages of consumer groups (the classic protocol), to the group coordinator; ListGroups to every broker. */
import { api, array, boolean, bytes, int16, int32, int64, nullableArray, nullableString, string, struct } from './codec.ts'

export const joinGroup = api(11, 'JoinGroup', 5, {
  request: struct({
    groupId: string,
    sessionTimeoutMs: int32,
    rebalanceTimeoutMs: int32,
    memberId: string,
    groupInstanceId: nullableString,
    protocolType: string,
    protocols: array(struct({ name: string, metadata: bytes })),
  }),
  response: struct({
    throttleTimeMs: int32,
    errorCode: int16,
    generationId: int32,
    protocolName: string,
    leader: string,
    memberId: string,
    members: array(struct({ memberId: string, groupInstanceId: nullableString, metadata: bytes })),
  }),
})

export const syncGroup = api(14, 'SyncGroup', 3, {
  request: struct({
    groupId: string,
    generationId: int32,
    memberId: string,
    groupInstanceId: nullableString,
    assignments: array(struct({ memberId: string, assignment: bytes })),
  }),
  response: struct({ throttleTimeMs: int32, errorCode: int16, assignment: bytes }),
})

export const heartbeat = api(12, 'Heartbeat', 3, {
  request: struct({ groupId: string, generationId: int32, memberId: string, groupInstanceId: nullableString }),
  response: struct({ throttleTimeMs: int32, errorCode: int16 }),
})

export const leaveGroup = api(13, 'LeaveGroup', 3, {
  request: struct({ groupId: string, members: array(struct({ memberId: string, groupInstanceId: nullableString })) }),
  response: struct({
    throttleTimeMs: int32,
    errorCode: int16,
    members: array(struct({ memberId: string, groupInstanceId: nullableString, errorCode: int16 })),
  }),
})

export const offsetCommit = api(8, 'OffsetCommit', 7, {
  request: struct({
    groupId: string,
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

/** Version 7 is the first that can wait out an open transaction (`requireStable`, KIP-447). */
export const offsetFetch = api(9, 'OffsetFetch', 7, {
  flexible: true,
  request: struct({
    groupId: string,
    topics: nullableArray(struct({ name: string, partitionIndexes: array(int32) })),
    requireStable: boolean,
  }),
  response: struct({
    throttleTimeMs: int32,
    topics: array(struct({
      name: string,
      partitions: array(struct({ partitionIndex: int32, committedOffset: int64, committedLeaderEpoch: int32, metadata: nullableString, errorCode: int16 })),
    })),
    errorCode: int16,
  }),
})

export const listGroups = api(16, 'ListGroups', 2, {
  request: struct({}),
  response: struct({ throttleTimeMs: int32, errorCode: int16, groups: array(struct({ groupId: string, protocolType: string })) }),
})

export const describeGroups = api(15, 'DescribeGroups', 4, {
  request: struct({ groups: array(string), includeAuthorizedOperations: boolean }),
  response: struct({
    throttleTimeMs: int32,
    groups: array(struct({
      errorCode: int16,
      groupId: string,
      groupState: string,
      protocolType: string,
      protocolData: string,
      members: array(struct({
        memberId: string,
        groupInstanceId: nullableString,
        clientId: string,
        clientHost: string,
        memberMetadata: bytes,
        memberAssignment: bytes,
      })),
      authorizedOperations: int32,
    })),
  }),
})

export const offsetDelete = api(47, 'OffsetDelete', 0, {
  request: struct({ groupId: string, topics: array(struct({ name: string, partitions: array(struct({ partitionIndex: int32 })) })) }),
  response: struct({
    errorCode: int16,
    throttleTimeMs: int32,
    topics: array(struct({ name: string, partitions: array(struct({ partitionIndex: int32, errorCode: int16 })) })),
  }),
})

export const deleteGroups = api(42, 'DeleteGroups', 1, {
  request: struct({ groupsNames: array(string) }),
  response: struct({ throttleTimeMs: int32, results: array(struct({ groupId: string, errorCode: int16 })) }),
})
