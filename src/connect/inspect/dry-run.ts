/** Shows what a connector would hand on, and touches nothing: no record is appended, no offset committed, no group joined, no sink called. */
import type { Broker, Clock, RecordView } from '../../core/index.ts'
import { sleep, systemClock } from '../../core/index.ts'
import type { RawConfig } from '../config-spec.ts'
import type { ConnectRecord, SourceOffset, SourcePartition, SourceRecord } from '../connect-record.ts'
import type { ConnectorPlugin, SourcePlugin, SourcePoll, SourceTask } from '../connector.ts'
import { NotReady } from '../converters/not-ready.ts'
import { configError, describeError } from '../errors.ts'
import { javaText } from '../java-text.ts'
import { checkConnectorConfig } from '../runtime/check-config.ts'
import type { CheckContext } from '../runtime/check-config.ts'
import { consumerSettings } from '../runtime/client-settings.ts'
import { createCodec } from '../runtime/codec-config.ts'
import { sinkConfig, wholeNameRegex } from '../runtime/connector-config.ts'
import type { NamedConfig } from '../runtime/connector-config.ts'
import { StageError } from '../runtime/error-policy.ts'
import { OffsetReader } from '../runtime/offset-reader.ts'
import { decodeRecord, encodeRecord } from '../runtime/record-codec.ts'
import type { RecordCodec } from '../runtime/record-codec.ts'
import { completed, recordsOfSpans } from '../runtime/source-records.ts'
import { createTransformChain } from '../runtime/transform-chain.ts'
import type { TransformChain } from '../runtime/transform-chain.ts'
import { workerConfig } from '../runtime/worker-config.ts'
import { openCheck } from './inspect-connector.ts'
import type { InspectOptions } from './inspect-connector.ts'

export interface DryRunOptions extends InspectOptions {
  /** Where committed offsets, and a sink's records, are read. null: a source begins at its beginning; a sink cannot be looked at. */
  readonly broker: Broker | null
  readonly maxRecords: number
  /** How long to wait for the next record before it ends. */
  readonly maxWaitMs: number
  readonly signal: AbortSignal
  readonly clock?: Clock
}

/** One record as it would arrive, or why it would not. */
export interface DryRecord {
  /** Where it comes from: source partition and offset, or topic, partition and offset. */
  readonly from: string
  readonly outcome:
    | { readonly kind: 'record'; readonly topic: string; readonly partition: number | null; readonly timestamp: number | null; readonly key: string | null; readonly value: string | null; readonly headers: readonly (readonly [string, string | null])[] }
    | { readonly kind: 'dropped' }
    | { readonly kind: 'refused'; readonly stage: string; readonly reason: string }
}

interface Way {
  readonly raw: RawConfig
  readonly codec: RecordCodec
  readonly transforms: TransformChain | null
}

/**
 * The first records of a connector, one at a time: a source's as they would stand in the topic, a sink's as `put` would get them.
 * @throws INVALID_CONFIG for a config that a worker would refuse, and for a source that cannot be polled without effect
 */
export async function* dryRun(named: NamedConfig, options: DryRunOptions): AsyncGenerator<DryRecord> {
  const context = await openCheck(options)
  const { installed: { plugin } } = await checkConnectorConfig(named, context)
  const raw = context.resolve({ ...named.config, name: named.name })
  const way: Way = { raw, codec: createCodec(context.registry, raw, context.worker), transforms: createTransformChain(context.registry, raw) }
  try {
    yield* plugin.type === 'source' ? fromSource(plugin, named.name, way, context, options) : fromTopics(plugin, named.name, way, context, options)
  } finally {
    way.transforms?.close()
  }
}

// ------------------------------------------------------------------------------------------------ sources

