import type { TopicPartition } from '../../core/index.ts'
import type { Metric } from '../app-metrics.ts'
import type { ThreadMetrics } from '../runtime/thread-metrics.ts'

/** A StreamTask of a thread, as plain data. */
export interface TaskSummary {
  readonly taskId: string
  readonly partition: number
  readonly stores: readonly string[]
  readonly inputs: readonly InputSummary[]
  /** Read, and not processed yet. */
  readonly waitingRecords: number
}

export interface InputSummary extends TopicPartition {
  /** Where the next owner would begin: what is committed. */
  readonly position: number
  readonly readTo: number
  readonly end: number
}

export type ThreadState = 'rebalancing' | 'running'

/** What a thread has of tasks that run elsewhere, as plain data. */
export interface StandbySummary {
  readonly tasks: readonly (Omit<TaskSummary, 'inputs' | 'waitingRecords'> & {
    /** Records of the changelogs that the stores do not have yet. */
    readonly lagRecords: number
  })[]
  /** Of every task of the application that has standbys: where those answer queries. */
  readonly endpoints: ReadonlyMap<string, readonly string[]>
}

export const noStandbys: StandbySummary = { tasks: [], endpoints: new Map() }

/** What a thread tells its application while it runs. */
export interface ThreadEvents {
  /** `rebalancing` while partitions move or stores are restored. */
  onState(state: ThreadState): void
  /** `inputs` of all tasks, with the offsets that are committed. */
  onCommit(inputs: readonly InputSummary[]): void
  /** A thread of the application, in whatever process, asks that all of it ends. */
  onShutdownAsked(): void
  /** Partitions of every topic that the thread knows, after it has learned of new ones. */
  onPartitions(counts: ReadonlyMap<string, number>): void
}

/**
 * A stream thread as its application sees it, whether it runs here or in a worker thread:
 * ```
 *   created ──run()──▶ joining ──onStarted──▶ running ──stop(), or a failure──▶ ended
 * ```
 */
export interface AppThread {
  readonly name: string
  /** Joins the group and processes until `stop`; calls back once the first tasks are assigned. @throws the failure that ended it, after everything is rolled back and closed */
  run(onStarted: () => void): Promise<void>
  /** Processes what it is at, commits, leaves the group. */
  stop(): void
  /** Processes, punctuates and restores nothing from its next turn on, until `resume`; stays in the group. Also before `run`. */
  pause(): void
  resume(): void
  /** Commits once without waiting for the interval, when nothing is left to process. */
  commitWhenIdle(): void
  /** Of a worker thread, as of its last commit or rebalance. */
  readonly tasks: readonly TaskSummary[]
  /** As of now; of a worker thread that does not answer at once, as `tasks`. */
  tasksNow(): readonly TaskSummary[]
  /** As of now; none of a worker thread that does not answer at once. */
  standbysNow(): StandbySummary
  /** Ids of tasks whose stores cannot be asked, since they are restored or move, where the stores are at hand; a worker thread answers that with the question. */
  readonly restoring: readonly string[]
  /** Counters, those of open tasks included. Of a worker thread that does not answer at once, as of its last answer. */
  metrics(): Readonly<ThreadMetrics>
  metricValues(): readonly Metric[]
  /**
   * Views of a store, as `StoreView`: one for each partition here, or one over all those of a worker thread; none when it has none.
   * `stale`: those of tasks that run elsewhere, too.
   */
  storeViews(name: string, stale: boolean): readonly unknown[]
}
