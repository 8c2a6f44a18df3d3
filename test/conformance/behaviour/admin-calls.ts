/** Topics and their state as the admin requests ask for them: what a listener puts around the engine's calls. */
import type { TopicSpec } from '../../../src/core/index.ts'
import { isInternalTopic } from '../../../src/core/engine/topic-manager.ts'
import { validateTopicName } from '../../../src/core/engine/topic-name.ts'
import { createdConfigs } from './config-calls.ts'
import type { ScenarioEngine } from './scenario-engine.ts'
import { WireError, errorNumberOf, errorNumbers, textOf } from './scenario.ts'
import type { Calls, Json, JsonObject, Step } from './scenario.ts'

const invalidRequest = 42
const unknownTopicId = 100
const transactionalIdNotFound = 105
const unknownLeaderEpoch = 75
const unknownTopic = errorNumbers['UNKNOWN_TOPIC_OR_PARTITION']!
const noId = 'AAAAAAAAAAAAAAAAAAAAAA'
const noOperations = -2_147_483_648
/** As bits: all that there are for a resource of that kind. */
const allTopicOperations = 3576
const allClusterOperations = 8096
/** The recording's node; ours has no number on the wire yet. */
const broker = { nodeId: 1, host: '<host>', port: '<port>' }

export const adminCalls: Calls = {
  op: {
    async deleteTopicById({ engine }, args) {
      const topic = topicOfId(engine, textOf(args['id']))
      if (topic === undefined) throw new WireError(unknownTopicId)
      await engine.removeTopics([topic])
      return 'ok'
    },
  },
  wire: {
    CreateTopics: async ({ engine }, request, step) => ({ throttleTimeMs: 0, topics: await createTopics(engine, request, step) }),
    DeleteTopics: async ({ engine }, request, step) => ({ throttleTimeMs: 0, responses: await deleteTopics(engine, request, step) }),
    CreatePartitions: async ({ engine }, request) => ({ throttleTimeMs: 0, results: await createPartitions(engine, request) }),
    Metadata: async ({ engine }, request, step) => metadata(engine, request, step),
    DeleteRecords: async ({ engine }, request) => ({ throttleTimeMs: 0, topics: await deleteRecords(engine, request) }),
    OffsetForLeaderEpoch: async ({ engine }, request) => ({ throttleTimeMs: 0, topics: offsetsForLeaderEpoch(engine, request) }),
    DescribeProducers: async ({ engine }, request) => ({ throttleTimeMs: 0, topics: describeProducers(engine, request) }),
    DescribeTransactions: async ({ engine }, request) => ({ throttleTimeMs: 0, transactionStates: (request['transactionalIds'] as readonly string[]).map((id) => describeTransaction(engine, id)) }),
    ListTransactions: async ({ engine }, request) => listTransactions(engine, request),
    ListGroups: async ({ engine }, _request, step) => ({ throttleTimeMs: 0, errorCode: 0, groups: listGroups(engine, step) }),
    FindCoordinator: async (_context, request, step) => findCoordinator(request, step),
  },
}

type Engine = ScenarioEngine['engine']

function topicOfId(engine: Engine, topicId: string): string | undefined {
  return [...engine.log.catalog.topics.values()].find((topic) => topic.topicId === topicId)?.topic
}

async function codeAfter(call: Promise<unknown>): Promise<number> {
  try {
    await call
    return 0
  } catch (error) {
    return errorNumberOf(error)
  }
}

/** A name that comes twice is refused for all of its places, and answered once. */
function duplicatesOf(names: readonly Json[]): ReadonlySet<Json> {
  return new Set(names.filter((name, index) => names.indexOf(name) !== index))
}

// ---------------------------------------------------------------------------------------------------- topics

