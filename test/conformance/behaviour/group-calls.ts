/** The group coordinator's requests, and the offsets of groups. */
import { decodeSubscription } from '../../../src/core/consumer-protocol.ts'
import { StreamError, isStreamError } from '../../../src/core/index.ts'
import { metadataOf } from '../../../src/core/engine/group-state.ts'
import type { GroupState, MemberState } from '../../../src/core/engine/group-state.ts'
import type { ScenarioEngine } from './scenario-engine.ts'
import { errorNumberOf, errorNumbers, textOf } from './scenario.ts'
import type { Calls, Json, JsonObject, Step } from './scenario.ts'

const groupSubscribedToTopic = 86
const unknownTopic = errorNumbers['UNKNOWN_TOPIC_OR_PARTITION']!
const offsetMetadataTooLarge = errorNumbers['OFFSET_METADATA_TOO_LARGE']!
const stateNames: Readonly<Record<string, string>> = {
  empty: 'Empty', 'preparing-rebalance': 'PreparingRebalance', 'completing-rebalance': 'CompletingRebalance', stable: 'Stable', dead: 'Dead',
}

export const groupCalls: Calls = {
  op: {
    /** After the topic of the scenario was deleted. */
    async topicIsDeleted({ engine }) {
      await engine.removeTopics(await engine.listTopics({ includeInternal: false }))
      return 'ok'
    },
  },
  wire: {
    JoinGroup: (context, request, step) => joinGroup(context, request, step),

    async SyncGroup({ engine }, request) {
      const assignments = new Map((request['assignments'] as readonly JsonObject[]).map((entry) => [textOf(entry['memberId']), Buffer.from(textOf(entry['assignment']), 'base64')]))
      try {
        const assignment = await engine.groups.sync({ ...memberOf(request), assignments, protocolType: (request['protocolType'] ?? null) as string | null, protocol: (request['protocolName'] ?? null) as string | null })
        const state = engine.groups.stateOf(textOf(request['groupId']))!
        return { errorCode: 0, protocolType: state.protocolType, protocolName: state.protocol, assignment: base64(assignment) }
      } catch (error) {
        return { errorCode: errorNumberOf(error), protocolType: null, protocolName: null, assignment: '' }
      }
    },

    Heartbeat: async ({ engine }, request) => ({ errorCode: codeOf(() => engine.groups.heartbeat(memberOf(request))) }),

    async LeaveGroup({ engine }, request) {
      const groupId = textOf(request['groupId'])
      const leave = (memberId: string, instanceId: string | null) => codeOf(() => engine.groups.expel(groupId, leavingMember(engine.groups.stateOf(groupId), memberId, instanceId)))
      const members = request['members'] as readonly JsonObject[] | undefined
      if (members === undefined) return { errorCode: leave(textOf(request['memberId']), null) }
      return {
        errorCode: 0,
        members: members.map((member) => ({
          memberId: member['memberId']!, groupInstanceId: member['groupInstanceId'] ?? null,
          errorCode: leave(textOf(member['memberId']), (member['groupInstanceId'] ?? null) as string | null),
        })),
      }
    },

    DescribeGroups: async ({ engine }, request, step) => ({ groups: (request['groups'] as readonly string[]).map((groupId) => describeGroup(engine, groupId, step)) }),

    async DeleteGroups({ engine }, request) {
      const results: JsonObject[] = []
      for (const groupId of request['groupsNames'] as readonly string[]) results.push({ groupId, errorCode: await codeAfter(engine.groups.remove(groupId)) })
      return { results }
    },

    OffsetCommit: (context, request, step) => offsetCommit(context, request, step),
    OffsetFetch: (context, request, step) => offsetFetch(context, request, step),
    OffsetDelete: (context, request) => offsetDelete(context, request),
  },
}

// ---------------------------------------------------------------------------------------------------- membership

