/** Transactions as Kafka's Java producer drives them since 4.0: version 2, a request at a time, over the engine's calls. */
import type { Producer } from '../../../src/core/index.ts'
import { RecordBatchBuilder } from '../../../src/core/index.ts'
import type { ProducerIdentity } from '../../../src/core/engine/transaction-state.ts'
import { sealBatch } from '../../../src/core/log/record-batch.ts'
import type { ScenarioEngine } from './scenario-engine.ts'
import { textOf } from './scenario.ts'
import type { Calls, Json, JsonObject } from './scenario.ts'

const defaultTimeoutMs = 60_000

interface SentRecord {
  readonly key: Uint8Array | null
  readonly value: Uint8Array | null
}

/** What calls out of order come to is asked of our own producer, which is begun and ended alongside; what is written goes to the engine. */
export class JavaProducer {
  readonly #context: ScenarioEngine
  readonly #transactionalId: string
  readonly #beside: Producer
  #identity: ProducerIdentity
  #sequence = 0
  #isTouched = false
  /** The answer to what was sent last, when it was refused: commits repeat it. */
  #refusal: unknown = null
  /** Java refuses a record outside of transactions and sends it along with the next one all the same; ours does not, so its part is played here. */
  #left: SentRecord[] = []

  private constructor(context: ScenarioEngine, transactionalId: string, identity: ProducerIdentity, beside: Producer) {
    this.#context = context
    this.#transactionalId = transactionalId
    this.#identity = identity
    this.#beside = beside
  }

  static async open(context: ScenarioEngine, transactionTimeoutMs: number): Promise<JavaProducer> {
    const transactionalId = `java-${transactionTimeoutMs}`
    const identity = await context.engine.initProducer({ transactionalId, transactionTimeoutMs })
    return new JavaProducer(context, transactionalId, identity, await context.broker.openProducer({ transactionalId: `${transactionalId}-beside` }))
  }

  begin(): void {
    this.#beside.begin()
  }

  /** @throws INVALID_TXN_STATE outside of a transaction */
  async send(topic: string, partition: number, record: SentRecord, timestamp: number): Promise<number> {
    const records = [...this.#left, record]
    const builder = new RecordBatchBuilder({ maxBytes: 1_000_000 })
    for (const { key, value } of records) builder.add(key, value, timestamp)
    const { bytes } = builder.build()
    sealBatch(bytes, { ...this.#identity, baseSequence: this.#sequence, transactional: true })
    this.#isTouched = true
    try {
      const { baseOffset } = await this.#context.engine.appendFromClient({ topic, partition, bytes, transactionalId: this.#transactionalId, addsPartition: true })
      this.#left = []
      this.#sequence += records.length
      return baseOffset + records.length - 1
    } catch (error) {
      this.#refusal = error
      throw error
    }
  }

  /** @throws INVALID_TXN_STATE, as our producer says it */
  async sendOutside(topic: string): Promise<void> {
    const record = { key: null, value: Buffer.from('x') }
    this.#left.push(record)
    await this.#beside.append({ topic, partition: 0, ...record })
  }

  async commit(): Promise<void> {
    if (this.#refusal !== null) throw this.#refusal
    await this.#beside.commit()
    await this.#end('commit')
  }

  async abort(): Promise<void> {
    await this.#beside.abort()
    this.#refusal = null
    await this.#end('abort')
  }

  /** An empty one is not told of. */
  async #end(outcome: 'commit' | 'abort'): Promise<void> {
    if (this.#isTouched) this.#identity = await this.#context.engine.endTransaction({ transactionalId: this.#transactionalId, producer: this.#identity, outcome, acknowledge: 'durable', newEpoch: true })
    this.#isTouched = false
    this.#sequence = 0
  }
}

export const javaProducerCalls: Calls = {
  op: {
    async produceBeforeInit(context) {
      await (await javaProducer(context)).commit()
      return 'ok'
    },
    initTransactions: async (context) => ((await javaProducer(context)), 'ok'),
    async commitWithoutBegin(context) {
      await (await javaProducer(context)).commit()
      return 'ok'
    },
    async sendOutsideTransaction(context) {
      const [topic] = await context.engine.listTopics({ includeInternal: false })
      await (await javaProducer(context)).sendOutside(topic!)
      return 'ok'
    },
    begin: async (context) => ((await javaProducer(context)).begin(), 'ok'),
    beginAgain: async (context) => ((await javaProducer(context)).begin(), 'ok'),
    async commit(context) {
      await (await javaProducer(context)).commit()
      return 'ok'
    },
    async send(context) {
      const [topic] = await context.engine.listTopics({ includeInternal: false })
      await (await javaProducer(context)).send(topic!, 0, { key: null, value: Buffer.from('v') }, context.clock.now())
      return 'ok'
    },
  },
  wire: {},
}

/** With `transaction.timeout.ms=…` for a name the transaction is begun with its first record. */
export async function produceWithJava(context: ScenarioEngine, args: JsonObject): Promise<Json> {
  const timeoutMs = Number(/^transaction\.timeout\.ms=(\d+)$/.exec(textOf(args['producer']))?.[1] ?? defaultTimeoutMs)
  const isFirst = context.javaProducer === null
  const producer = await javaProducer(context, timeoutMs)
  if (isFirst) producer.begin()
  const bytes = (value: Json | undefined) => (value === null || value === undefined ? null : Buffer.from(textOf(value)))
  return { offset: await producer.send(textOf(args['topic']), args['partition'] as number, { key: bytes(args['key']), value: bytes(args['value']) }, args['timestamp'] as number) }
}

async function javaProducer(context: ScenarioEngine, timeoutMs = defaultTimeoutMs): Promise<JavaProducer> {
  context.javaProducer ??= await JavaProducer.open(context, timeoutMs)
  return context.javaProducer
}
