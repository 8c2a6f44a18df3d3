import type { Clock } from '../../src/core/clock.ts'
import { StreamError } from '../../src/core/errors.ts'
import type { KafkaCluster } from '../../src/core/kafka/kafka-cluster.ts'
import type { KafkaLane } from '../../src/core/kafka/kafka-lane.ts'
import { seededRandom } from '../../src/core/random.ts'
import { partitionKey } from '../../src/core/record.ts'
import type { TopicPartition } from '../../src/core/record.ts'
import { RecordBatchView } from '../../src/core/log/record-batch.ts'

interface ProduceRequest {
  readonly topics: readonly { readonly name: string; readonly partitions: readonly { readonly index: number; readonly records: Uint8Array }[] }[]
}

interface StoredBatch {
  readonly producerId: number
  readonly producerEpoch: number
  readonly baseSequence: number
  readonly values: readonly string[]
}

/** What happens to a request of a producer: its answer may be lost before or after the broker has done what it says. */
export type Fate = 'answered' | 'lost' | 'done-and-lost'

/**
 * One broker that leads every partition and coordinates every transaction, as far as a producer can see: it keeps batches by
 * partition, and a batch whose sequence number it has seen it does not store again, as Kafka.
 */
export class ScriptedKafka {
  readonly #clock: Clock
  readonly #partitionCount: number
  readonly #logs = new Map<string, StoredBatch[]>()
  readonly #known = new Set<string>()
  #nextProducerId = 1
  #epoch = 0
  /** Names of the requests, in their order. */
  readonly asked: string[] = []
  /** Of each Produce, the partitions that it names. */
  readonly produced: (readonly string[])[] = []
  /** Decides about each request; the default answers all of them. */
  fate: (api: string, targets: readonly string[]) => Fate | Promise<Fate> = () => 'answered'

  constructor(clock: Clock, partitionCount: number) {
    this.#clock = clock
    this.#partitionCount = partitionCount
  }

  valuesOf(topic: string, partition: number): readonly string[] {
    return (this.#logs.get(partitionKey(topic, partition)) ?? []).flatMap(({ values }) => values)
  }

  /** The cluster as a producer uses it. */
  cluster(): KafkaCluster {
    const describe = (name: string) => ({ name, partitions: Array.from({ length: this.#partitionCount }, (_, partitionIndex) => ({ partitionIndex, leaderId: 1 })) })
    const lane = { send: (_node: number, api: { readonly name: string }, request: object) => this.#answer(api.name, request) } as unknown as KafkaLane
    const forget = (name: string) => void this.#known.delete(name)
    return {
      clock: this.#clock, random: seededRandom(1), requestTimeoutMs: 30_000, operationTimeoutMs: 60_000, deliveryTimeoutMs: 120_000,
      openLane: () => lane,
      closeLane: () => undefined,
      cachedTopic: (name: string) => (this.#known.has(name) ? describe(name) : undefined),
      topic: (name: string) => Promise.resolve(describe(name)).finally(() => this.#known.add(name)),
      cachedLeader: ({ topic }: TopicPartition) => (this.#known.has(topic) ? 1 : undefined),
      leader: ({ topic }: TopicPartition) => Promise.resolve(1).finally(() => this.#known.add(topic)),
      forgetTopic: forget,
      forgetLeadersOf: forget,
      sendToAny: (api: { readonly name: string }, request: object) => this.#answer(api.name, request),
      retrying: (attempt: () => Promise<unknown>) => attempt(),
      withCoordinator: (_type: string, _key: string, attempt: (node: number) => Promise<unknown>) => attempt(1),
    } as unknown as KafkaCluster
  }

  async #answer(api: string, request: object): Promise<object> {
    this.asked.push(api)
    const targets = api === 'Produce' ? (request as ProduceRequest).topics.flatMap(({ name, partitions }) => partitions.map(({ index }) => partitionKey(name, index))) : []
    if (api === 'Produce') this.produced.push(targets)
    const fate = await this.fate(api, targets)
    const answer = fate === 'lost' ? {} : this.#execute(api, request)
    if (fate === 'answered') return answer
    throw new StreamError('BACKEND_UNAVAILABLE', 'the connection was lost', { retriable: true })
  }

  #execute(api: string, request: object): object {
    switch (api) {
      case 'InitProducerId': return { errorCode: 0, ...this.#identity(request as { readonly transactionalId: string | null }) }
      case 'AddPartitionsToTxn': return { results: [] }
      case 'EndTxn': return { errorCode: 0 }
      case 'Produce': return this.#store(request as ProduceRequest)
    }
    throw new Error(`${api} is not scripted`)
  }

  #identity({ transactionalId }: { readonly transactionalId: string | null }): { readonly producerId: number; readonly producerEpoch: number } {
    return transactionalId === null ? { producerId: this.#nextProducerId++, producerEpoch: 0 } : { producerId: 1_000, producerEpoch: this.#epoch++ }
  }

  #store({ topics }: ProduceRequest): object {
    const append = (name: string, { index, records }: { readonly index: number; readonly records: Uint8Array }) => {
      const key = partitionKey(name, index)
      const log = this.#logs.get(key) ?? []
      this.#logs.set(key, log)
      const batch = new RecordBatchView(records.slice())
      const { producerId, producerEpoch, baseSequence } = batch
      const isKnown = log.some((stored) => stored.producerId === producerId && stored.producerEpoch === producerEpoch && stored.baseSequence === baseSequence)
      const values = [...batch].map(({ value }) => Buffer.from(value!).toString())
      if (!isKnown) log.push({ producerId, producerEpoch, baseSequence, values })
      return { index, errorCode: 0, baseOffset: 0, logAppendTimeMs: -1, recordErrors: [], errorMessage: null }
    }
    return { responses: topics.map(({ name, partitions }) => ({ name, partitions: partitions.map((partition) => append(name, partition)) })) }
  }
}
