/** The transaction coordinator's requests. Versions before KIP-360 know no PRODUCER_FENCED and say INVALID_PRODUCER_EPOCH. */
import type { ScenarioEngine } from './scenario-engine.ts'
import { errorNumberOf, errorNumbers, textOf } from './scenario.ts'
import type { Calls, Json, JsonObject, Step } from './scenario.ts'

const operationNotAttempted = 55
const invalidRequest = 42
const transactionAbortable = 120

export const transactionCalls: Calls = {
  op: {},
  wire: {
    async InitProducerId(context, request, step) {
      const transactionalId = request['transactionalId'] as string | null
      const expected = { producerId: (request['producerId'] ?? -1) as number, producerEpoch: (request['producerEpoch'] ?? -1) as number }
      const isHalfGiven = transactionalId !== null && (expected.producerId < 0) !== (expected.producerEpoch < 0)
      if (transactionalId === '' || isHalfGiven) return { throttleTimeMs: 0, errorCode: invalidRequest, producerId: -1, producerEpoch: -1 }
      try {
        const transactionTimeoutMs = request['transactionTimeoutMs'] as number
        const identity = await context.engine.initProducer({ transactionalId, transactionTimeoutMs, expected, whenBusy: 'refuse' })
        context.lastProducerId = identity.producerId
        return { throttleTimeMs: 0, errorCode: 0, ...identity }
      } catch (error) {
        await context.clock.advance(0)
        return { throttleTimeMs: 0, errorCode: olderNumber(step, errorNumberOf(error), 3), producerId: -1, producerEpoch: -1 }
      }
    },

    /** Since version 4 several transactions at once, as brokers ask each other. */
    async AddPartitionsToTxn({ engine }, request, step) {
      if ((step.version ?? 0) < 4) {
        const results = addPartitions(engine, step, { transactionalId: textOf(request['v3AndBelowTransactionalId']), ...identityOf(request, 'v3AndBelow') }, request['v3AndBelowTopics'])
        return { throttleTimeMs: 0, resultsByTopicV3AndBelow: results }
      }
      const transactions = request['transactions'] as readonly JsonObject[]
      return {
        throttleTimeMs: 0, errorCode: 0,
        resultsByTransaction: transactions.map((transaction) => {
          const transactionalId = textOf(transaction['transactionalId'])
          const of = { transactionalId, ...identityOf(transaction), verifyOnly: transaction['verifyOnly'] === true }
          return { transactionalId, topicResults: addPartitions(engine, step, of, transaction['topics']) }
        }),
      }
    },

    async AddOffsetsToTxn({ engine }, request, step) {
      await engine.offsetsTopic.ensure()
      const errorCode = codeOf(step, () => engine.transactions.addPartition(textOf(request['transactionalId']), identityOf(request), engine.offsetsTopic.partitionFor(textOf(request['groupId']))))
      return { throttleTimeMs: 0, errorCode }
    },

    async EndTxn({ engine, clock }, request, step) {
      try {
        const identity = await engine.endTransaction({
          transactionalId: textOf(request['transactionalId']), producer: identityOf(request), outcome: request['committed'] === true ? 'commit' : 'abort', acknowledge: 'durable',
          newEpoch: (step.version ?? 0) >= 5,
        })
        await clock.advance(200)
        return { throttleTimeMs: 0, errorCode: 0, ...identity }
      } catch (error) {
        return { throttleTimeMs: 0, errorCode: olderNumber(step, errorNumberOf(error)), producerId: -1, producerEpoch: -1 }
      }
    },

    async TxnOffsetCommit(context, request, step) {
      const topics = request['topics'] as readonly JsonObject[]
      const errorCode = await txnOffsetCommit(context, request, step)
      return {
        throttleTimeMs: 0,
        topics: topics.map((topic) => ({
          name: topic['name']!,
          partitions: (topic['partitions'] as readonly JsonObject[]).map((partition) => ({ partitionIndex: partition['partitionIndex']!, errorCode })),
        })),
      }
    },
  },
}

