import type { StreamRecord } from '../stream-record.ts'
import type { Aggregator, Initializer } from '../topology/node.ts'

/** How a node aggregates; without an initializer (reduce) the first value is the aggregate. */
export interface Aggregation {
  readonly initializer: Initializer | null
  readonly aggregator: Aggregator
}

/** The aggregate after `record`; `aggregate` is null when there is none yet. */
export function aggregateNext({ initializer, aggregator }: Aggregation, aggregate: unknown, record: StreamRecord): unknown {
  if (aggregate !== null) return aggregator(aggregate, record.value, record.key, record)
  return initializer === null ? record.value : aggregator(initializer(), record.value, record.key, record)
}