async function* fromSource(plugin: SourcePlugin, name: string, way: Way, context: CheckContext, options: DryRunOptions): AsyncGenerator<DryRecord> {
  if (plugin.onlyReadsUntilCommit !== true) {
    throw configError(`${plugin.class} cannot be run dry: it changes the system it reads from (or does not say that it does not), so nothing was started`)
  }
  const tasks = await startTasks(plugin, name, way.raw, context, options)
  try {
    let left = options.maxRecords
    for await (const record of polled(tasks, options)) {
      yield await outcomeOfSource(record, way)
      if (--left === 0) return
    }
  } finally {
    for (const task of tasks) await task.stop()
  }
}

async function startTasks(plugin: SourcePlugin, connectorName: string, raw: RawConfig, { worker, log }: CheckContext, { broker, signal, clock = systemClock }: DryRunOptions): Promise<readonly SourceTask[]> {
  const shared = { connectorName, clock, log, signal }
  const connector = plugin.createConnector()
  await connector.start(plugin.config.parse(raw), { ...shared, requestTaskReconfiguration: () => {}, raiseError: (error) => { throw error } })
  const configs = await connector.taskConfigs(Number(raw['tasks.max'] ?? '1'))
  await connector.stop()
  const committed = await committedOffsets(connectorName, raw, workerConfig.parse(worker)['offset.storage.topic'], { broker, signal })
  const started: SourceTask[] = []
  for (const [taskId, config] of configs.entries()) {
    const task = plugin.createTask()
    await task.start((plugin.taskConfig ?? plugin.config).parse({ ...raw, ...config }), { ...shared, taskId, gauge: () => {}, ...committed })
    started.push(task)
  }
  return started
}

interface Committed {
  offsets(partitions: readonly SourcePartition[]): Promise<readonly (SourceOffset | undefined)[]>
  allOffsets(): Promise<readonly (readonly [SourcePartition, SourceOffset])[]>
}

async function committedOffsets(connector: string, raw: RawConfig, workerTopic: string, { broker, signal }: Pick<DryRunOptions, 'broker' | 'signal'>): Promise<Committed> {
  const topic = raw['offsets.storage.topic'] ?? workerTopic
  if (broker === null || !(await broker.topics.list()).includes(topic)) {
    return { offsets: (partitions) => Promise.resolve(partitions.map(() => undefined)), allOffsets: () => Promise.resolve([]) }
  }
  const reader = new OffsetReader({ broker, topic, connector, signal })
  const known = await reader.all()
  await reader.close()
  const byIdentity = new Map(known.map(([partition, offset]) => [JSON.stringify(partition), offset]))
  return { offsets: (partitions) => Promise.resolve(partitions.map((each) => byIdentity.get(JSON.stringify(each)))), allOffsets: () => Promise.resolve(known) }
}

/** Polls the tasks in turn, until none has given anything for a while. */
async function* polled(tasks: readonly SourceTask[], { maxWaitMs, signal, clock = systemClock }: DryRunOptions): AsyncGenerator<SourceRecord> {
  let lastMs = clock.monotonic()
  while (!signal.aborted && clock.monotonic() - lastMs < maxWaitMs) {
    for (const task of tasks) {
      const waiting = new AbortController()
      const timer = clock.setTimer(Math.max(1, maxWaitMs / 4), () => waiting.abort())
      const given = await task.poll(AbortSignal.any([signal, waiting.signal])).finally(() => timer.cancel())
      for (const record of recordsOf(given)) {
        lastMs = clock.monotonic()
        yield record
      }
    }
    await sleep(clock, 10, signal)
  }
}

function* recordsOf(given: SourcePoll | null): Generator<SourceRecord> {
  if (given === null) return
  for (const item of 'spans' in given ? [given] : given) {
    if ('spans' in item) yield* recordsOfSpans(item)
    else if ('topic' in item) yield item
  }
}