interface AskedTransaction {
  readonly transactionalId: string
  readonly producerId: number
  readonly producerEpoch: number
  readonly verifyOnly?: boolean
}

/** One that is not there fails all. */
function addPartitions(engine: ScenarioEngine['engine'], step: Step, { transactionalId, verifyOnly, ...producer }: AskedTransaction, asked: Json | undefined): readonly JsonObject[] {
  const topics = asked as readonly JsonObject[]
  const targets = topics.flatMap((topic) => (topic['partitions'] as readonly number[]).map((partition) => ({ topic: textOf(topic['name']), partition })))
  const unknown = targets.filter((target) => engine.log.partitionIfExists(target) === undefined)
  const add = () => targets.forEach((target) => engine.transactions.addPartition(transactionalId, producer, target))
  const verify = () => targets.forEach((target) => engine.transactions.checkPartition(transactionalId, producer, target))
  const code = unknown.length > 0 ? operationNotAttempted : codeOf(step, verifyOnly === true ? verify : add)
  const failed = verifyOnly === true && code === errorNumbers['INVALID_TXN_STATE'] ? transactionAbortable : code
  const results = [
    ...unknown.map((target) => ({ ...target, code: errorNumbers['UNKNOWN_TOPIC_OR_PARTITION']! })),
    ...targets.filter((target) => !unknown.includes(target)).map((target) => ({ ...target, code: failed })),
  ]
  return topics.map((topic) => ({
    name: topic['name']!,
    resultsByPartition: results.filter((result) => result.topic === topic['name']).map(({ partition, code: of }) => ({ partitionIndex: partition, partitionErrorCode: of })),
  }))
}

/** Until version 5 the offsets partition must be part of the transaction already: clients ask for it with AddOffsetsToTxn. */
async function txnOffsetCommit({ engine }: ScenarioEngine, request: JsonObject, step: Step): Promise<number> {
  const groupId = textOf(request['groupId'])
  const offsets = (request['topics'] as readonly JsonObject[]).flatMap((topic) => (topic['partitions'] as readonly JsonObject[]).map((partition) => ({
    topic: textOf(topic['name']), partition: partition['partitionIndex'] as number, offset: partition['committedOffset'] as number, metadata: (partition['committedMetadata'] ?? '') as string,
  })))
  const group = { groupId, generation: (request['generationId'] ?? -1) as number, memberId: (request['memberId'] ?? '') as string, groupInstanceId: (request['groupInstanceId'] ?? null) as string | null }
  try {
    await engine.offsetsTopic.ensure()
    const transactionalId = textOf(request['transactionalId'])
    engine.transactions.checkEpoch(transactionalId, identityOf(request))
    if ((step.version ?? 0) < 5) engine.transactions.checkPartition(transactionalId, identityOf(request), engine.offsetsTopic.partitionFor(groupId))
    await engine.commitTransactionOffsets({ transactionalId, producer: identityOf(request), group, offsets })
    return 0
  } catch (error) {
    const number = errorNumberOf(error)
    return step.version === 4 && number === errorNumbers['INVALID_TXN_STATE'] ? transactionAbortable : number
  }
}

function codeOf(step: Step, run: () => void): number {
  try {
    run()
    return 0
  } catch (error) {
    return olderNumber(step, errorNumberOf(error))
  }
}

function olderNumber(step: Step, number: number, lastOldVersion = 1): number {
  return number === errorNumbers['PRODUCER_FENCED'] && (step.version ?? 0) <= lastOldVersion ? errorNumbers['INVALID_PRODUCER_EPOCH']! : number
}

function identityOf(request: JsonObject, prefix = ''): { readonly producerId: number; readonly producerEpoch: number } {
  const field = (name: string): Json => request[prefix === '' ? name : `${prefix}${name[0]!.toUpperCase()}${name.slice(1)}`]!
  return { producerId: field('producerId') as number, producerEpoch: field('producerEpoch') as number }
}
