import type { ActiveTask } from './runtime/active-task.ts'
import type { TaskMetrics } from './runtime/task-metrics.ts'
import type { ThreadMetrics, Traffic } from './runtime/thread-metrics.ts'
import { KeyValueStore } from './state/key-value-store.ts'
import type { OpenStore } from './state/open-store.ts'

/** One measured value of an application, under the names and groups of Kafka Streams. */
export interface Metric {
  readonly group: 'stream-metrics' | 'stream-thread-metrics' | 'stream-task-metrics' | 'stream-processor-node-metrics' | 'stream-topic-metrics' | 'stream-state-metrics'
  /** `process-total` */
  readonly name: string
  readonly description: string
  /** Which thread, task, topic or store: `thread-id`, `task-id`, `topic-name`, `processor-node-id`, `key-value-state-id`. */
  readonly tags: Readonly<Record<string, string>>
  /** A counter only grows while the application runs. */
  readonly kind: 'counter' | 'gauge'
  readonly value: number
}

/** What the metrics of an application are made of. */
export interface MeasuredApp {
  readonly applicationId: string
  readonly instanceId: string
  readonly state: string
  readonly aliveThreads: number
  readonly failedThreads: number
  /** `threadMetrics` of each thread. */
  readonly threads: readonly (readonly Metric[])[]
}

export interface MeasuredThread {
  readonly name: string
  readonly metrics: Readonly<ThreadMetrics>
  readonly tasks: readonly ActiveTask[]
  readonly produced: ReadonlyMap<string, Readonly<Traffic>>
  isRestoring(taskId: string): boolean
}

const states = ['CREATED', 'REBALANCING', 'RUNNING', 'PENDING_SHUTDOWN', 'NOT_RUNNING', 'PENDING_ERROR', 'ERROR']

/** A snapshot; nothing is measured for it that the loop does not count anyway. */
export function metricsOf(app: MeasuredApp): readonly Metric[] {
  const client = clientTags(app)
  return [
    gauge('stream-metrics', 'client-state', `the state: ${states.map((state, index) => `${index} ${state}`).join(', ')}`, client, states.indexOf(app.state)),
    gauge('stream-metrics', 'alive-stream-threads', 'threads that run', client, app.aliveThreads),
    counter('stream-metrics', 'failed-stream-threads', 'threads that an error ended', client, app.failedThreads),
    ...app.threads.flat(),
  ]
}

function clientTags({ applicationId, instanceId }: { readonly applicationId: string; readonly instanceId: string }): Tags {
  return { 'client-id': `${applicationId}-${instanceId}`, 'application-id': applicationId }
}

/** What one thread and everything in it measures; `upMs` since it started. */
export function threadMetrics(app: { readonly applicationId: string; readonly instanceId: string }, thread: MeasuredThread, upMs: number): readonly Metric[] {
  const client = clientTags(app)
  return [...loopMetrics(thread, client, upMs), ...thread.tasks.flatMap((task) => taskMetrics(task, thread, client)), ...producedMetrics(thread, client)]
}

function loopMetrics({ name, metrics, tasks }: MeasuredThread, client: Tags, upMs: number): readonly Metric[] {
  const tags = { ...client, 'thread-id': name }
  const total = (metric: string, description: string, value: number) => counter('stream-thread-metrics', metric, description, tags, value)
  const share = (metric: string, of: string, ms: number) => gauge('stream-thread-metrics', metric, `share of the time since the start that was spent ${of}`, tags, upMs <= 0 ? 0 : ms / upMs)
  const { commits, commitMs } = metrics
  return [
    total('process-total', 'records processed, those of repartition topics included', metrics.processedRecords),
    total('commit-total', 'commits', commits),
    total('poll-total', 'reads of input', metrics.polls),
    total('punctuate-total', 'times that punctuators of the wall clock ran', metrics.punctuations),
    total('task-created-total', 'tasks that came', metrics.tasksCreated),
    total('task-closed-total', 'tasks that went', metrics.tasksClosed),
    total('rollback-total', 'times that work since the last commit was begun again (not upstream\'s)', metrics.rollbacks),
    gauge('stream-thread-metrics', 'commit-latency-avg', 'mean time of a commit, ms', tags, commits === 0 ? 0 : commitMs / commits),
    gauge('stream-thread-metrics', 'commit-latency-max', 'longest commit, ms', tags, metrics.maxCommitMs),
    share('process-ratio', 'processing', metrics.processMs),
    share('commit-ratio', 'committing', commitMs),
    share('poll-ratio', 'reading and waiting for input', metrics.pollMs),
    gauge('stream-thread-metrics', 'task-count', 'tasks that this thread runs (not upstream\'s)', tags, tasks.length),
  ]
}

