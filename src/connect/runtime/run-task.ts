/** Puts one task together from its spec and runs it: the same in a thread of its own and inside the worker. */
import type { Broker, Clock, Random } from '../../core/index.ts'
import type { ConnectorPlugin, Log, SinkPlugin, SourcePlugin, TaskContext } from '../connector.ts'
import { consumerSettings, producerSettings, sourceTransactionalId } from './client-settings.ts'
import { createCodec } from './codec-config.ts'
import { sinkConfig, sourceConfig, wholeNameRegex } from './connector-config.ts'
import type { SinkConfig, SourceConfig } from './connector-config.ts'
import { DeadLetters } from './dead-letter.ts'
import type { Stage } from './error-policy.ts'
import { ErrorPolicy } from './error-policy.ts'
import { logOf } from './log.ts'
import { OffsetReader } from './offset-reader.ts'
import type { PluginRegistry } from './plugin-registry.ts'
import type { RecordCodec } from './record-codec.ts'
import { quietly } from './quietly.ts'
import { recordTransactions } from './record-transactions.ts'
import { SinkWorker } from './sink-worker.ts'
import { openSourceCommitter } from './source-committer.ts'
import { SourceWorker } from './source-worker.ts'
import { SubmittedOffsets } from './submitted-offsets.ts'
import type { TaskControl } from './task-control.ts'
import type { TaskGauges } from './task-gauges.ts'
import { noProgress, taskName } from './task-spec.ts'
import type { TaskProgress, TaskSpec } from './task-spec.ts'
import { describeOrCreate, TopicCreation } from './topic-creation.ts'
import { createTransformChain } from './transform-chain.ts'
import { workerConfig } from './worker-config.ts'
import type { WorkerConfig } from './worker-config.ts'

export interface TaskEnvironment {
  readonly broker: Broker
  readonly plugin: ConnectorPlugin
  /** Where its transforms and converters are found. */
  readonly registry: PluginRegistry
  readonly control: TaskControl
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
  readonly report: (progress: TaskProgress) => void
  readonly gauges: TaskGauges
  /** For an exactly-once source: asked when its producer is open, before anything is written. @throws when the task must not run */
  readonly confirm: () => Promise<void>
}

/** Resolves when the task has stopped cleanly. @throws what made it fail */
export async function runTask(spec: TaskSpec, environment: TaskEnvironment): Promise<void> {
  const { plugin, registry } = environment
  await registry.loadGiven()
  return plugin.type === 'source' ? runSource(spec, plugin, environment) : runSink(spec, plugin, environment)
}

/** What source and sink have in common. */
function common(spec: TaskSpec, config: SourceConfig | SinkConfig, { registry, control, clock, random, log, report, gauges }: TaskEnvironment) {
  const errors = new ErrorPolicy({
    tolerance: config['errors.tolerance'], logEnabled: config['errors.log.enable'], logsRecords: config['errors.log.include.messages'], log, clock, random,
    retryTimeoutMs: config['errors.retry.timeout'], retryMaxDelayMs: Math.max(1, config['errors.retry.delay.max.ms']), signal: control.stopSignal,
  })
  const context: TaskContext = {
    connectorName: spec.connector, taskId: spec.taskId, clock, log: logOf(taskName(spec), log), signal: control.stopSignal, gauge: (settings, read) => gauges.set(settings, read),
  }
  let known = noProgress
  const progress = ({ records = 0, isStarted = known.isStarted, waitingFor = known.waitingFor, topicRecords = known.topicRecords }: Partial<TaskProgress>) => {
    known = { isStarted, records: known.records + records, skipped: errors.skipped, waitingFor, topicRecords }
    report(known)
  }
  const worker = workerConfig.parse(spec.workerConfig)
  const codec = createCodec(registry, spec.connectorConfig, spec.workerConfig)
  const transforms = createTransformChain(registry, spec.connectorConfig, log)
  return { name: taskName(spec), errors, context, progress, worker, codec, control, clock, random, log, transforms, retryMaxDelayMs: Math.max(1, config['errors.retry.delay.max.ms']), graceMs: worker['task.shutdown.graceful.timeout.ms'] }
}

async function runSource(spec: TaskSpec, plugin: SourcePlugin, environment: TaskEnvironment): Promise<void> {
  const { broker, confirm } = environment
  const config = sourceConfig.parse(spec.connectorConfig)
  const shared = common(spec, config, environment)
  const offsetsTopic = config['offsets.storage.topic'] ?? shared.worker['offset.storage.topic']
  await createOffsetsTopic(broker, offsetsTopic, shared.worker)
  const submitted = new SubmittedOffsets()
  const committer = await openSourceCommitter({
    broker, clock: shared.clock, connector: spec.connector, offsetsTopic, submitted, intervalMs: commitIntervalMs(config, shared.worker),
    writer: {
      creation: shared.worker['topic.creation.enable'] ? new TopicCreation(spec.connectorConfig, config['topic.creation.groups']) : null,
      maxInFlightBytes: shared.worker['source.max.in.flight.bytes'],
    },
  }, {
    transactionalId: isExactlyOnce(shared.worker) ? sourceTransactionalId(shared.worker['group.id'], spec.connector, spec.taskId) : null,
    producer: { clientId: `connector-producer-${spec.connector}-${spec.taskId}`, ...producerSettings({ connector: spec.connectorConfig, worker: spec.workerConfig }) },
  })
  const closing = (what: string, step: () => unknown) => quietly(`${shared.name}: ${what} did not close`, step, shared.log)
  // what it gives when it comes back must not be appended, nor its offsets stand over those of its successor
  shared.control.abandonSignal.addEventListener('abort', () => void closing('its producer', () => committer.close()), { once: true })
  const deadLetters = await openDeadLetters(spec, config, shared, broker).catch(async (error: unknown) => {
    await closing('its producer', () => committer.close())
    throw error
  })
  const offsets = new OffsetReader({ broker, topic: offsetsTopic, connector: spec.connector, signal: shared.control.stopSignal })
  try {
    if (isExactlyOnce(shared.worker)) await confirm()
    await new SourceWorker({
      ...shared, task: plugin.createTask(), taskConfig: (plugin.taskConfig ?? plugin.config).parse({ ...spec.connectorConfig, ...spec.taskConfig }), committer, submitted, offsets, deadLetters,
      transaction: isExactlyOnce(shared.worker) && config['transaction.boundary'] === 'connector' ? recordTransactions() : null,
    }).run()
  } finally {
    await closing('a transform', () => shared.transforms?.close())
    await closing('its reader of offsets', () => offsets.close())
    await closing('its producer', () => committer.close())
    await closing('its dead letters', () => deadLetters?.close())
  }
}

