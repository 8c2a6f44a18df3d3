import { checkKeysMeet } from './key-formats.ts'
import { asksForStore, checkStoreOptions } from './options.ts'
import type { AnyStoreOptions } from './options.ts'
import { storesOfRows } from './plan.ts'
import type { TablePlan } from './plan.ts'
import { storeRequest, tableStoreSpec } from './store-request.ts'
import type { Table } from './table.ts'
import { GraphNode } from './topology/graph.ts'
import type { Joiner, TableRows } from './topology/node.ts'

interface TableJoin {
  readonly join: 'inner' | 'left' | 'outer'
  readonly joiner: Joiner
  readonly options: AnyStoreOptions
}

/** A primary-key join: one node per side, each looking up the other's rows, and one where they meet. */
export function tableJoin<K, R>(left: TablePlan, right: TablePlan, { join, joiner, options }: TableJoin): Table<K, R, null> {
  const { context } = left
  checkStoreOptions(options)
  const request = asksForStore(options) ? storeRequest(context, options, 'KTABLE-MERGE-') : null
  const fallback = { keySerde: left.keySerde ?? context.defaultKeySerde, valueSerde: context.defaultValueSerde }
  const spec = request === null ? null : tableStoreSpec(request, fallback)
  const mergeName = context.names.processor('KTABLE-MERGE-', options.name)
  const leftName = context.names.processorWithSuffix('KTABLE-JOINTHIS-', options.name, '-join-this')
  const rightName = context.names.processorWithSuffix('KTABLE-JOINOTHER-', options.name, '-join-other')
  checkKeysMeet(mergeName, left, right)
  if (join !== 'inner') left.sendOldValues(true)
  if (join === 'outer') right.sendOldValues(true)
  const rows = { left: left.rows(), right: right.rows() }
  const sources = new Set([...left.sources, ...right.sources])
  let sendOldValues = false
  const node = new GraphNode(mergeName, (writer) => {
    const side = { kind: 'tableJoin' as const, join, joiner, sendOldValues }
    writer.addNode({ ...side, name: leftName, parents: [left.node.name], stores: storesOfRows(rows.right), side: 'left', otherRows: rows.right })
    writer.addNode({ ...side, name: rightName, parents: [right.node.name], stores: storesOfRows(rows.left), side: 'right', otherRows: rows.left })
    const store = spec?.name ?? null
    writer.addNode({ kind: 'tableJoinMerge', name: mergeName, parents: [leftName, rightName], stores: store === null ? [] : [store], store, sendOldValues })
    if (spec !== null) writer.addStore(spec, mergeName)
    writer.copartition(sources)
  })
  context.graph.add(node, left.node, right.node)
  return context.table({
    context,
    node,
    sources,
    keySerde: spec?.keySerde ?? left.keySerde,
    valueSerde: request?.valueSerde ?? null,
    historyMs: spec?.historyMs ?? null,
    rows: (): TableRows => (spec === null ? { from: 'join', join, ...rows, joiner } : { from: 'store', store: spec.name }),
    sendOldValues() {
      left.sendOldValues(true)
      right.sendOldValues(true)
      sendOldValues = true
      return true
    },
  })
}