async function createTopics(engine: Engine, request: JsonObject, step: Step): Promise<readonly JsonObject[]> {
  const topics = request['topics'] as readonly JsonObject[]
  const duplicates = duplicatesOf(topics.map(({ name }) => name!))
  const failed = (name: Json, errorCode: number): JsonObject => ({ name, topicId: noId, errorCode, topicConfigErrorCode: 0, numPartitions: -1, replicationFactor: -1, configs: [] })
  const answers: JsonObject[] = [...duplicates].map((name) => failed(name, invalidRequest))
  for (const topic of topics.filter(({ name }) => !duplicates.has(name!))) {
    const configs = topic['configs'] as readonly JsonObject[]
    if (configs.some(({ value }) => value === null)) {
      answers.push(failed(topic['name']!, errorNumbers['INVALID_CONFIG']!))
      continue
    }
    const spec: TopicSpec = {
      topic: textOf(topic['name']), ...asked('partitions', topic['numPartitions']), ...asked('replicationFactor', topic['replicationFactor']),
      configs: Object.fromEntries(configs.map(({ name, value }) => [name, value])) as Record<string, string>,
    }
    const code = await codeAfter(request['validateOnly'] === true ? engine.topics.check([spec]) : engine.createTopics([spec]))
    answers.push(code === 0 ? created(engine, spec, step) : failed(spec.topic, code))
  }
  return answers
}

/** Since version 4 -1 leaves it to the broker. */
function asked(field: 'partitions' | 'replicationFactor', value: Json | undefined): Partial<TopicSpec> {
  return value === -1 ? {} : { [field]: value as number }
}

/** Where it was only asked whether it could be made, Kafka answers with a random id that nobody gets: the recorded one is as good. */
function created(engine: Engine, spec: TopicSpec, step: Step): JsonObject {
  const random = ((step.response as JsonObject)['topics'] as readonly JsonObject[]).find(({ name }) => name === spec.topic)?.['topicId'] ?? noId
  const configs = createdConfigs(spec.configs ?? {})
  return { name: spec.topic, topicId: engine.log.catalog.topics.get(spec.topic)?.topicId ?? random, errorCode: 0, topicConfigErrorCode: 0, numPartitions: spec.partitions ?? 1, replicationFactor: spec.replicationFactor ?? 1, configs }
}

/** Names until version 5, then names or ids; what fails for itself comes before what is removed, and is answered in the order of a hash table. */
async function deleteTopics(engine: Engine, request: JsonObject, step: Step): Promise<readonly JsonObject[]> {
  const asked = ((request['topics'] ?? (request['topicNames'] as readonly string[]).map((name) => ({ name, topicId: noId }))) as readonly JsonObject[])
  const duplicates = duplicatesOf(asked.map(({ name }) => name!).filter((name) => name !== null))
  const answers = [...duplicates].map((name) => ({ name, topicId: noId, errorCode: invalidRequest }))
  for (const { name, topicId } of asked.filter((topic) => !duplicates.has(topic['name']!))) {
    const byId = name === null ? topicOfId(engine, textOf(topicId)) : undefined
    const code = name === null ? (topicId === noId ? invalidRequest : unknownTopicId) : await codeAfter(engine.removeTopics([textOf(name)]))
    answers.push({ name: name!, topicId: textOf(topicId), errorCode: byId === undefined ? code : await codeAfter(engine.removeTopics([byId])) })
  }
  return inRecordedOrder(answers, step, 'responses', ({ name, topicId }) => `${JSON.stringify(name)} ${JSON.stringify(topicId)}`)
}

/** The order of such a list is that of a hash table, and means nothing. */
function inRecordedOrder(answers: readonly JsonObject[], step: Step, field: string, keyOf: (item: JsonObject) => string): readonly JsonObject[] {
  const recorded = ((step.response as JsonObject)[field] as readonly JsonObject[]).map((item) => keyOf({ topicId: noId, ...item }))
  return answers.toSorted((a, b) => recorded.indexOf(keyOf(a)) - recorded.indexOf(keyOf(b)))
}

async function createPartitions(engine: Engine, request: JsonObject): Promise<readonly JsonObject[]> {
  const topics = request['topics'] as readonly JsonObject[]
  const duplicates = duplicatesOf(topics.map(({ name }) => name!))
  const answers: JsonObject[] = [...duplicates].map((name) => ({ name, errorCode: invalidRequest }))
  for (const { name, count } of topics.filter((topic) => !duplicates.has(topic['name']!))) {
    answers.push({ name: name!, errorCode: await codeAfter(engine.alterTopic(textOf(name), { partitions: count as number })) })
  }
  return answers
}