/** At least once commits by time; exactly once where the config says. */
function commitIntervalMs(config: SourceConfig, worker: WorkerConfig): number {
  const flushMs = worker['offset.flush.interval.ms']
  if (!isExactlyOnce(worker)) return flushMs
  if (config['transaction.boundary'] === 'connector') return Infinity
  return config['transaction.boundary'] === 'poll' ? 0 : (config['transaction.boundary.interval.ms'] ?? flushMs)
}

export function isExactlyOnce(worker: WorkerConfig): boolean {
  return worker['exactly.once.source.support'] === 'enabled'
}

/** Makes the topic of source offsets if it is missing. */
export async function createOffsetsTopic(broker: Broker, topic: string, worker: WorkerConfig): Promise<void> {
  const replicationFactor = worker['offset.storage.replication.factor']
  await describeOrCreate(broker, topic, {
    topic, partitions: worker['offset.storage.partitions'], configs: { 'cleanup.policy': 'compact' }, ...(replicationFactor !== null && { replicationFactor }),
  })
}

async function runSink(spec: TaskSpec, plugin: SinkPlugin, environment: TaskEnvironment): Promise<void> {
  const { broker } = environment
  const config = sinkConfig.parse(spec.connectorConfig)
  const shared = common(spec, config, environment)
  const deadLetters = await openDeadLetters(spec, config, shared, broker)
  const consumer = consumerSettings(spec.connector, { connector: spec.connectorConfig, worker: spec.workerConfig })
  try {
    await new SinkWorker({
      ...shared, task: plugin.createTask(), taskConfig: (plugin.taskConfig ?? plugin.config).parse({ ...spec.connectorConfig, ...spec.taskConfig }), deadLetters,
      subscription: config.topics.join(', ') || config['topics.regex'],
      findTopics: () => findTopics(broker, config),
      join: (topics, onRebalance) => broker.joinGroup({
        groupId: consumer.groupId, topics, offsetReset: consumer.offsetReset, clientId: consumer.clientId ?? `connector-consumer-${spec.connector}-${spec.taskId}`, onRebalance,
        signal: shared.control.stopSignal,
        ...(consumer.sessionTimeoutMs !== undefined && { sessionTimeoutMs: consumer.sessionTimeoutMs }),
        ...(consumer.groupInstanceId !== undefined && { groupInstanceId: `${consumer.groupInstanceId}-${spec.taskId}` }),
      }),
      startOffsets: (partitions) => broker.topics.listOffsets(partitions.map(({ topic, partition }) => ({ topic, partition, at: 'earliest' }))),
      bisects: config['errors.sink.bisect'],
      commitIntervalMs: shared.worker['offset.flush.interval.ms'],
      isolation: consumer.isolation,
      maxBatchRecords: consumer.maxBatchRecords,
      maxReadBytes: consumer.maxReadBytes,
      topicCheckIntervalMs: consumer.topicCheckIntervalMs,
    }).run()
  } finally {
    await quietly(`${shared.name}: a transform did not close`, () => shared.transforms?.close(), shared.log)
    await deadLetters?.close()
  }
}

async function findTopics(broker: Broker, config: SinkConfig): Promise<readonly string[]> {
  const regex = config['topics.regex'] === '' ? null : wholeNameRegex(config['topics.regex'])
  const existing = await broker.topics.list()
  return existing.filter((topic) => (regex === null ? config.topics.includes(topic) : regex.test(topic)))
}

async function openDeadLetters(spec: TaskSpec, config: SourceConfig | SinkConfig, { codec, log }: { readonly codec: RecordCodec; readonly log: Log }, broker: Broker): Promise<DeadLetters | null> {
  const topic = config['errors.deadletterqueue.topic.name']
  if (topic === '') return null
  return DeadLetters.open({
    broker, topic, log, connector: spec.connector, taskId: spec.taskId, withContext: config['errors.deadletterqueue.context.headers.enable'],
    classOf: (stage) => classOf(stage, spec, codec),
  }, config['errors.deadletterqueue.topic.replication.factor'])
}

function classOf(stage: Stage, spec: TaskSpec, codec: RecordCodec): string {
  if (stage === 'KEY_CONVERTER') return codec.names.key
  if (stage === 'VALUE_CONVERTER') return codec.names.value
  return stage === 'HEADER_CONVERTER' ? codec.names.header : spec.plugin.class
}
