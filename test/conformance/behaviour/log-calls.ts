/** Produce, fetch, offsets and topics, as Kafka's requests and Admin operations ask for them. */
import type { Isolation, OffsetQuery } from '../../../src/core/index.ts'
import { RecordBatchBuilder, StreamError, isStreamError } from '../../../src/core/index.ts'
import { readMarker } from '../../../src/core/log/control-batch.ts'
import { RecordBatchView, sealBatch } from '../../../src/core/log/record-batch.ts'
import { visibleBatches } from '../../../src/core/log/visible-batches.ts'
import type { ScenarioEngine } from './scenario-engine.ts'
import { PendingStep, WireError, errorNumberOf, errorNumbers, textOf } from './scenario.ts'
import type { Calls, Json, JsonObject, Step } from './scenario.ts'

const invalidRequiredAcks = 21
const invalidReplicaAssignment = 39
/** There is one leader, at epoch 0. */
const unknownLeaderEpoch = 75
const unknownTopic = 3
const unknownTopicId = 100
/** The first version whose transactions add partitions by themselves (KIP-890), and the one whose clients know what to do when one is missing. */
const transactionsVersion2 = 12
const transactionAbortable = { sinceVersion: 11, number: 120 }
/** UNKNOWN_TOPIC_OR_PARTITION, CORRUPT_MESSAGE, MESSAGE_TOO_LARGE: answered without a log start offset, as are transactions that do not hold. */
const earlyRefusals = [3, 2, 10]
const verificationFailures = [47, 48]

export const logCalls: Calls = {
  op: {
    async createTopic({ engine }, args) {
      if (args['assignment'] !== undefined) checkAssignment(textOf(args['assignment']))
      if (args['validateOnly'] === true) return 'ok, not created'
      const configs = (args['configs'] ?? {}) as Record<string, string>
      const count = (value: Json | undefined) => (typeof value === 'number' && value !== -1 ? value : undefined)
      const [partitions, replicationFactor] = [count(args['partitions']), count(args['replicationFactor'])]
      await engine.createTopics([{ topic: textOf(args['topic']), configs, ...(partitions !== undefined && { partitions }), ...(replicationFactor !== undefined && { replicationFactor }) }])
      return { partitions: partitions ?? 1, replicationFactor: replicationFactor ?? 1 }
    },
    async createPartitions({ engine }, args) {
      const [description] = await engine.describeTopics([textOf(args['topic'])])
      const added = (args['newTotal'] as number) - description!.partitions.length
      if (args['assignments'] !== undefined && args['assignments'] !== added) throw new WireError(invalidReplicaAssignment)
      await engine.alterTopic(textOf(args['topic']), { partitions: args['newTotal'] as number })
      return 'ok'
    },
    async deleteTopic({ engine }, args) {
      // The Java client refuses to send an empty name.
      if (args['topic'] === '') throw new StreamError('INVALID_TOPIC', 'an empty name')
      await engine.removeTopics([textOf(args['topic'])])
      return 'ok'
    },
    async deleteRecords({ engine }, args) {
      const [answer] = await engine.deleteRecords([{ topic: textOf(args['topic']), partition: 0, beforeOffset: args['beforeOffset'] as number }])
      return { lowWatermark: answer!.logStartOffset }
    },
    listOffsets: async (context, args) => listOffset(context, args),
    fetch: async (context, args) => fetchOp(context, args),
    read: async (context, args) => ({
      read_committed: readPairs(context, textOf(args['topic']), 'read-committed'),
      read_uncommitted: readPairs(context, textOf(args['topic']), 'read-uncommitted'),
    }),
    async readFromStart(context, args) {
      const records = readAll(context, { topic: textOf(args['topic']), partition: args['partition'] as number }, isolationOf(args['isolation']))
      return records.map(({ offset, key, value, timestamp, timestampType }) => ({ offset, key: text(key), value: text(value), timestamp, timestampType }))
    },
    /** On the first topic of the scenario, with the producer that asked for an id last. */
    produceBatch: async (context, args) => produceBatch(context, args),
  },
  wire: { Produce: async (context, request, step) => produce(context, request, step), Fetch: async (context, request) => fetchRequest(context, request), ListOffsets: async (context, request) => listOffsetsRequest(context, request) },
}

