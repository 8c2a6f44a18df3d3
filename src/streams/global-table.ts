import { planKey } from './plan.ts'
import type { BuilderContext, StreamPlan } from './plan.ts'
import type { RecordCallback, Stream } from './stream.ts'
import { GraphNode } from './topology/graph.ts'
import type { Joiner, RecordFunction, StoreSpec } from './topology/node.ts'

export interface GlobalTablePlan {
  readonly store: StoreSpec
}

/**
 * All rows of a topic, of all its partitions, on every instance: for small tables that any stream may look up by any key.
 * Filled before the first record is processed; afterwards it follows the topic, not the time of the streams. Semantics:
 * Kafka Streams' GlobalKTable.
 */
export class GlobalTable<K, V> {
  readonly [planKey]: GlobalTablePlan
  /** Only for the compiler: nothing is here. */
  declare readonly rowTypes: readonly [K, V]

  constructor(plan: GlobalTablePlan) {
    this[planKey] = plan
  }
}

export interface GlobalJoinOptions<K, V, GlobalKey> {
  /** The key to look up, from the stream's record; null finds nothing. */
  readonly on: RecordCallback<K, V, GlobalKey | null>
  readonly name?: string
}

interface GlobalJoin {
  readonly join: 'inner' | 'left'
  readonly joiner: Joiner
  readonly on: RecordFunction
  readonly name?: string | undefined
}

/** Each record with the row that it names. Nothing needs to be co-partitioned. */
export function streamGlobalJoin<K, R>(stream: StreamPlan, table: GlobalTablePlan, { join, joiner, on, name: given }: GlobalJoin): Stream<K, R> {
  const context: BuilderContext = stream.context
  const name = context.names.processor('KSTREAM-LEFTJOIN-', given)
  const node = new GraphNode(name, (writer, parents) => {
    writer.addNode({ kind: 'streamTableJoin', name, parents, stores: [], join, joiner, rows: { from: 'store', store: table.store.name }, selector: on })
  }, { takesNullKeys: join === 'left' })
  context.graph.add(node, stream.node)
  return context.stream({ ...stream, node, valueSerde: null })
}
