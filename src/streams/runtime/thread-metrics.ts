/** Counters of one thread, since the application started. Plain fields: the loop adds to them. */
export interface ThreadMetrics {
  /** Also those of repartition topics, on their second and further ways through the program. */
  processedRecords: number
  /** Those that tasks took that read topics of the program, as opposed to its own repartition topics; also those left out at once, as no value of their topic. */
  inputRecords: number
  /** Left out by operators, extractors and error policies, by tasks that are closed. */
  droppedRecords: number
  commits: number
  /** Times that work since the last commit was thrown away and begun again. */
  rollbacks: number
  polls: number
  /** Times that a punctuator of the wall clock ran. */
  punctuations: number
  tasksCreated: number
  tasksClosed: number
  /** Wall time spent in each of these, and the longest commit; milliseconds. */
  pollMs: number
  processMs: number
  commitMs: number
  maxCommitMs: number
}

export function newThreadMetrics(): ThreadMetrics {
  return {
    processedRecords: 0, inputRecords: 0, droppedRecords: 0, commits: 0, rollbacks: 0, polls: 0, punctuations: 0, tasksCreated: 0, tasksClosed: 0,
    pollMs: 0, processMs: 0, commitMs: 0, maxCommitMs: 0,
  }
}

/** Counters added up; the longest commit is that of all. */
export function sumOfMetrics(metrics: readonly Readonly<ThreadMetrics>[]): ThreadMetrics {
  const sum = newThreadMetrics()
  for (const each of metrics) {
    for (const name of Object.keys(sum) as (keyof ThreadMetrics)[]) sum[name] = name === 'maxCommitMs' ? Math.max(sum[name], each[name]) : sum[name] + each[name]
  }
  return sum
}

/** What went through a topic, in one direction. */
export interface Traffic {
  records: number
  bytes: number
}

export function countCommit(metrics: ThreadMetrics, ms: number): void {
  metrics.commits++
  metrics.commitMs += ms
  metrics.maxCommitMs = Math.max(metrics.maxCommitMs, ms)
}