function taskMetrics(active: ActiveTask, thread: MeasuredThread, client: Tags): readonly Metric[] {
  const { taskId } = active.task
  const tags = { ...client, 'thread-id': thread.name, 'task-id': taskId }
  return [
    counter('stream-task-metrics', 'process-total', 'records processed', tags, active.processedRecords),
    counter('stream-task-metrics', 'dropped-records-total', 'records left out: late, without a key, or by an error policy', tags, active.task.droppedRecords),
    counter('stream-task-metrics', 'enforced-processing-total', 'records processed although an input was empty that may have had earlier ones soon (max.task.idle.ms)', tags, active.enforcedRecords),
    gauge('stream-task-metrics', 'active-buffer-count', 'records that wait in memory', tags, active.bufferedRecords),
    gauge('stream-task-metrics', 'restoring', '1 while stores are filled from changelogs (not upstream\'s)', tags, thread.isRestoring(taskId) ? 1 : 0),
    ...active.inputs.flatMap(({ topic, partition, traffic, readTo, end }) => {
      const input = { ...tags, 'topic-name': topic, partition: `${partition}` }
      return [
        ...trafficMetrics('consumed', traffic, input),
        gauge('stream-topic-metrics', 'records-lag', 'records that are not read yet (not upstream\'s)', input, Math.max(0, end - readTo)),
      ]
    }),
    ...[...active.task.stores.values()].flatMap((store) => storeMetrics(store, tags)),
    ...(active.task.metrics === null ? [] : measuredMetrics(active, active.task.metrics, tags)),
  ]
}

function producedMetrics({ name, produced }: MeasuredThread, client: Tags): readonly Metric[] {
  return [...produced].flatMap(([topic, traffic]) => trafficMetrics('produced', traffic, { ...client, 'thread-id': name, 'topic-name': topic }))
}

function trafficMetrics(direction: 'consumed' | 'produced', { records, bytes }: Traffic, tags: Tags): readonly Metric[] {
  return [
    counter('stream-topic-metrics', `records-${direction}-total`, `records ${direction}`, tags, records),
    counter('stream-topic-metrics', `bytes-${direction}-total`, `bytes ${direction}, as they are in the log`, tags, bytes),
  ]
}

function storeMetrics({ spec, view }: OpenStore, tags: Tags): readonly Metric[] {
  if (!(view instanceof KeyValueStore)) return []
  return [gauge('stream-state-metrics', 'estimate-num-keys', 'rows in the store', { ...tags, 'key-value-state-id': spec.name }, view.count())]
}

/** What the levels `debug` and `trace` add. */
function measuredMetrics({ task }: ActiveTask, { nodes, stores }: TaskMetrics, tags: Tags): readonly Metric[] {
  const ofNodes = [...nodes].flatMap(([name, { processedRecords, endToEnd }]) => {
    const own = { ...tags, 'processor-node-id': name }
    return [
      counter('stream-processor-node-metrics', 'process-total', 'records that came to the node', own, processedRecords),
      ...(endToEnd === null || endToEnd.count === 0 ? [] : [
        gauge('stream-processor-node-metrics', 'record-e2e-latency-avg', 'mean age of a record when it is here, ms', own, endToEnd.average),
        gauge('stream-processor-node-metrics', 'record-e2e-latency-min', 'smallest age of a record when it is here, ms', own, endToEnd.min),
        gauge('stream-processor-node-metrics', 'record-e2e-latency-max', 'largest age of a record when it is here, ms', own, endToEnd.max),
      ]),
    ]
  })
  const ofStores = [...stores].flatMap(([name, operations]) => {
    const own = { ...tags, [`${task.stores.get(name)!.spec.type.replace('timestamped-', '')}-state-id`]: name }
    return [...operations].flatMap(([operation, latency]) => [
      gauge('stream-state-metrics', `${operation}-latency-avg`, `mean time of ${operation}, ns`, own, latency.average),
      gauge('stream-state-metrics', `${operation}-latency-max`, `longest time of ${operation}, ns`, own, latency.max),
      counter('stream-state-metrics', `${operation}-total`, `times of ${operation} (not upstream's)`, own, latency.count),
    ])
  })
  return [...ofNodes, ...ofStores]
}

type Tags = Readonly<Record<string, string>>

function counter(group: Metric['group'], name: string, description: string, tags: Tags, value: number): Metric {
  return { group, name, description, tags, kind: 'counter', value }
}

function gauge(group: Metric['group'], name: string, description: string, tags: Tags, value: number): Metric {
  return { group, name, description, tags, kind: 'gauge', value }
}
