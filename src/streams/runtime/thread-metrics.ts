/** Counters of one thread, since the application started. */
export interface ThreadMetrics {
  processedRecords: number
  /** Left out by operators, extractors and error policies, by tasks that are closed. */
  droppedRecords: number
  commits: number
  /** Times that work since the last commit was thrown away and begun again. */
  rollbacks: number
}

export function newThreadMetrics(): ThreadMetrics {
  return { processedRecords: 0, droppedRecords: 0, commits: 0, rollbacks: 0 }
}
