/** What an application and its worker threads say to each other, as plain data. */
import type { MessagePort } from 'node:worker_threads'
import type { BrokerHandle, PlainError } from '../../core/index.ts'
import type { Metric } from '../app-metrics.ts'
import type { FailureDecision, ResolvedConfig } from '../config.ts'
import type { RestoreProgress } from '../runtime/restore.ts'
import type { ThreadMetrics } from '../runtime/thread-metrics.ts'
import type { InputSummary, StandbySummary, TaskSummary, ThreadState } from './app-thread.ts'

/** The settings of an application without what cannot leave its thread. */
export type PlainConfig = Omit<ResolvedConfig, 'broker' | 'onFailure' | 'onRestore' | 'clock' | 'random' | 'threads' | 'topologyModule' | 'threadWorker'>

export interface StreamThreadData {
  readonly name: string
  /** Its default export is the topology. */
  readonly module: string
  /** What the topology must be: `describe()` of the application's own. */
  readonly description: string
  readonly config: PlainConfig
  readonly broker: BrokerHandle
  readonly partitionCounts: ReadonlyMap<string, number>
  readonly batchLimits: ReadonlyMap<string, number>
  readonly asksShutdown: boolean
  readonly questions: QuestionHandle
}

/** The other end of a `QuestionLine`. */
export interface QuestionHandle {
  readonly port: MessagePort
  readonly answered: SharedArrayBuffer
}

export type ToStreamThread =
  | { readonly kind: 'stop' | 'pause' | 'resume' | 'commit-when-idle' }
  /** The answer to \`failing\`. */
  | { readonly kind: 'decided'; readonly decision: FailureDecision }

export type FromStreamThread =
  | { readonly kind: 'started' }
  | { readonly kind: 'state'; readonly state: ThreadState; readonly tasks: readonly TaskSummary[] }
  | { readonly kind: 'committed'; readonly inputs: readonly InputSummary[] }
  | { readonly kind: 'partitions'; readonly counts: ReadonlyMap<string, number> }
  | { readonly kind: 'shutdown-asked' }
  | { readonly kind: 'restored'; readonly progress: RestoreProgress }
  /** No policy handled this: what shall happen? */
  | { readonly kind: 'failing'; readonly error: PlainError }
  /** The last message. null: it was told to stop. */
  | { readonly kind: 'ended'; readonly error: PlainError | null; readonly metrics: ThreadMetrics; readonly values: readonly Metric[] }

/** What can be asked of a worker thread, and is answered while the one who asks waits. */
export type Question =
  | { readonly kind: 'metrics' }
  | { readonly kind: 'metric-values' }
  | { readonly kind: 'tasks' }
  | { readonly kind: 'standbys' }
  /** One value of a store. */
  | { readonly kind: 'value'; readonly store: string; readonly stale: boolean; readonly method: string; readonly args: readonly unknown[] }
  /** The first rows of an iteration. */
  | { readonly kind: 'rows'; readonly store: string; readonly stale: boolean; readonly method: string; readonly args: readonly unknown[] }
  | { readonly kind: 'more-rows'; readonly iteration: number }
  | { readonly kind: 'end-rows'; readonly iteration: number }

/** `iteration` null: there are no more. */
export interface RowsPage {
  readonly rows: readonly unknown[]
  readonly iteration: number | null
}

export interface Answers {
  readonly 'metrics': ThreadMetrics
  readonly 'metric-values': readonly Metric[]
  readonly 'tasks': readonly TaskSummary[]
  readonly 'standbys': StandbySummary
  readonly 'value': unknown
  readonly 'rows': RowsPage
  readonly 'more-rows': RowsPage
  readonly 'end-rows': null
}
