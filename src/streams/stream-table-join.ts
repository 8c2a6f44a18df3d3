import { StreamError, durationMs } from '../core/index.ts'
import type { Duration } from '../core/index.ts'
import { checkKeysMeet, withKeysAs } from './key-formats.ts'
import { storesOfRows } from './plan.ts'
import type { StreamPlan, TablePlan } from './plan.ts'
import { repartitionNode } from './repartition.ts'
import { storeRequest, storeSpec } from './store-request.ts'
import { serdeOf } from './topic.ts'
import type { Format } from './topic.ts'
import { GraphNode } from './topology/graph.ts'
import type { Joiner, StoreSpec } from './topology/node.ts'
import type { Stream } from './stream.ts'

export interface JoinOptions<K, V> {
  /** Of the join, and of the stream's repartition topic if it needs one. */
  readonly name?: string
  /** How the stream's keys and values are written to that topic. Default: what is known, else JSON. */
  readonly key?: Format<NonNullable<K>>
  readonly value?: Format<NonNullable<V>>
  /**
   * For tables with `history`: stream records wait so long, by the time of later ones, for rows of their time, and then
   * join the row as of their own timestamp.
   */
  readonly grace?: Duration
}

/** Join options whose formats have been checked against the types already. */
interface AnyJoinOptions {
  readonly name?: string
  readonly key?: unknown
  readonly value?: unknown
  readonly grace?: Duration
}

interface StreamTableJoin extends AnyJoinOptions {
  readonly join: 'inner' | 'left'
  readonly joiner: Joiner
}

export function streamTableJoin<K, R>(given: StreamPlan, table: TablePlan, request: StreamTableJoin): Stream<K, R> {
  const stream = withKeysAs(given, table)
  const { context } = stream
  const left = stream.repartitionRequired ? repartitionedForJoin(stream, request) : stream
  const sources = new Set([...left.sources, ...table.sources])
  const name = context.names.processor(request.join === 'left' ? 'KSTREAM-LEFTJOIN-' : 'KSTREAM-JOIN-', request.name)
  checkKeysMeet(name, left, table)
  const rows = table.rows()
  const { join, joiner } = request
  const buffer = request.grace === undefined ? null : joinBuffer(left, table, name, request.grace)
  const node = new GraphNode(name, (writer, parents) => {
    // Repartition topics that were merged may have changed the order of parents.
    const parent = parents.find((each) => each !== table.node.name)
    const stores = [...(buffer === null ? [] : [buffer.name]), ...storesOfRows(rows)]
    const common = { name, parents: [parent!], stores, join, joiner, rows }
    writer.addNode(buffer === null ? { kind: 'streamTableJoin', ...common, selector: null } : { kind: 'bufferedStreamTableJoin', ...common, store: buffer.name })
    if (buffer !== null) writer.addStore(buffer, name)
    writer.copartition(sources)
  }, { takesNullKeys: join === 'left', lookedUp: table.node })
  context.graph.add(node, left.node, table.node)
  return context.stream({ ...left, node, sources, valueSerde: null, repartitionRequired: false })
}

/** Where stream records wait for rows of their time. */
function joinBuffer(stream: StreamPlan, table: TablePlan, name: string, grace: Duration): StoreSpec {
  const graceMs = durationMs(grace, 'join: grace')
  if (table.historyMs === null) {
    throw new StreamError('TOPOLOGY_INVALID', `${name}: a grace is for tables that keep rows of the past; give the table a history, as in builder.table(topic, { store, history: '1h' })`)
  }
  if (graceMs > table.historyMs) {
    throw new StreamError('TOPOLOGY_INVALID', `${name}: the grace of ${graceMs} ms is longer than the table's history of ${table.historyMs} ms, so rows would be gone when their records come out`)
  }
  const { context } = stream
  const request = { ...storeRequest(context, { store: `${name}-Buffer` }, ''), caching: false }
  const serdes = { keySerde: stream.keySerde ?? context.defaultKeySerde, valueSerde: stream.valueSerde ?? context.defaultValueSerde }
  return storeSpec(request, serdes, { type: 'join-buffer', graceMs })
}

/** The stream behind a topic partitioned by its present key; a join without a name shares the topic of the last join of the stream. */
export function repartitionedForJoin(stream: StreamPlan, options: AnyJoinOptions): StreamPlan {
  const { context } = stream
  const node = repartitionNode(stream, {
    prefix: options.name ?? stream.node.name,
    keySerde: options.key === undefined ? stream.keySerde ?? context.defaultKeySerde : serdeOf(options.key, 'key'),
    valueSerde: options.value === undefined ? stream.valueSerde ?? context.defaultValueSerde : serdeOf(options.value, 'value'),
  })
  const shared = sharedRepartitions.get(stream.node)
  if (options.name === undefined && shared !== undefined) return { ...stream, node: shared, sources: new Set([shared.name]), repartitionRequired: false }
  sharedRepartitions.set(stream.node, node)
  context.graph.add(node, stream.node)
  return { ...stream, node, sources: new Set([node.name]), repartitionRequired: false }
}

const sharedRepartitions = new WeakMap<GraphNode, GraphNode>()