/** `{0:[1],1:[1]}`: partitions from 0 on without a gap, each on brokers that are there, none of them twice. The recording had broker 1. */
function checkAssignment(text: string): void {
  const entries = [...text.matchAll(/(\d+):\[([\d,]*)\]/g)].map((match) => ({ partition: Number(match[1]), brokers: match[2]!.split(',') }))
  const isWhole = entries.every(({ partition, brokers }, index) => partition === index && new Set(brokers).size === brokers.length && brokers.every((broker) => broker === '1'))
  if (!isWhole) throw new WireError(invalidReplicaAssignment)
  throw new PendingStep('assignment of replicas by hand')
}

function isolationOf(value: Json | undefined): Isolation {
  return value === 'read_committed' || value === 1 ? 'read-committed' : 'read-uncommitted'
}

function text(bytes: Uint8Array | null): string | null {
  return bytes === null ? null : Buffer.from(bytes).toString('utf8')
}

// ---------------------------------------------------------------------------------------------------- produce

async function produce({ engine }: ScenarioEngine, request: JsonObject, step: Step): Promise<Json> {
  const topics = request['topicData'] as readonly JsonObject[]
  const responses = await Promise.all(topics.map(async (topic) => ({
    name: topic['name'] ?? '', topicId: topic['topicId'] ?? '',
    partitionResponses: await Promise.all((topic['partitionData'] as readonly JsonObject[]).map(async (partition) => {
      const target = { topic: topicOf(engine, topic['name'], topic['topicId']), partition: partition['index'] as number }
      const isAcksKnown = [-1, 0, 1].includes(request['acks'] as number)
      if (!isAcksKnown) return { index: target.partition, errorCode: invalidRequiredAcks, baseOffset: -1, logAppendTimeMs: -1, logStartOffset: -1 }
      const answer = await appendRecords(engine, target, partition['records'] as string | null, { transactionalId: (request['transactionalId'] ?? null) as string | null, version: step.version ?? 0 })
      return { index: target.partition, ...answer }
    })),
  })))
  return { responses, throttleTimeMs: 0 }
}

/** Since version 13 of Fetch and Produce topics come by id. */
function topicOf(engine: ScenarioEngine['engine'], name: Json | undefined, topicId: Json | undefined): string {
  if (typeof name === 'string' && name !== '') return name
  return [...engine.log.catalog.topics.values()].find((known) => known.topicId === topicId)?.topic ?? ''
}

async function appendRecords(engine: ScenarioEngine['engine'], target: { topic: string; partition: number }, records: string | null, options: { readonly transactionalId: string | null; readonly version: number }): Promise<JsonObject> {
  const { transactionalId, version } = options
  try {
    const bytes = Buffer.from(records ?? '', 'base64')
    const { baseOffset, logAppendTime } = await engine.appendFromClient({ ...target, bytes, transactionalId, addsPartition: version >= transactionsVersion2 })
    return { errorCode: 0, baseOffset, logAppendTimeMs: logAppendTime, logStartOffset: engine.log.partition(target).log.logStartOffset }
  } catch (error) {
    if (isStreamError(error, 'UNSUPPORTED_COMPRESSION_TYPE')) throw new PendingStep('a decoder for zstd')
    const number = errorNumberOf(error)
    const isMissing = transactionalId !== null && number === errorNumbers['INVALID_TXN_STATE'] && version >= transactionAbortable.sinceVersion
    const errorCode = isMissing ? transactionAbortable.number : number
    const isRefusedEarly = earlyRefusals.includes(errorCode) || !records || (transactionalId !== null && verificationFailures.includes(number))
    return { errorCode, baseOffset: -1, logAppendTimeMs: -1, logStartOffset: isRefusedEarly ? -1 : (engine.log.partitionIfExists(target)?.log.logStartOffset ?? -1) }
  }
}

async function produceBatch(context: ScenarioEngine, args: JsonObject): Promise<Json> {
  const { engine, lastProducerId } = context
  const [topic] = await engine.listTopics({ includeInternal: false })
  const builder = new RecordBatchBuilder({ maxBytes: 1_000_000 })
  for (let index = 0; index < ((args['records'] ?? 1) as number); index++) builder.add(Buffer.from('k'), Buffer.from(`n${context.recordsBuilt++}`), 1_760_000_000_000)
  const { bytes } = builder.build()
  const producerId = (args['producerId'] ?? lastProducerId) as number
  sealBatch(bytes, { producerId, producerEpoch: args['producerEpoch'] as number, baseSequence: args['baseSequence'] as number, transactional: false })
  return appendRecords(engine, { topic: topic!, partition: 0 }, Buffer.from(bytes).toString('base64'), { transactionalId: null, version: 9 })
}

