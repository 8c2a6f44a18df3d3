import type { RawConfig } from '../config-spec.ts'

/** All that is needed to run one task, as plain data: it crosses threads. */
export interface TaskSpec {
  readonly connector: string
  readonly taskId: number
  readonly type: 'source' | 'sink'
  /** Where its plugin is. `module`: what to import; null: handed over as an object, so that the task runs in-process. */
  readonly plugin: { readonly class: string; readonly version: string; readonly module: string | null }
  readonly connectorConfig: RawConfig
  readonly taskConfig: RawConfig
  readonly workerConfig: RawConfig
}

/** What a task tells the worker while it runs. */
export interface TaskProgress {
  /** Its `start` has returned. */
  readonly isStarted: boolean
  /** Appended and acknowledged (source), or taken by `put` (sink), since it started. */
  readonly records: number
  /** Dropped by tolerance since it started. */
  readonly skipped: number
  /** What a retriable error says that it waits out now; null: nothing. */
  readonly waitingFor: string | null
  /** How many records of each topic it wrote (source) or took (sink) since it started. */
  readonly topicRecords: Readonly<Record<string, number>>
}

export const noProgress: TaskProgress = Object.freeze({ isStarted: false, records: 0, skipped: 0, waitingFor: null, topicRecords: Object.freeze({}) })

export function taskName({ connector, taskId, type }: Pick<TaskSpec, 'connector' | 'taskId' | 'type'>): string {
  return `${type === 'source' ? 'SourceTask' : 'SinkTask'} ${connector}-${taskId}`
}
