import { seededRandom } from '../../../src/core/index.ts'
import type { Broker, Producer } from '../../../src/core/index.ts'
import { BrokerClient } from '../../../src/core/engine/broker-client.ts'
import { LocalEngine } from '../../../src/core/engine/local-engine.ts'
import { RecordBatchView } from '../../../src/core/log/record-batch.ts'
import { ManualClock } from '../../kit/manual-clock.ts'
import { MemoryFileSystem } from '../../kit/memory-file-system.ts'
import type { JavaProducer } from './java-producer.ts'
import type { Json, JsonObject, Step } from './scenario.ts'

export interface ScenarioEngine {
  readonly engine: LocalEngine
  readonly clock: ManualClock
  /** Lets time pass, and does what the broker of the recording did every second. */
  sleep(ms: number): Promise<void>
  /** The one given out last: what a batch without a producer of its own means. */
  lastProducerId: number
  /** Our own client side over the same engine, for what the recording did with Java's. */
  readonly broker: Broker
  /** By the name that the recording gives them. */
  readonly producers: Map<string, Producer>
  /** Kafka's, with transactions of version 2, once a step has used it. */
  javaProducer: JavaProducer | null
  /** For values that tell records apart, as the recording numbered them. */
  recordsBuilt: number
  close(): Promise<void>
}

/** About when the scenarios were recorded: their timestamps must not lie in the future. */
const recordedAtMs = 1_795_231_332_000
const minuteMs = 60_000

export async function openScenarioEngine(steps: readonly Step[]): Promise<ScenarioEngine> {
  const fileSystem = new MemoryFileSystem()
  const clock = new ManualClock(recordedAtMs)
  fileSystem.setBytes('/data/catalog.json', Buffer.from(JSON.stringify({ format: 1, nextProducerId: firstProducerId(steps), topics: [] })))
  const engine = await LocalEngine.open({ directory: '/data', fileSystem, clock, random: seededRandom(1), internalTopicPartitions: 5, offsetsRetentionMs: minuteMs })
  const sleep = async (ms: number) => {
    await clock.advance(ms)
    await engine.groups.expireOffsets(minuteMs)
  }
  const broker = new BrokerClient(engine, { clock, random: seededRandom(2), closeEngine: () => engine.close() })
  return { engine, clock, sleep, broker, producers: new Map(), javaProducer: null, lastProducerId: -1, recordsBuilt: 0, close: () => broker.close() }
}

/**
 * Batches carry the producer ids of the recording in their bytes, so the engine has to give out the same ones: the id of
 * the first producer that asked for one, found by way of the first batch that was sent with a known variable.
 */
function firstProducerId(steps: readonly Step[]): number {
  const answers = steps.filter((step) => step.wire === 'InitProducerId').map((step) => (step.response as JsonObject)['producerId']!)
  const variables = [...new Set(answers)].filter((producerId) => producerId !== -1)
  const literal = variables.find((producerId) => typeof producerId === 'number')
  if (literal !== undefined) return (literal as number) - variables.indexOf(literal)
  const fetched = variables.length > 0 ? [] : steps.flatMap((step) => (((step.result ?? null) as JsonObject | null)?.['batches'] ?? []) as readonly JsonObject[])
  const firstFetched = fetched.find(({ producerId }) => typeof producerId === 'number' && producerId >= 0)
  if (firstFetched !== undefined) return firstFetched['producerId'] as number
  for (const step of steps) {
    for (const { producerId, recorded } of producersIn(step)) {
      const position = variables.indexOf(producerId as string)
      if (position >= 0) return recorded - position
    }
  }
  return 0
}

function producersIn(step: Step): readonly { readonly producerId: Json; readonly recorded: number }[] {
  const batches = (step as { readonly batches?: readonly JsonObject[] }).batches ?? []
  const partitions = ((step.request?.['topicData'] ?? []) as readonly JsonObject[]).flatMap((topic) => topic['partitionData'] as readonly JsonObject[])
  return batches.flatMap((batch, index) => {
    const records = partitions[index]?.['records']
    return typeof records === 'string' ? [{ producerId: batch['producerId']!, recorded: new RecordBatchView(Buffer.from(records, 'base64')).producerId }] : []
  })
}