/** Brokers and cluster are the listener's to tell. None asked for: all, as null says since version 1, and an empty list before. */
async function metadata(engine: Engine, request: JsonObject, step: Step): Promise<Json> {
  const asked = request['topics'] as readonly JsonObject[] | null
  const isAll = asked === null || (asked.length === 0 && (step.version ?? 0) === 0)
  const wanted = isAll ? (await engine.listTopics({ includeInternal: true })).map((name) => ({ name })) : asked.filter(({ name, topicId }) => name !== null || topicId !== noId)
  const topics = wanted.map((topic) => topicMetadata(engine, topic, request))
  const clusterAuthorizedOperations = request['includeClusterAuthorizedOperations'] === true ? allClusterOperations : noOperations
  return {
    throttleTimeMs: 0, brokers: [{ ...broker, rack: null }], clusterId: 'TWlsbHJhY2VUZXN0S2l0MQ', controllerId: broker.nodeId, clusterAuthorizedOperations, errorCode: 0,
    topics: inRecordedOrder(topics, step, 'topics', ({ name, topicId }) => (name === null ? JSON.stringify(topicId) : JSON.stringify(name))),
  }
}

/** By id where there is no name. */
function topicMetadata(engine: Engine, { name, topicId }: JsonObject, request: JsonObject): JsonObject {
  const isById = name === null || name === undefined
  const found = engine.log.catalog.topics.get(isById ? (topicOfId(engine, textOf(topicId)) ?? '') : textOf(name))
  const topicAuthorizedOperations = found !== undefined && request['includeTopicAuthorizedOperations'] === true ? allTopicOperations : noOperations
  if (found === undefined) {
    const errorCode = isById ? unknownTopicId : codeOfName(textOf(name))
    return { errorCode, name: name ?? null, topicId: isById ? topicId! : noId, isInternal: false, partitions: [], topicAuthorizedOperations }
  }
  const partitions = Array.from({ length: found.partitions }, (_, partition) => ({
    errorCode: 0, partitionIndex: partition, leaderId: broker.nodeId, leaderEpoch: 0, replicaNodes: [broker.nodeId], isrNodes: [broker.nodeId], offlineReplicas: [],
  }))
  return { errorCode: 0, name: found.topic, topicId: found.topicId, isInternal: isInternalTopic(found.topic), partitions, topicAuthorizedOperations }
}

function codeOfName(name: string): number {
  try {
    validateTopicName(name)
    return unknownTopic
  } catch (error) {
    return errorNumberOf(error)
  }
}

async function deleteRecords(engine: Engine, request: JsonObject): Promise<readonly JsonObject[]> {
  const topics = await Promise.all((request['topics'] as readonly JsonObject[]).map(async (topic) => ({
    name: textOf(topic['name']),
    partitions: await Promise.all((topic['partitions'] as readonly JsonObject[]).map(async ({ partitionIndex, offset }) => {
      try {
        const [answer] = await engine.deleteRecords([{ topic: textOf(topic['name']), partition: partitionIndex as number, beforeOffset: offset as number }])
        return { partitionIndex: partitionIndex!, lowWatermark: answer!.logStartOffset, errorCode: 0 }
      } catch (error) {
        return { partitionIndex: partitionIndex!, lowWatermark: -1, errorCode: errorNumberOf(error) }
      }
    })),
  })))
  return topics.toSorted((a, b) => Number(engine.log.catalog.topics.has(a.name)) - Number(engine.log.catalog.topics.has(b.name)))
}

// ---------------------------------------------------------------------------------------------------- what a partition knows

/** There is one leader, at epoch 0, for ever. */
function offsetsForLeaderEpoch(engine: Engine, request: JsonObject): readonly JsonObject[] {
  return (request['topics'] as readonly JsonObject[]).map((topic) => ({
    topic: topic['topic']!,
    partitions: (topic['partitions'] as readonly JsonObject[]).map(({ partition, currentLeaderEpoch, leaderEpoch }) => {
      const found = engine.log.partitionIfExists({ topic: textOf(topic['topic']), partition: partition as number })
      const errorCode = found === undefined ? unknownTopic : (currentLeaderEpoch as number) > 0 ? unknownLeaderEpoch : 0
      const known = errorCode === 0 && leaderEpoch === 0
      return { errorCode, partition: partition!, leaderEpoch: known ? 0 : -1, endOffset: known ? found!.log.logEndOffset : -1 }
    }),
  }))
}

