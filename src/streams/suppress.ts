import { StreamError, checkOptions, durationMs } from '../core/index.ts'
import type { Duration } from '../core/index.ts'
import type { TablePlan } from './plan.ts'
import { checkChoice } from './options.ts'
import { storeRequest, storeSpec } from './store-request.ts'
import type { Table } from './table.ts'
import { GraphNode } from './topology/graph.ts'
import { checkedName } from './topology/names.ts'
import type { GraphTraits } from './topology/graph.ts'
import type { SuppressNode } from './topology/node.ts'

export interface SuppressBounds {
  /** Changes held at most, over all keys of a task. Default: no bound. */
  readonly maxRecords?: number
  /** Bytes held at most: 8 a change, its key, its value and its context. Default: no bound. */
  readonly maxBytes?: number
}

export interface SuppressOptions extends SuppressBounds {
  /** `window-closes`: one result per window, when it takes no more records. A duration: the latest row of a key that long after its first change. */
  readonly until: 'window-closes' | Duration
  /** What happens beyond the bounds. Default: `shut-down` for `window-closes` (a final result must not come early), else `emit-early`. */
  readonly whenFull?: 'emit-early' | 'shut-down'
  readonly name?: string
  /** As for tables. Default true. */
  readonly logging?: boolean | Readonly<Record<string, string>>
}

/** Holds the changes of a table back. Emits only when a later record arrives at this operator: time is the records'. */
export function suppress<K, V, Gone extends null>(plan: TablePlan, options: SuppressOptions): Table<K, V, Gone> {
  checkOptions('suppress', options, { until: true, maxRecords: true, maxBytes: true, whenFull: true, name: true, logging: true })
  if (options.whenFull !== undefined) checkChoice('suppress: whenFull', options.whenFull, ['emit-early', 'shut-down'])
  const { context } = plan
  if (plan.historyMs !== null) throw new StreamError('TOPOLOGY_INVALID', 'suppress: a table that keeps rows of the past cannot hold changes back; leave out `history`, or suppress before')
  // Upstream uses up no number here when the program gives a name.
  const name = options.name === undefined ? context.names.processor('KTABLE-SUPPRESS-') : checkedName(options.name)
  const storeOptions = { logging: options.logging ?? true, ...(options.name === undefined ? {} : { store: `${options.name}-store` }) }
  const request = { ...storeRequest(context, storeOptions, 'KTABLE-SUPPRESS-'), caching: false }
  const serdes = { keySerde: plan.keySerde ?? context.defaultKeySerde, valueSerde: plan.valueSerde ?? context.defaultValueSerde }
  const store = storeSpec(request, serdes, { type: 'suppress-buffer', newRowBytes: plan.node.traits.initialValueBytes?.() ?? 0 })
  plan.sendOldValues(true)
  let sendOldValues = false
  const fields = { kind: 'suppress' as const, store: store.name, ...boundsOf(options), until: untilOf(plan, options) }
  const node = new GraphNode(name, (writer, parents) => {
    writer.addNode({ ...fields, name, parents, stores: [store.name], sendOldValues })
    writer.addStore(store, name)
  })
  context.graph.add(node, plan.node)
  return context.table({
    ...plan,
    node,
    rows: () => ({ from: 'suppress', store: store.name, parent: plan.rows() }),
    sendOldValues() {
      sendOldValues = true
      return true
    },
  })
}

function boundsOf({ maxRecords, maxBytes, whenFull, until }: SuppressOptions): Pick<SuppressNode, 'maxRecords' | 'maxBytes' | 'whenFull'> {
  if (until === 'window-closes' && whenFull === 'emit-early') {
    throw new StreamError('TOPOLOGY_INVALID', "suppress: until 'window-closes' promises one final result per window, which whenFull 'emit-early' would break; use 'shut-down', or a time limit")
  }
  const fallback = until === 'window-closes' ? 'shut-down' : 'emit-early'
  return { maxRecords: boundOf('maxRecords', maxRecords), maxBytes: boundOf('maxBytes', maxBytes), whenFull: whenFull ?? fallback }
}

function boundOf(name: keyof SuppressBounds, bound: number | undefined): number | null {
  if (bound === undefined || bound >= 0) return bound ?? null
  throw new StreamError('INVALID_ARGUMENT', `suppress: ${name} is ${bound}; give 0 or more, or leave it out for no bound`)
}

function untilOf(plan: TablePlan, { until }: SuppressOptions): SuppressNode['until'] {
  if (until !== 'window-closes') return { type: 'time-limit', ms: durationMs(until, 'suppress: until') }
  const windows = windowsAbove(plan.node)
  if (windows.length === 0) {
    throw new StreamError('TOPOLOGY_INVALID', "suppress: until 'window-closes' needs a windowed table: there is no windowedBy above it; use a time limit instead")
  }
  return {
    type: 'window-closes',
    graceMs: Math.max(...windows.map((window) => window.graceMs)),
    endInclusive: windows.some((window) => window.endInclusive),
  }
}

/** The windows of the nearest aggregations above a node. */
function windowsAbove(node: GraphNode): readonly NonNullable<GraphTraits['windows']>[] {
  const { windows } = node.traits
  return windows === undefined ? node.parents.flatMap(windowsAbove) : [windows]
}