function outcomeOfSource(record: SourceRecord, { codec, transforms }: Way): Promise<DryRecord> {
  const from = `${JSON.stringify(record.sourcePartition)} at ${JSON.stringify(record.sourceOffset)}`
  return outcomeOf(from, () => {
    const transformed = transforms === null ? completed(record) : transforms.apply(completed(record))
    if (transformed === null) return { kind: 'dropped' }
    const { key, value, headers = [] } = encodeRecord(codec, transformed)
    const { topic, partition, timestamp } = transformed
    return { kind: 'record', topic, partition, timestamp, key: bytesText(key), value: bytesText(value), headers: headers.map((each) => [each.key, bytesText(each.value)]) }
  })
}

async function outcomeOf(from: string, step: () => DryRecord['outcome']): Promise<DryRecord> {
  try {
    return { from, outcome: step() }
  } catch (error) {
    if (error instanceof StageError && error.cause instanceof NotReady) return error.cause.ready.then(() => outcomeOf(from, step), (cause: unknown) => refused(from, new StageError(error.stage, cause)))
    return refused(from, error)
  }
}

function refused(from: string, error: unknown): DryRecord {
  return { from, outcome: { kind: 'refused', stage: error instanceof StageError ? error.stage : 'TRANSFORMATION', reason: describeError(error) } }
}

const utf8 = new TextDecoder('utf-8', { fatal: true })

/** Text as it is; what is no text, in hexadecimal digits. */
function bytesText(bytes: Uint8Array | null): string | null {
  if (bytes === null) return null
  try {
    return utf8.decode(bytes)
  } catch {
    return `0x${Buffer.from(bytes).toString('hex')}`
  }
}

// ------------------------------------------------------------------------------------------------ sinks

async function* fromTopics(plugin: ConnectorPlugin, name: string, way: Way, { worker }: CheckContext, { broker, maxRecords, maxWaitMs, signal }: DryRunOptions): AsyncGenerator<DryRecord> {
  if (broker === null) throw configError(`${plugin.class} is a sink: say where its topics are, by --data or --kafka`)
  const config = sinkConfig.parse(way.raw)
  const regex = config['topics.regex'] === '' ? null : wholeNameRegex(config['topics.regex'])
  const topics = (await broker.topics.list()).filter((topic) => (regex === null ? config.topics.includes(topic) : regex.test(topic)))
  const described = await broker.topics.describe(topics)
  const { groupId, isolation } = consumerSettings(name, { connector: way.raw, worker })
  const { offsets: committed } = await broker.groups.describe(groupId)
  const reader = await broker.openReader()
  try {
    reader.assign(described.flatMap(({ topic, partitions }) => partitions.map(({ partition, logStartOffset }) => ({
      topic, partition, offset: committed.find((each) => each.topic === topic && each.partition === partition)?.offset ?? logStartOffset,
    }))))
    let left = maxRecords
    while (!signal.aborted) {
      const { partitions } = await reader.read({ maxWaitMs, isolation, signal })
      if (partitions.length === 0) return
      for (const { topic, partition, batches } of partitions) {
        for (const batch of batches) {
          for (const view of batch) {
            yield await outcomeOfSink({ topic, partition }, view, way)
            if (--left === 0) return
          }
        }
      }
    }
  } finally {
    await reader.close()
  }
}

function outcomeOfSink(origin: { readonly topic: string; readonly partition: number }, view: RecordView, { codec, transforms }: Way): Promise<DryRecord> {
  return outcomeOf(`${origin.topic}-${origin.partition}@${view.offset}`, () => {
    const record: ConnectRecord = decodeRecord(codec, origin, view)
    const transformed = transforms === null ? record : transforms.apply(record)
    if (transformed === null) return { kind: 'dropped' }
    const { topic, partition, timestamp, key, keySchema, value, valueSchema, headers } = transformed
    const shown = (schema: ConnectRecord['keySchema'], data: unknown) => (data === null || data === undefined ? null : javaText(schema, data))
    return {
      kind: 'record', topic, partition, timestamp, key: shown(keySchema, key), value: shown(valueSchema, value), headers: headers.map((each) => [each.key, shown(each.schema, each.value)]),
    }
  })
}
