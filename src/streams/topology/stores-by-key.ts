import type { SourceNode, TableRows, TopologyNode } from './node.ts'

/** A store, and a node that may use it. */
export interface StoreOfNode {
  readonly node: TopologyNode
  readonly store: string
}

/**
 * The stores in which rows are looked up by the keys of a source's records as they come, while they are processed: what is behind a new key is not among them,
 * nor what is behind a table, whose changes are sent on when its cache is flushed.
 */
export function storesByKey(source: SourceNode, nodes: readonly TopologyNode[]): readonly StoreOfNode[] {
  const found: StoreOfNode[] = []
  const reached = new Set<TopologyNode>([source])
  for (const parent of reached) {
    if (!sendsKeysOn(parent)) continue
    for (const node of nodes) if (node.parents.includes(parent.name)) reached.add(node)
  }
  for (const node of reached) for (const store of storesLookedUp(node)) if (!found.some((other) => other.store === store)) found.push({ node, store })
  return found
}

/** Nodes that send records on at once, with the keys that they came with. */
function sendsKeysOn({ kind }: TopologyNode): boolean {
  switch (kind) {
    case 'source':
    case 'filter':
    case 'nullKeyFilter':
    case 'mapValues':
    case 'flatMapValues':
    case 'peek':
    case 'passThrough':
    case 'branch':
    case 'observe':
    case 'streamTableJoin':
    case 'joinWindow':
    case 'streamJoin':
      return true
    default:
      return false
  }
}

function storesLookedUp(node: TopologyNode): readonly string[] {
  switch (node.kind) {
    case 'streamTableJoin': return node.selector === null ? storesOfRows(node.rows) : []
    case 'streamAggregate': return [node.store]
    case 'tableSource': return node.store === null ? [] : [node.store]
    default: return []
  }
}

function storesOfRows(rows: TableRows): readonly string[] {
  switch (rows.from) {
    case 'store': return [rows.store]
    case 'filter':
    case 'mapValues':
    case 'suppress': return storesOfRows(rows.parent)
    case 'join': return [...storesOfRows(rows.left), ...storesOfRows(rows.right)]
    case 'nothing': return []
  }
}