// ---------------------------------------------------------------------------------------------------- fetch

interface ReadRecord {
  readonly offset: number
  readonly key: Uint8Array | null
  readonly value: Uint8Array | null
  readonly timestamp: number
  readonly timestampType: string
}

function readAll({ engine }: ScenarioEngine, target: { topic: string; partition: number }, isolation: Isolation): readonly ReadRecord[] {
  const { log } = engine.log.partition(target)
  const records: ReadRecord[] = []
  for (let offset = log.logStartOffset; ;) {
    const read = log.read({ offset, maxBytes: 1_048_576, isolation })
    for (const batch of visibleBatches(read, isolation)) for (const { offset: at, key, value, timestamp } of batch) {
      records.push({ offset: at, key, value, timestamp, timestampType: batch.isLogAppendTime ? 'LogAppendTime' : 'CreateTime' })
    }
    if (read.nextOffset === offset) return records
    offset = read.nextOffset
  }
}

function readPairs(context: ScenarioEngine, topic: string, isolation: Isolation): Json {
  return readAll(context, { topic, partition: 0 }, isolation).map(({ offset, value }) => [offset, text(value)])
}

/** Kafka may cut the last batch where the limit is; only whole ones count here. */
function fetchOp({ engine }: ScenarioEngine, args: JsonObject): Json {
  const isolation = isolationOf(args['isolation'])
  const found = engine.log.partitionIfExists({ topic: textOf(args['topic']), partition: args['partition'] as number })
  if (found === undefined) return { errorCode: 3, highWatermark: -1, lastStableOffset: -1, logStartOffset: -1, abortedTransactions: [], validBytes: 0, batches: [] }
  const { log } = found
  try {
    const read = log.read({ offset: args['offset'] as number, maxBytes: Math.min(args['maxBytes'] as number, args['partitionMaxBytes'] as number), isolation })
    const aborted = read.abortedTransactions.map(({ producerId, firstOffset }) => ({ producerId, firstOffset }))
    return {
      errorCode: 0, highWatermark: read.highWatermark, lastStableOffset: read.lastStableOffset, logStartOffset: read.logStartOffset,
      abortedTransactions: isolation === 'read-committed' ? aborted : null,
      validBytes: read.batches.reduce((size, batch) => size + batch.sizeBytes, 0),
      batches: read.batches.map(batchJson),
    }
  } catch (error) {
    return { errorCode: errorNumberOf(error), highWatermark: -1, lastStableOffset: -1, logStartOffset: -1, abortedTransactions: null, validBytes: 0, batches: [] }
  }
}

/** Sessions are the listener's: without one every fetch is whole. Since version 13 topics come by id. */
async function fetchRequest({ engine }: ScenarioEngine, request: JsonObject): Promise<Json> {
  if ((request['sessionEpoch'] ?? -1) !== -1) throw new PendingStep('fetch sessions, which are the network listener\'s')
  const isolation = isolationOf(request['isolationLevel'])
  const responses = (request['topics'] as readonly JsonObject[]).map((asked) => {
    const topic = topicOf(engine, asked['topic'], asked['topicId'])
    const missing = asked['topicId'] !== undefined && topic === '' ? unknownTopicId : unknownTopic
    return { topic, topicId: asked['topicId'] ?? '', partitions: (asked['partitions'] as readonly JsonObject[]).map((partition) => fetchPartition(engine, topic, partition, { isolation, missing })) }
  })
  return { throttleTimeMs: 0, errorCode: 0, sessionId: 0, responses }
}

