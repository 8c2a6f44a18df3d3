/** Counters of one thread, since the application started. */
export interface ThreadMetrics {
  /** Also those of repartition topics, on their second and further ways through the program. */
  processedRecords: number
  /** Those that tasks took that read topics of the program, as opposed to its own repartition topics. */
  inputRecords: number
  /** Left out by operators, extractors and error policies, by tasks that are closed. */
  droppedRecords: number
  commits: number
  /** Times that work since the last commit was thrown away and begun again. */
  rollbacks: number
}

export function newThreadMetrics(): ThreadMetrics {
  return { processedRecords: 0, inputRecords: 0, droppedRecords: 0, commits: 0, rollbacks: 0 }
}