function describeProducers(engine: Engine, request: JsonObject): readonly JsonObject[] {
  return (request['topics'] as readonly JsonObject[]).map((topic) => ({
    name: topic['name']!,
    partitions: (topic['partitionIndexes'] as readonly number[]).map((partition) => {
      const found = engine.log.partitionIfExists({ topic: textOf(topic['name']), partition })
      const activeProducers = [...(found?.log.producers() ?? [])].map(({ producerId, epoch, batches, lastTimestamp, coordinatorEpoch, transactionFirstOffset }) => ({
        producerId, producerEpoch: epoch, lastSequence: batches.at(-1)?.lastSequence ?? -1, lastTimestamp, coordinatorEpoch, currentTxnStartOffset: transactionFirstOffset,
      }))
      return { partitionIndex: partition, errorCode: found === undefined ? unknownTopic : 0, activeProducers }
    }),
  }))
}

// ---------------------------------------------------------------------------------------------------- coordinators

const transactionStates: Readonly<Record<string, string>> = {
  empty: 'Empty', ongoing: 'Ongoing', 'prepare-commit': 'PrepareCommit', 'prepare-abort': 'PrepareAbort', 'complete-commit': 'CompleteCommit', 'complete-abort': 'CompleteAbort',
  dead: 'Dead', 'prepare-epoch-fence': 'PrepareEpochFence',
}

function describeTransaction(engine: Engine, transactionalId: string): JsonObject {
  const state = engine.transactions.stateOf(transactionalId)
  if (state === undefined) {
    const errorCode = transactionalId === '' ? invalidRequest : transactionalIdNotFound
    return { errorCode, transactionalId, transactionState: '', transactionTimeoutMs: 0, transactionStartTimeMs: 0, producerId: 0, producerEpoch: 0, topics: [] }
  }
  const names = [...new Set(state.partitions.map(({ topic }) => topic))]
  const topics = names.map((topic) => ({ topic, partitions: state.partitions.filter((target) => target.topic === topic).map(({ partition }) => partition) }))
  return {
    errorCode: 0, transactionalId, transactionState: transactionStates[state.status]!, transactionTimeoutMs: state.timeoutMs, transactionStartTimeMs: state.startTimestamp,
    producerId: state.producerId, producerEpoch: state.producerEpoch, topics,
  }
}

function listTransactions(engine: Engine, request: JsonObject): Json {
  const filters = (request['stateFilters'] ?? []) as readonly string[]
  const known = Object.values(transactionStates)
  const found = engine.transactions.list().filter(({ status }) => filters.length === 0 || filters.includes(transactionStates[status]!))
  return {
    throttleTimeMs: 0, errorCode: 0, unknownStateFilters: filters.filter((filter) => !known.includes(filter)),
    transactionStates: found.map(({ transactionalId, producerId, status }) => ({ transactionalId, producerId, transactionState: transactionStates[status]! })),
  }
}

/** The recording's broker had the groups of all scenarios; those of this one are compared. */
function listGroups(engine: Engine, step: Step): readonly JsonObject[] {
  const known = engine.groups.list()
  return ((step.response as JsonObject)['groups'] as readonly JsonObject[]).map((recorded) => {
    const groupId = textOf(recorded['groupId'])
    if (!known.includes(groupId)) return recorded
    const state = engine.groups.stateOf(groupId)
    const groupState = state === undefined ? 'empty' : state.phase
    return { groupId, protocolType: state?.protocolType ?? '', groupState: groupState.split('-').map((word) => `${word[0]!.toUpperCase()}${word.slice(1)}`).join(''), groupType: 'classic' }
  })
}

/** One node coordinates everything; transactions, groups, and nothing else. */
function findCoordinator(request: JsonObject, step: Step): Json {
  const here = { ...broker, errorCode: 0 }
  if ((step.version ?? 0) < 4) return here
  const isKnown = (request['keyType'] as number) <= 1
  const coordinators = (request['coordinatorKeys'] as readonly string[]).map((key) => ({ key, ...(isKnown ? here : { nodeId: -1, host: '', port: -1, errorCode: invalidRequest }) }))
  return { throttleTimeMs: 0, coordinators }
}