function fetchPartition(engine: ScenarioEngine['engine'], topic: string, asked: JsonObject, { isolation, missing }: { readonly isolation: Isolation; readonly missing: number }): JsonObject {
  const partition = asked['partition'] as number
  const refused = (errorCode: number, abortedTransactions: Json): JsonObject => ({
    partitionIndex: partition, errorCode, highWatermark: -1, lastStableOffset: -1, logStartOffset: -1, abortedTransactions, preferredReadReplica: -1, records: '',
  })
  const found = engine.log.partitionIfExists({ topic, partition })
  if (found === undefined) return refused(missing, [])
  if (((asked['currentLeaderEpoch'] ?? -1) as number) > 0) return refused(unknownLeaderEpoch, null)
  try {
    const read = found.log.read({ offset: asked['fetchOffset'] as number, maxBytes: asked['partitionMaxBytes'] as number, isolation })
    const abortedTransactions = isolation === 'read-committed' ? read.abortedTransactions.map(({ producerId, firstOffset }) => ({ producerId, firstOffset })) : null
    const records = Buffer.concat(read.batches.map(({ batchBytes }) => batchBytes)).toString('base64')
    const { highWatermark, lastStableOffset, logStartOffset } = read
    return { partitionIndex: partition, errorCode: 0, highWatermark, lastStableOffset, logStartOffset, abortedTransactions, preferredReadReplica: -1, records }
  } catch (error) {
    return refused(errorNumberOf(error), null)
  }
}

function batchJson(batch: RecordBatchView): Json {
  const { baseOffset, lastOffset, sizeBytes, producerId, producerEpoch, baseSequence, isTransactional, isControl } = batch
  const marker = isControl ? readMarker(batch) : null
  const plain = { baseOffset, lastOffset, size: sizeBytes, producerId, producerEpoch, baseSequence, transactional: isTransactional, control: isControl }
  return marker === null ? plain : { ...plain, controlType: marker.type.toUpperCase() }
}

// ---------------------------------------------------------------------------------------------------- offsets

/** What the negative timestamps of the protocol mean; nothing is tiered here, so what is local is all. */
const specNames: Readonly<Record<string, string>> = {
  '-1': 'latest', '-2': 'earliest', '-3': 'max-timestamp', '-4': 'earliest', '-5': 'latest-tiered', 'earliest-local': 'earliest',
}

async function listOffset({ engine }: ScenarioEngine, args: JsonObject): Promise<Json> {
  const target = { topic: textOf(args['topic']), partition: args['partition'] as number }
  const spec = specNames[textOf(args['spec'])] ?? textOf(args['spec'])
  const isolation = isolationOf(args['isolation'])
  if (spec === 'latest-tiered') return { offset: -1, timestamp: -1, leaderEpoch: null }
  if (spec === 'max-timestamp') {
    const { log } = engine.log.partition(target)
    const largest = log.maxTimestamp()
    const found = isolation === 'read-committed' && (largest?.offset ?? 0) >= log.lastStableOffset ? null : largest
    return { offset: found?.offset ?? -1, timestamp: found?.timestamp ?? -1, leaderEpoch: found === null ? null : 0 }
  }
  const at: OffsetQuery['at'] = spec === 'earliest' || spec === 'latest' ? spec : Number(spec)
  const [answer] = await engine.listOffsets([{ ...target, at }], isolation)
  return { offset: answer!.offset, timestamp: answer!.timestamp, leaderEpoch: answer!.offset < 0 ? null : 0 }
}

async function listOffsetsRequest(context: ScenarioEngine, request: JsonObject): Promise<Json> {
  const isolation = request['isolationLevel'] === 1 ? 'read_committed' : 'read_uncommitted'
  const topics = await Promise.all((request['topics'] as readonly JsonObject[]).map(async (topic) => ({
    name: topic['name']!,
    partitions: await Promise.all((topic['partitions'] as readonly JsonObject[]).map(async (partition) => {
      const unknown = { partitionIndex: partition['partitionIndex']!, errorCode: unknownLeaderEpoch, timestamp: -1, offset: -1 }
      if (((partition['currentLeaderEpoch'] ?? -1) as number) > 0) return unknown
      const args = { topic: topic['name']!, partition: partition['partitionIndex']!, spec: partition['timestamp']!, isolation }
      try {
        const found = (await listOffset(context, args)) as JsonObject
        return { partitionIndex: partition['partitionIndex']!, errorCode: 0, timestamp: found['timestamp']!, offset: found['offset']! }
      } catch (error) {
        return { partitionIndex: partition['partitionIndex']!, errorCode: errorNumberOf(error), timestamp: -1, offset: -1 }
      }
    })),
  })))
  return { topics }
}
