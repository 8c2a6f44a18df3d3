import { resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { StreamError, durationMs, nearestName, randomUuid, systemClock, systemRandom } from '../core/index.ts'
import type { Broker, Clock, Duration, Random } from '../core/index.ts'
import type { RestoreProgress } from './runtime/restore.ts'
import type { ErrorPolicy } from './runtime/task-config.ts'
import type { RecordingLevel } from './runtime/task-metrics.ts'
import type { Guarantee } from './runtime/task-output.ts'
import { defaultAdditionalRetentionMs } from './topology/internal-topics.ts'
import { checkedName } from './topology/names.ts'

/**
 * `shutdown` ends this instance. `replace` goes back to the last commit and tries again, with growing pauses, in a new thread if
 * the thread died. `shutdown-application` ends every instance of the application, in whatever process. Semantics: KIP-671.
 */
export type FailureDecision = 'shutdown' | 'replace' | 'shutdown-application'

/** Settings of an application. Only `applicationId` and `broker` must be given. */
export interface StreamsConfig {
  /** Names the consumer group, and begins the names of internal topics: keep it, and the application goes on where it was. */
  readonly applicationId: string
  /** The log to run on; not closed by the application. */
  readonly broker: Broker
  /**
   * `exactly-once` (default): outputs, changelogs and input offsets become visible together, or not at all.
   * `at-least-once`: fewer, larger commits; after a crash records are processed again and counted twice.
   */
  readonly guarantee?: Guarantee
  /** Longest time until results are visible. Default 100 ms with exactly-once, 30 s with at-least-once. */
  readonly commitInterval?: Duration
  /** Where to start in topics of which nothing was committed. Default `earliest`. */
  readonly offsetReset?: 'earliest' | 'latest'
  /** Bytes that are no key or value of their topic. Default `fail`. */
  readonly onDeserializationError?: ErrorPolicy
  /** A function of the program threw. Default `fail`. */
  readonly onProcessingError?: ErrorPolicy
  /** A result that cannot be written: it has no bytes, more than its topic takes (RECORD_TOO_LARGE), or no topic (UNKNOWN_TOPIC_OR_PARTITION). Default `fail`. */
  readonly onSerializationError?: ErrorPolicy
  /** Default `<applicationId>-dead-letter`; created when a policy is `dead-letter`. */
  readonly deadLetterTopic?: string
  /** Decides after a failure that no policy handled. Default: `shutdown`. */
  readonly onFailure?: (failure: StreamError) => FailureDecision
  /**
   * Threads that run StreamTasks, each a member of the group of its own. Default 1, which is the thread that this was called
   * in; more are worker threads, and need `topologyModule`.
   */
  readonly threads?: number
  /** The module (a path or an address) whose default export is the application's topology: functions cannot be handed to another thread, so each loads it. */
  readonly topologyModule?: string | URL
  /** What a worker thread begins with: a module that calls `serveStreamThread`. Default: one that loads topologies with `import`. */
  readonly threadWorker?: URL
  /** What the JavaScript heap of a worker thread may grow to; a thread that needs more dies (THREAD_DIED), and the rest goes on. Default: Node's own limit. */
  readonly maxThreadMemoryMiB?: number
  /**
   * How long a task with several inputs waits for one of which the broker has no more, so that records come in the order of
   * their timestamps even if a producer is late. What the broker has is always waited for, unless this is `never`: then a record is
   * processed as soon as it is there. Default 0. Kafka Streams: `max.task.idle.ms`, whose -1 is `never`.
   */
  readonly maxTaskIdle?: Duration | 'never'
  /**
   * How much is measured. `debug` also counts the records of every node, and the latencies of every operation of a store; `trace`
   * also how old records are at every node that has a store. Both cost time with each record. Default `info`.
   */
  readonly metricsRecordingLevel?: RecordingLevel
  /**
   * Spans for OpenTelemetry: one for each commit, with links to the spans that records' headers name. It needs the package
   * `@opentelemetry/api` and a tracer that the program has registered; without them nothing is done, and nothing costs. Default true.
   */
  readonly tracing?: boolean
  /** Records waiting in memory per input partition before reading it pauses. Default 1,000 (a batch that is read is kept whole). */
  readonly maxBufferedRecords?: number
  /** Bytes for the write-back caches of the stores; 0 forwards every update at once. Default 10 MiB. */
  readonly cacheMaxBytes?: number
  /**
   * How long changelogs of window and session stores keep records beyond the store's own retention. Default 1 day. A log's
   * retention compares records' timestamps with the wall clock: raise this (and `retention.ms` of your topics) beyond the
   * age of the data before processing old data again, or a restart finds its windows gone.
   */
  readonly windowChangelogRetention?: Duration
  /** How often what was read of repartition topics is deleted. Default 30 s. */
  readonly repartitionPurgeInterval?: Duration
  /** An open transaction of a process that died is aborted after this. Default 10 s. */
  readonly transactionTimeout?: Duration
  /**
   * Names this instance among those of the application. Give one that outlives restarts, and no two at a time: then the
   * instance is a static member of the group, whose work waits for it as long as `sessionTimeout`, also after a clean stop,
   * and is taken up again at once. Default: a random one, whose work the others take over when it stops.
   */
  readonly instanceId?: string
  /** On a cluster: others take over the work of an instance that was not heard of for so long. The broker sets limits (6 s to 30 min). Default 15 s. */
  readonly sessionTimeout?: Duration
  /**
   * Where this instance answers queries, such as `10.0.0.5:8080`, for the others to say who has a key (`keyMetadata`). The
   * group's members see it as a part of the client id. Default: nowhere.
   */
  readonly endpoint?: string
  /**
   * A directory for stores, which may then be larger than memory, and are not filled anew after a restart: only what their
   * changelogs have since. One for each instance: another that starts on it is told which process has it (DIRECTORY_LOCKED).
   * Needs the package `lmdb`. Kept there are the rows of every store of type `persistent` (the default) with a changelog: tables,
   * windows, sessions, versioned tables, tables with `maxEntries` or `ttl`, what joins and `suppress` hold back; and those of
   * global tables, of which each thread has a copy. Default: none, all rows are in memory.
   */
  readonly stateDirectory?: string
  /**
   * When the files in `stateDirectory` are forced to disk. `on-close` (default): when the application is closed. Then it costs nothing, and
   * a killed process loses nothing; but after a power cut the stores are not relied on, and filled anew from their changelogs.
   * `on-commit`: at each commit, which waits for the disk once for each task; then they survive a power cut, too.
   */
  readonly stateSync?: 'on-close' | 'on-commit'
  /**
   * Copies of each task's stores beside the one in use, each in another instance as far as there are others, kept up to date
   * from the changelogs: whoever takes over goes on without restoring. Default 0.
   */
  readonly standbyReplicas?: number
  /**
   * A task moves at once to an instance whose stores lack no more records than this; to any other only after a copy there
   * has caught up, and until then it stays where it is. Default 10,000.
   */
  readonly acceptableRecoveryLag?: number
  /** Such copies at a time, beyond the standby replicas. Default 2. */
  readonly maxWarmupReplicas?: number
  /** Called while stores are filled from their changelogs. */
  readonly onRestore?: (progress: RestoreProgress) => void
  readonly clock?: Clock
  readonly random?: Random
}

export interface ResolvedConfig extends Required<Omit<StreamsConfig, 'commitInterval' | 'transactionTimeout' | 'sessionTimeout' | 'deadLetterTopic' | 'windowChangelogRetention' | 'repartitionPurgeInterval' | 'stateDirectory' | 'endpoint' | 'topologyModule' | 'threadWorker' | 'maxThreadMemoryMiB' | 'maxTaskIdle' | 'onFailure'>> {
  /** -1: never. */
  readonly maxTaskIdleMs: number
  readonly onFailure: (failure: StreamError) => FailureDecision | Promise<FailureDecision>
  /** null: there is one thread, this one. */
  readonly topologyModule: string | null
  /** null: the one that comes with the package. */
  readonly threadWorker: URL | null
  /** null: as much as Node gives. */
  readonly maxThreadMemoryMiB: number | null
  readonly endpoint: string | null
  readonly additionalRetentionMs: number
  readonly repartitionPurgeIntervalMs: number
  readonly commitIntervalMs: number
  readonly transactionTimeoutMs: number
  readonly sessionTimeoutMs: number
  /** The instance has a name of its own choice. */
  readonly isStaticMember: boolean
  /** null: no policy writes dead letters. */
  readonly deadLetterTopic: string | null
  /** null: stores are kept in memory. */
  readonly stateDirectory: string | null
}

const knownKeys: ReadonlySet<string> = new Set<keyof StreamsConfig>([
  'applicationId', 'broker', 'guarantee', 'commitInterval', 'offsetReset', 'onDeserializationError', 'onProcessingError', 'onSerializationError',
  'deadLetterTopic', 'onFailure', 'maxBufferedRecords', 'cacheMaxBytes', 'transactionTimeout', 'windowChangelogRetention', 'repartitionPurgeInterval', 'instanceId', 'sessionTimeout', 'endpoint', 'stateDirectory', 'stateSync', 'onRestore', 'clock', 'random',
  'standbyReplicas', 'acceptableRecoveryLag', 'maxWarmupReplicas',
  'threads', 'topologyModule', 'threadWorker', 'maxThreadMemoryMiB', 'maxTaskIdle', 'metricsRecordingLevel', 'tracing',
])
const policies: readonly ErrorPolicy[] = ['fail', 'skip', 'dead-letter']

/** @throws INVALID_CONFIG naming the key */
export function resolveConfig(config: StreamsConfig): ResolvedConfig {
  for (const key of Object.keys(config ?? {})) {
    if (!knownKeys.has(key)) throw invalid(key, `is not a setting of an application${hint(key)}`)
  }
  for (const key of ['applicationId', 'broker'] as const) if ((config as Partial<StreamsConfig> | undefined)?.[key] == null) throw invalid(key, 'is missing; an application needs applicationId and broker')
  checkedName(config.applicationId)
  if (config.deadLetterTopic !== undefined) checkedName(config.deadLetterTopic)
  for (const key of ['onFailure', 'onRestore'] as const) {
    if (config[key] !== undefined && typeof config[key] !== 'function') throw invalid(key, `is ${JSON.stringify(config[key])}, but must be a function${key === 'onFailure' ? ', as in () => \'replace\'' : ''}`)
  }
  if (config.stateDirectory !== undefined && (typeof config.stateDirectory !== 'string' || config.stateDirectory === '')) throw invalid('stateDirectory', `is ${JSON.stringify(config.stateDirectory)}, but must be the path of a directory`)
  const guarantee = oneOf('guarantee', config.guarantee, ['exactly-once', 'at-least-once'])
  const onDeserializationError = oneOf('onDeserializationError', config.onDeserializationError, policies)
  const onProcessingError = oneOf('onProcessingError', config.onProcessingError, policies)
  const onSerializationError = oneOf('onSerializationError', config.onSerializationError, policies)
  const writesDeadLetters = [onDeserializationError, onProcessingError, onSerializationError].includes('dead-letter')
  const random = config.random ?? systemRandom
  return {
    applicationId: config.applicationId,
    broker: config.broker,
    guarantee,
    commitIntervalMs: durationMs(config.commitInterval ?? (guarantee === 'exactly-once' ? 100 : 30_000), 'commitInterval'),
    offsetReset: oneOf('offsetReset', config.offsetReset, ['earliest', 'latest']),
    onDeserializationError,
    onProcessingError,
    onSerializationError,
    deadLetterTopic: writesDeadLetters ? config.deadLetterTopic ?? `${config.applicationId}-dead-letter` : null,
    onFailure: config.onFailure ?? (() => 'shutdown'),
    metricsRecordingLevel: oneOf('metricsRecordingLevel', config.metricsRecordingLevel, ['info', 'debug', 'trace']),
    tracing: config.tracing ?? true,
    threads: threadCount(config),
    topologyModule: config.topologyModule === undefined ? null : moduleUrl(config.topologyModule),
    threadWorker: config.threadWorker ?? null,
    maxThreadMemoryMiB: config.maxThreadMemoryMiB === undefined ? null : wholeNumber('maxThreadMemoryMiB', config.maxThreadMemoryMiB, 16),
    maxTaskIdleMs: config.maxTaskIdle === 'never' ? -1 : durationMs(config.maxTaskIdle ?? 0, 'maxTaskIdle'),
    maxBufferedRecords: wholeNumber('maxBufferedRecords', config.maxBufferedRecords ?? 1_000, 1),
    cacheMaxBytes: wholeNumber('cacheMaxBytes', config.cacheMaxBytes ?? 10 * 1024 * 1024, 0),
    transactionTimeoutMs: durationMs(config.transactionTimeout ?? '10s', 'transactionTimeout'),
    repartitionPurgeIntervalMs: durationMs(config.repartitionPurgeInterval ?? '30s', 'repartitionPurgeInterval'),
    additionalRetentionMs: durationMs(config.windowChangelogRetention ?? defaultAdditionalRetentionMs, 'windowChangelogRetention'),
    sessionTimeoutMs: durationMs(config.sessionTimeout ?? '15s', 'sessionTimeout'),
    isStaticMember: config.instanceId !== undefined,
    instanceId: config.instanceId ?? randomUuid(random),
    endpoint: config.endpoint === undefined ? null : checkedEndpoint(config.endpoint),
    stateDirectory: config.stateDirectory ?? null,
    stateSync: oneOf('stateSync', config.stateSync, ['on-close', 'on-commit']),
    standbyReplicas: wholeNumber('standbyReplicas', config.standbyReplicas ?? 0, 0),
    acceptableRecoveryLag: wholeNumber('acceptableRecoveryLag', config.acceptableRecoveryLag ?? 10_000, 0),
    maxWarmupReplicas: wholeNumber('maxWarmupReplicas', config.maxWarmupReplicas ?? 2, 1),
    onRestore: config.onRestore ?? (() => {}),
    clock: config.clock ?? systemClock,
    random,
  }
}

function oneOf<T extends string>(key: string, value: T | undefined, allowed: readonly T[]): T {
  if (value === undefined) return allowed[0]!
  if (allowed.includes(value)) return value
  throw invalid(key, `is ${JSON.stringify(value)}, but must be ${allowed.map((name) => `'${name}'`).join(' or ')}`)
}

function wholeNumber(key: string, value: number, least: number): number {
  if (Number.isSafeInteger(value) && value >= least) return value
  throw invalid(key, `is ${JSON.stringify(value)}, but must be a whole number of at least ${least}`)
}

function threadCount({ threads = 1, topologyModule, clock, random }: StreamsConfig): number {
  const count = wholeNumber('threads', threads, 1)
  if (count === 1) return count
  if (topologyModule === undefined) throw invalid('threads', `is ${count}, and worker threads load the topology themselves: say with topologyModule which module exports it`)
  if (clock !== undefined || random !== undefined) throw invalid('threads', `is ${count}, but worker threads have the clock of the machine, and no other can be given`)
  return count
}

function moduleUrl(module: string | URL): string {
  if (module instanceof URL || /^[a-z]{2,}:/i.test(module)) return String(module)
  return pathToFileURL(resolve(module)).href
}

function checkedEndpoint(endpoint: string): string {
  if (/^[\w.:/[\]-]{1,200}$/.test(endpoint)) return endpoint
  throw invalid('endpoint', `is ${JSON.stringify(endpoint)}, but must be an address such as 10.0.0.5:8080 or http://host:8080`)
}

function hint(key: string): string {
  const nearest = nearestName(key, knownKeys)
  return nearest === undefined ? `; known are ${[...knownKeys].sort().join(', ')}` : `; did you mean ${nearest}?`
}

function invalid(key: string, problem: string): StreamError {
  return new StreamError('INVALID_CONFIG', `${key} ${problem}`, { details: { key } })
}