/** Since version 4 a member has to come with the id it was given. */
async function joinGroup({ engine }: ScenarioEngine, request: JsonObject, step: Step): Promise<Json> {
  const memberId = textOf(request['memberId'])
  const sessionTimeoutMs = request['sessionTimeoutMs'] as number
  try {
    const answer = await engine.groups.join({
      groupId: textOf(request['groupId']), memberId, groupInstanceId: (request['groupInstanceId'] ?? null) as string | null,
      clientId: 'vectors', clientHost: '/127.0.0.1', sessionTimeoutMs, rebalanceTimeoutMs: (request['rebalanceTimeoutMs'] ?? sessionTimeoutMs) as number,
      protocolType: textOf(request['protocolType']),
      protocols: (request['protocols'] as readonly JsonObject[]).map((protocol) => ({ name: textOf(protocol['name']), metadata: Buffer.from(textOf(protocol['metadata']), 'base64') })),
      local: false, requireKnownMemberId: (step.version ?? 0) >= 4,
    })
    const members = answer.members.map((member) => ({ memberId: member.memberId, groupInstanceId: member.groupInstanceId, metadata: base64(member.metadata) }))
    return {
      errorCode: 0, generationId: answer.generation, protocolType: answer.protocolType, protocolName: answer.protocol, leader: answer.leader,
      skipAssignment: answer.skipAssignment, memberId: answer.memberId, members,
    }
  } catch (error) {
    const given = isStreamError(error, 'MEMBER_ID_REQUIRED') ? (error.details['memberId'] as string) : memberId
    return { errorCode: errorNumberOf(error), generationId: -1, protocolType: null, protocolName: null, leader: '', skipAssignment: false, memberId: given, members: [] }
  }
}

/** By instance id where there is one; a member id that is given too must be the current one. */
function leavingMember(state: GroupState | undefined, memberId: string, instanceId: string | null): string {
  if (instanceId === null) return memberId
  const known = [...(state?.members.values() ?? [])].find((member) => member.groupInstanceId === instanceId)
  if (known === undefined) throw new StreamError('UNKNOWN_MEMBER_ID', instanceId)
  if (memberId !== '' && memberId !== known.memberId) throw new StreamError('FENCED_INSTANCE_ID', instanceId)
  return known.memberId
}

function describeGroup(engine: ScenarioEngine['engine'], groupId: string, step: Step): JsonObject {
  const state = engine.groups.stateOf(groupId)
  const isKnown = engine.groups.list().includes(groupId)
  if (state === undefined || !isKnown) {
    const errorCode = isKnown || (step.version ?? 0) < 6 ? 0 : errorNumbers['GROUP_ID_NOT_FOUND']!
    return { errorCode, groupId, groupState: isKnown ? 'Empty' : 'Dead', protocolType: '', protocolData: '', members: [], authorizedOperations: noOperations }
  }
  const isStable = state.phase === 'stable'
  return {
    errorCode: 0, groupId, groupState: stateNames[state.phase]!, protocolType: state.protocolType ?? '', protocolData: isStable ? (state.protocol ?? '') : '',
    members: [...state.members.values()].reverse().map((member) => memberJson(state, member, isStable)),
    authorizedOperations: noOperations,
  }
}

const noOperations = -2_147_483_648

function memberJson(state: GroupState, member: MemberState, isStable: boolean): JsonObject {
  return {
    memberId: member.memberId, groupInstanceId: member.groupInstanceId, clientId: member.clientId, clientHost: member.clientHost,
    memberMetadata: isStable ? base64(metadataOf(member, state.protocol)) : '', memberAssignment: base64(member.assignment),
  }
}

// ---------------------------------------------------------------------------------------------------- offsets

async function offsetCommit({ engine }: ScenarioEngine, request: JsonObject, step: Step): Promise<Json> {
  const topics = request['topics'] as readonly JsonObject[]
  const results: JsonObject[] = []
  for (const topic of topics) {
    const partitions: JsonObject[] = []
    for (const partition of topic['partitions'] as readonly JsonObject[]) {
      partitions.push({ partitionIndex: partition['partitionIndex']!, errorCode: await commitOne(engine, request, textOf(topic['name']), partition, step) })
    }
    results.push({ name: topic['name']!, partitions })
  }
  return { topics: results }
}

async function commitOne(engine: ScenarioEngine['engine'], request: JsonObject, topic: string, partition: JsonObject, step: Step): Promise<number> {
  const target = { topic, partition: partition['partitionIndex'] as number }
  const metadata = (partition['committedMetadata'] ?? '') as string
  const member = { ...memberOf({ generationId: request['generationIdOrMemberEpoch']!, ...request }), groupInstanceId: (request['groupInstanceId'] ?? null) as string | null }
  if (engine.log.partitionIfExists(target) === undefined) return unknownTopic
  if (Buffer.byteLength(metadata) > 4096) return offsetMetadataTooLarge
  const code = await codeAfter(engine.groups.commit({
    ...member, offsets: [{ ...target, offset: partition['committedOffset'] as number, metadata }], retentionTimeMs: (request['retentionTimeMs'] ?? -1) as number,
  }))
  const isNewer = (step.version ?? 0) >= 9 && code === errorNumbers['ILLEGAL_GENERATION'] && engine.groups.stateOf(member.groupId) === undefined
  return isNewer ? errorNumbers['GROUP_ID_NOT_FOUND']! : code
}

