/** What the recordings did with Kafka's Java clients, done with ours: producers, transactions over a group, reset policies. */
import type { GroupMember, OffsetQuery, Producer } from '../../../src/core/index.ts'
import { RecordBatchBuilder, StreamError, isStreamError } from '../../../src/core/index.ts'
import { sealBatch, sequenceAfter } from '../../../src/core/log/record-batch.ts'
import type { RecordBatchView } from '../../../src/core/log/record-batch.ts'
import type { RecordView } from '../../../src/core/record.ts'
import { headerOf } from '../core-record-batch.ts'
import { produceWithJava } from './java-producer.ts'
import type { ScenarioEngine } from './scenario-engine.ts'
import { errorNumberOf, textOf } from './scenario.ts'
import type { Call, Calls, Json, JsonObject } from './scenario.ts'

const groupId = 'scenario'

export const clientCalls: Calls = {
  op: {
    async produce(context, args) {
      if (context.javaProducer !== null || textOf(args['producer']).startsWith('transaction.timeout.ms')) return produceWithJava(context, args)
      const producer = await producerNamed(context, textOf(args['producer']))
      const bytes = (value: Json | undefined) => (value === null || value === undefined ? null : Buffer.from(textOf(value)))
      const appended = producer.append({
        topic: textOf(args['topic']), partition: args['partition'] as number, timestamp: args['timestamp'] as number, key: bytes(args['key']), value: bytes(args['value']),
      })
      return { offset: (await appended).offset }
    },

    'produce batch of 3, the 2nd and 3rd with timestamp now+d': (context, args) => appendAt(context, (now) => [now, now + (args['d'] as number), now + (args['d'] as number)], 0),
    'default limits: one record with timestamp now+d': (context, args) => appendAt(context, (now) => [now + (args['d'] as number)], 1),

    async stored(context, args) {
      const topics = await context.engine.listTopics({ includeInternal: false })
      const { log } = context.engine.log.partition({ topic: args['topic'] === undefined ? topics[0]! : textOf(args['topic']), partition: 0 })
      const { batches } = log.read({ offset: 0, maxBytes: 1_048_576, isolation: 'read-uncommitted' })
      const records = batches.reduce((sum, batch) => sum + batch.recordCount, 0)
      return {
        batches: batches.map((batch) => ({ header: headerOf(batch), records: [...batch].map((record) => storedRecord(batch, record)) })) as unknown as Json,
        highWatermark: log.highWatermark, reader: { result: 'read', batches: batches.length, records },
        bytes: Buffer.concat(batches.map(({ batchBytes }) => batchBytes)).toString('base64'),
      }
    },

    'p1.begin': (context) => fenced(begin(context, 'p1')),
    'p2.begin': async (context) => begin(context, 'p2'),
    'p2.initTransactions': async (context) => ((await producerNamed(context, 'p2')), 'ok'),
    'p1.send': (context) => fenced(sendFirst(context, 'p1')),
    'p1.commit': (context) => fenced(commit(context, 'p1')),
    'p2.commit': async (context) => commit(context, 'p2'),

    offsetsForTimes: async (context, args) => offsetAt(context, args, (args['timestamp'] ?? 0) as number),
    beginningOffsets: async (context, args) => offsetOf(await offsetAt(context, args, 'earliest')),
    endOffsets: async (context, args) => offsetOf(await offsetAt(context, args, 'latest')),

    ...offsetsOfTransactions(),
  },
  wire: {},
}

// ---------------------------------------------------------------------------------------------------- producing

/** Two of one transactional id, one whose transaction ends soon, or any other. */
const producerOptions: Readonly<Record<string, { readonly transactionalId: string; readonly transactionTimeoutMs?: number }>> = {
  p1: { transactionalId: 'shared' }, p2: { transactionalId: 'shared' }, 'sending offsets': { transactionalId: 'offsets' },
}

async function producerNamed(context: ScenarioEngine, name: string): Promise<Producer> {
  const known = context.producers.get(name)
  if (known !== undefined) return known
  const producer = await context.broker.openProducer(producerOptions[name] ?? {})
  context.producers.set(name, producer)
  return producer
}

function storedRecord(batch: RecordBatchView, { offset, timestamp, key, value, headers }: RecordView) {
  const base64 = (bytes: Uint8Array | null) => (bytes === null ? null : Buffer.from(bytes).toString('base64'))
  const sequence = batch.baseSequence < 0 ? -1 : sequenceAfter(batch.baseSequence, offset - batch.baseOffset)
  return { offset, timestamp, key: base64(key), value: base64(value), sequence, headers: headers.map((header) => ({ key: header.key, value: base64(header.value) })) }
}

