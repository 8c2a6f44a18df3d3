import type { RecordingLevel } from './task-metrics.ts'

/**
 * What happens to a record that cannot be handled: `fail` ends the task (it is rebuilt from its last commit), `skip` leaves
 * the record out and counts it, `dead-letter` writes it to the dead-letter topic as well.
 */
export type ErrorPolicy = 'fail' | 'skip' | 'dead-letter'

/** Settings of every StreamTask of an application. */
export interface TaskConfig {
  /** Bytes of a record that are not a key or value of its topic. Default `fail`. */
  readonly onDeserializationError?: ErrorPolicy
  /** A function of the program threw. Skipping leaves out what comes after the failing operator; siblings go on, and state that was written stays. Default `fail`. */
  readonly onProcessingError?: ErrorPolicy
  /** A result that has no bytes. Default `fail`. */
  readonly onSerializationError?: ErrorPolicy
  /** Where dead letters go. */
  readonly deadLetterTopic?: string
  /** Bytes for the write-back caches of the task's stores; 0 turns them off. Default 10 MiB. */
  readonly cacheMaxBytes?: number
  /** Default `info`. */
  readonly metricsRecordingLevel?: RecordingLevel
}

export const defaultCacheMaxBytes = 10 * 1024 * 1024
