import type { Clock } from '../../core/index.ts'
import type { OpenStore } from '../state/open-store.ts'
import type { StreamRecord } from '../stream-record.ts'
import type { TopologyNode } from '../topology/node.ts'

/** How much is measured: `info` counts nothing for a single record or row that the loop does not count anyway; `debug` and `trace` do. */
export type RecordingLevel = 'info' | 'debug' | 'trace'

export interface NodeMetrics {
  processedRecords: number
  /** From the time that a record has to when it is here; milliseconds. null: not measured at this node. */
  readonly endToEnd: Latency | null
}

/** Latencies of what was done so far; null times: nothing was. */
export class Latency {
  count = 0
  sum = 0
  min = Infinity
  max = -Infinity

  add(value: number): void {
    this.count++
    this.sum += value
    if (value < this.min) this.min = value
    if (value > this.max) this.max = value
  }

  get average(): number {
    return this.count === 0 ? 0 : this.sum / this.count
  }
}

/** What one StreamTask measures of its nodes and stores at the levels `debug` and `trace`. */
export class TaskMetrics {
  readonly nodes = new Map<string, NodeMetrics>()
  /** By store, then by operation (`put`, `get`, `range` …); nanoseconds. */
  readonly stores = new Map<string, Map<string, Latency>>()
  readonly #level: 'debug' | 'trace'
  readonly #clock: Clock

  constructor(level: 'debug' | 'trace', clock: Clock) {
    this.#level = level
    this.#clock = clock
  }

  /** To be called with each record that comes to the node, and the time of the task. Levels as upstream, but that end-to-end latencies begin with `debug`. */
  observer(node: TopologyNode, isTerminal: boolean): (record: StreamRecord, nowMs: number) => void {
    const isMeasured = node.kind === 'source' || isTerminal || (this.#level === 'trace' && node.stores.length > 0)
    const known = this.nodes.get(node.name)
    const metrics: NodeMetrics = known ?? { processedRecords: 0, endToEnd: isMeasured ? new Latency() : null }
    this.nodes.set(node.name, metrics)
    return ({ timestamp }, nowMs) => {
      metrics.processedRecords++
      metrics.endToEnd?.add(nowMs - timestamp)
    }
  }

  /** The store, with the time that each operation takes. */
  measured(store: OpenStore): OpenStore {
    const operations = this.stores.get(store.spec.name) ?? new Map<string, Latency>()
    this.stores.set(store.spec.name, operations)
    const timed = <T>(operation: string, work: () => T): T => {
      const started = this.#clock.monotonic()
      try {
        return work()
      } finally {
        const latency = operations.get(operation) ?? new Latency()
        operations.set(operation, latency)
        latency.add((this.#clock.monotonic() - started) * 1e6)
      }
    }
    return { ...store, view: timedView(store.view, timed), flush: () => timed('flush', () => store.flush()) }
  }
}

type Timed = <T>(operation: string, work: () => T) => T
type Method = (...args: readonly unknown[]) => unknown

/** Names of Kafka Streams' metrics for the methods of every kind of store. */
const operationOf: Readonly<Record<string, string>> = {
  get: 'get', getAsOf: 'get', put: 'put', putIfAbsent: 'put-if-absent', delete: 'delete', remove: 'remove', range: 'range', reverseRange: 'range',
  all: 'all', reverseAll: 'all', prefixScan: 'prefix-scan', scanOf: 'prefix-scan', fetchOne: 'fetch', fetch: 'fetch', seek: 'fetch', backwardFetch: 'fetch', fetchRange: 'fetch',
  backwardFetchRange: 'fetch', fetchAll: 'fetch', backwardFetchAll: 'fetch', fetchSession: 'fetch', findSessions: 'fetch', backwardFindSessions: 'fetch',
}

const rowOperations: ReadonlySet<string> = new Set(['range', 'all', 'prefix-scan', 'fetch'])

function isIterator(result: unknown): result is Iterator<unknown> {
  return typeof result === 'object' && result !== null && 'next' in result && typeof result.next === 'function'
}

function* rowsOf(rows: Iterator<unknown>, operation: string, timed: Timed): Iterable<unknown> {
  try {
    for (let next = timed(operation, () => rows.next()); next.done !== true; next = rows.next()) yield next.value
  } finally {
    rows.return?.()
  }
}

/** Iterations are measured up to their first row: what comes then is the time of who iterates. */
function timedView(view: OpenStore['view'], timed: Timed): OpenStore['view'] {
  const methods = new Map<PropertyKey, Method>()
  const methodOf = (name: PropertyKey, method: Method): Method => {
    const operation = typeof name === 'string' ? operationOf[name] : undefined
    if (operation === undefined) return (...args) => Reflect.apply(method, view, args)
    const isOne = name === 'fetchOne' || name === 'seek' || name === 'fetchSession' || !rowOperations.has(operation)
    if (isOne) return (...args) => timed(operation, (): unknown => Reflect.apply(method, view, args))
    return (...args) => {
      const rows: unknown = Reflect.apply(method, view, args)
      return isIterator(rows) ? rowsOf(rows, operation, timed) : rows
    }
  }
  return new Proxy(view, {
    get(target, name) {
      const member: unknown = Reflect.get(target, name, target)
      if (typeof member !== 'function') return member
      const known = methods.get(name) ?? methodOf(name, member as Method)
      methods.set(name, known)
      return known
    },
  })
}