async function begin(context: ScenarioEngine, name: string): Promise<Json> {
  const producer = await producerNamed(context, name)
  producer.begin()
  return 'ok'
}

async function commit(context: ScenarioEngine, name: string): Promise<Json> {
  const producer = await producerNamed(context, name)
  await producer.commit()
  return 'ok'
}

/** Java's producer says the one or the other, by the request that was refused; ours says of all that it was fenced. */
async function fenced(call: Promise<Json>): Promise<Json> {
  try {
    return await call
  } catch (error) {
    if (isStreamError(error, 'PRODUCER_FENCED')) throw new StreamError('INVALID_PRODUCER_EPOCH', error.message)
    throw error
  }
}

async function sendFirst(context: ScenarioEngine, name: string): Promise<Json> {
  const [topic] = await context.engine.listTopics({ includeInternal: false })
  await (await producerNamed(context, name)).append({ topic: topic!, partition: 0, value: Buffer.from('v') })
  return 'ok'
}

async function appendAt({ engine, clock }: ScenarioEngine, timestamps: (now: number) => readonly number[], topicIndex: number): Promise<Json> {
  const topic = (await engine.listTopics({ includeInternal: false }))[topicIndex]!
  const builder = new RecordBatchBuilder({ maxBytes: 1_000_000 })
  for (const timestamp of timestamps(clock.now())) builder.add(Buffer.from('k'), Buffer.from('v'), timestamp)
  try {
    const { baseOffset, logAppendTime } = await engine.appendFromClient({ topic, partition: 0, bytes: unsequenced(builder), transactionalId: null })
    return { errorCode: 0, baseOffset, logAppendTimeMs: logAppendTime }
  } catch (error) {
    return { errorCode: errorNumberOf(error), baseOffset: -1 }
  }
}

function unsequenced(builder: RecordBatchBuilder): Uint8Array {
  const { bytes } = builder.build()
  sealBatch(bytes, { producerId: -1, producerEpoch: -1, baseSequence: -1, transactional: false })
  return bytes
}

// ---------------------------------------------------------------------------------------------------- offsets

async function offsetAt({ broker, engine }: ScenarioEngine, args: JsonObject, at: OffsetQuery['at']): Promise<Json> {
  const [first] = await engine.listTopics({ includeInternal: false })
  const topic = args['topic'] === undefined ? first! : textOf(args['topic'])
  const [answer] = await broker.topics.listOffsets([{ topic, partition: 0, at }])
  return answer!.offset < 0 ? null : { offset: answer!.offset, timestamp: answer!.timestamp, leaderEpoch: 0 }
}

function offsetOf(answer: Json): Json {
  return (answer as JsonObject)['offset']!
}

/** A group whose member commits through a producer, while a second member joins. */
function offsetsOfTransactions(): Readonly<Record<string, Call>> {
  let first: GroupMember
  let before: ReturnType<GroupMember['metadata']>
  const send = async (context: ScenarioEngine, group: ReturnType<GroupMember['metadata']>): Promise<Json> => {
    const producer = await producerNamed(context, 'sending offsets')
    const [topic] = await context.engine.listTopics({ includeInternal: false })
    producer.begin()
    await producer.commit({ group, offsets: [{ topic: topic!, partition: 0, offset: 1 }] })
    return 'ok'
  }
  return {
    async 'sendOffsets current generation'(context) {
      const topics = await context.engine.listTopics({ includeInternal: false })
      first = await context.broker.joinGroup({ groupId, topics })
      before = first.metadata()
      return send(context, before)
    },
    async 'sendOffsets old generation'(context) {
      const topics = await context.engine.listTopics({ includeInternal: false })
      const second = context.broker.joinGroup({ groupId, topics })
      while (first.generation === before.generation) await first.read({ maxWaitMs: 0 })
      await second
      return send(context, before)
    },
    async abort(context) {
      if (context.javaProducer === null) await (await producerNamed(context, 'sending offsets')).abort()
      else await context.javaProducer.abort()
      return 'ok'
    },
    'sendOffsets new generation': (context) => send(context, first.metadata()),
    'sendOffsets group metadata without member': (context) => send(context, { groupId, generation: -1, memberId: '', groupInstanceId: null }),
    async committed(context) {
      const [topic] = await context.engine.listTopics({ includeInternal: false })
      const [committed] = await first.committed([{ topic: topic!, partition: 0 }])
      return String(committed?.offset ?? null)
    },
  }
}