async function offsetFetch({ engine }: ScenarioEngine, request: JsonObject, step: Step): Promise<Json> {
  const stable = request['requireStable'] === true
  const fetchGroup = async (group: JsonObject): Promise<readonly JsonObject[]> => {
    const groupId = textOf(group['groupId'])
    const committed = await engine.groups.fetchOffsets({ groupId, partitions: null, stable: false })
    const asked = (group['topics'] ?? null) as readonly JsonObject[] | null
    const names = asked === null ? [...new Set(committed.map(({ topic }) => topic))] : asked.map((topic) => textOf(topic['name']))
    return names.map((name, index) => {
      const partitions = asked === null ? committed.filter(({ topic }) => topic === name).map(({ partition }) => partition) : (asked[index]!['partitionIndexes'] as readonly number[])
      return { name, partitions: partitions.map((partition) => offsetJson(engine, groupId, { topic: name, partition }, stable, committed)) }
    })
  }
  if ((step.version ?? 0) < 8) return { topics: await fetchGroup(request), errorCode: 0 }
  return { groups: await Promise.all((request['groups'] as readonly JsonObject[]).map(async (group) => ({ groupId: group['groupId']!, topics: await fetchGroup(group), errorCode: 0 }))) }
}

function offsetJson(
  engine: ScenarioEngine['engine'], groupId: string, target: { topic: string; partition: number }, stable: boolean, committed: readonly { topic: string; partition: number; offset: number; metadata?: string }[],
): JsonObject {
  const nothing = { partitionIndex: target.partition, committedOffset: -1, committedLeaderEpoch: -1, metadata: '', errorCode: 0 }
  if (stable && engine.groups.isUnstable(groupId, [target])) return { ...nothing, errorCode: errorNumbers['UNSTABLE_OFFSET_COMMIT']! }
  const found = committed.find(({ topic, partition }) => topic === target.topic && partition === target.partition)
  return found === undefined ? nothing : { ...nothing, committedOffset: found.offset, metadata: found.metadata ?? '' }
}

async function offsetDelete({ engine }: ScenarioEngine, request: JsonObject): Promise<Json> {
  const groupId = textOf(request['groupId'])
  const topics = request['topics'] as readonly JsonObject[]
  const results: JsonObject[] = []
  for (const topic of topics) {
    const name = textOf(topic['name'])
    const partitions = (topic['partitions'] as readonly JsonObject[]).map((partition) => ({ topic: name, partition: partition['partitionIndex'] as number }))
    const isKnown = partitions.every((target) => engine.log.partitionIfExists(target) !== undefined)
    const code = isKnown ? await codeAfter(engine.groups.removeOffsets(groupId, partitions)) : unknownTopic
    const errorCode = code === errorNumbers['NON_EMPTY_GROUP'] ? groupSubscribedToTopic : code
    results.push({ name, partitions: partitions.map(({ partition }) => ({ partitionIndex: partition, errorCode })) })
  }
  const errorCode = topics.length === 0 ? await codeAfter(engine.groups.removeOffsets(groupId, [])) : 0
  return { errorCode, topics: results.sort((a) => (isSubscribed(engine, groupId, textOf(a['name'])) ? 1 : -1)) }
}

function isSubscribed(engine: ScenarioEngine['engine'], groupId: string, topic: string): boolean {
  const state = engine.groups.stateOf(groupId)
  return [...(state?.members.values() ?? [])].some((member) => decodeSubscription(metadataOf(member, state!.protocol)).topics.includes(topic))
}

// ---------------------------------------------------------------------------------------------------- fields

function memberOf(request: JsonObject) {
  return {
    groupId: textOf(request['groupId']), memberId: (request['memberId'] ?? '') as string, generation: request['generationId'] as number,
    groupInstanceId: (request['groupInstanceId'] ?? null) as string | null,
  }
}

function codeOf(run: () => void): number {
  try {
    run()
    return 0
  } catch (error) {
    return errorNumberOf(error)
  }
}

async function codeAfter(call: Promise<unknown>): Promise<number> {
  try {
    await call
    return 0
  } catch (error) {
    return errorNumberOf(error)
  }
}

function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('base64')
}
