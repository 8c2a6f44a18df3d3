import { StreamError, checkOptions } from '../core/index.ts'
import type { Serde } from '../core/index.ts'
import { checkKeysMeet, withKeysAs } from './key-formats.ts'
import { addOperator } from './plan.ts'
import type { StreamPlan } from './plan.ts'
import { changelogOf, storeSpec } from './store-request.ts'
import type { StoreRequest } from './store-request.ts'
import { repartitionedForJoin } from './stream-table-join.ts'
import type { Stream } from './stream.ts'
import { serdeOf } from './topic.ts'
import type { Format } from './topic.ts'
import { GraphNode } from './topology/graph.ts'
import { checkedName } from './topology/names.ts'
import type { Joiner, StoreSpec } from './topology/node.ts'
import type { TopologyWriter } from './topology/topology-writer.ts'
import { windowsRetentionMs } from './windows.ts'
import type { JoinWindows } from './windows.ts'

export interface StreamJoinOptions<K, V, V2> {
  /** How far apart in time two records may be: `joinWithin('5m', { grace: '10s' })`. */
  readonly within: JoinWindows
  /** Begins the names of the join's operators and repartition topics. */
  readonly name?: string
  /** Begins the names of the join's stores. */
  readonly storeName?: string
  /** How keys and values are written to the stores, and to repartition topics. Default: what is known, else JSON. */
  readonly key?: Format<NonNullable<K>>
  readonly value?: Format<NonNullable<V>>
  /** Of the other stream. */
  readonly otherValue?: Format<NonNullable<V2>>
  /** As for tables. Default true. */
  readonly logging?: boolean | Readonly<Record<string, string>>
  /** Of the join's stores. `persistent`: on disk where the application has a state directory. Default: the builder's `storeType`. */
  readonly type?: 'persistent' | 'inMemory'
}

interface StreamJoin {
  readonly join: 'inner' | 'left' | 'outer'
  readonly joiner: Joiner
  readonly options: Omit<StreamJoinOptions<never, never, never>, 'key' | 'value' | 'otherValue'> & { readonly key?: unknown; readonly value?: unknown; readonly otherValue?: unknown }
}

/** Names in the order in which upstream uses up numbers for them. */
interface JoinNames {
  readonly left: SideNames
  readonly right: SideNames
  readonly merge: string
  /** null for inner joins. */
  readonly outerStore: string | null
}

interface SideNames {
  readonly windowed: string
  readonly join: string
  readonly store: string
}

/** Each side keeps what it saw in a window store, where the other side looks for partners. */
export function streamStreamJoin<K, R>(leftStream: StreamPlan, rightStream: StreamPlan, request: StreamJoin): Stream<K, R> {
  const { options, join } = request
  if ((options as Partial<typeof options> | undefined)?.within?.type !== 'join') {
    throw new StreamError('INVALID_ARGUMENT', "join: say how far apart two records may be, as in { within: joinWithin('5m') }")
  }
  checkOptions('join of two streams', options, { within: true, name: true, storeName: true, key: true, value: true, otherValue: true, logging: true, type: true })
  const left = sideOf(withKeysAs(leftStream, rightStream), options, options.value, '-left')
  const right = sideOf(withKeysAs(rightStream, leftStream), options, options.otherValue, '-right')
  const { context } = left
  const names = joinNames(left, join, options)
  checkKeysMeet(names.merge, left, right)
  const stores = storesOf(left, right, names, request)
  const sources = new Set([...left.sources, ...right.sources])
  addOperator(context, names.left.windowed, [left.node], () => ({ kind: 'joinWindow', store: stores.left.name }))
  let joinsItself = false
  const rightWindow = new GraphNode(names.right.windowed, (writer, parents) => {
    if (!joinsItself) writer.addNode({ kind: 'joinWindow', name: names.right.windowed, parents, stores: [], store: stores.right.name })
  })
  context.graph.add(rightWindow, right.node)
  // With a window beside the record's own time, an outer side may find nothing, for which rows must be parked.
  const meetsItself = join === 'inner' || (options.within.beforeMs >= 0 && options.within.afterMs >= 0)
  const joinItself = () => { joinsItself = true }
  const node = new GraphNode(names.merge, (writer) => {
    if (joinsItself) writeSelfJoin(writer, names, stores, request)
    else writeJoin(writer, names, stores, request)
    writer.copartition(sources)
  }, { takesNullKeys: join !== 'inner', ...(meetsItself ? { joinItself } : {}) })
  context.graph.add(node, left.node, right.node)
  return context.stream({ context, node, sources, keySerde: left.keySerde, valueSerde: null, repartitionRequired: false })
}

/** One input of the join: partitioned by its present key, with the serdes that the options give it. */
function sideOf(stream: StreamPlan, options: StreamJoin['options'], value: unknown, suffix: string): StreamPlan {
  const name = options.name === undefined ? {} : { name: checkedName(options.name) + suffix }
  const plan = stream.repartitionRequired ? repartitionedForJoin(stream, { ...name, key: options.key, value }) : stream
  return {
    ...plan,
    keySerde: options.key === undefined ? plan.keySerde : serdeOf(options.key, 'key'),
    valueSerde: value === undefined ? plan.valueSerde : serdeOf(value, 'value'),
  }
}

function joinNames({ context: { names } }: StreamPlan, join: StreamJoin['join'], { name, storeName }: StreamJoin['options']): JoinNames {
  const leftSuffix = join === 'outer' ? '-outer-this-join' : '-this-join'
  const rightSuffix = join === 'inner' ? '-other-join' : '-outer-other-join'
  const windowed = [names.processorWithSuffix('KSTREAM-WINDOWED-', name, '-this-windowed'), names.processorWithSuffix('KSTREAM-WINDOWED-', name, '-other-windowed')]
  const leftPrefix = join === 'outer' ? 'KSTREAM-OUTERTHIS-' : 'KSTREAM-JOINTHIS-'
  const generated = [names.processor(leftPrefix), names.processor(join === 'inner' ? 'KSTREAM-JOINOTHER-' : 'KSTREAM-OUTEROTHER-')]
  const side = (index: 0 | 1, suffix: string): SideNames => ({
    windowed: windowed[index]!,
    join: name === undefined ? generated[index]! : checkedName(name + suffix),
    store: `${storeName === undefined ? generated[index]! : checkedName(storeName + suffix)}-store`,
  })
  const outerBase = storeName === undefined
    ? `KSTREAM-OUTERSHARED-${generated[0]!.slice(leftPrefix.length)}`
    : storeName + (join === 'outer' ? '-outer-shared-join' : '-left-shared-join')
  return {
    left: side(0, leftSuffix),
    right: side(1, rightSuffix),
    merge: names.processorWithSuffix('KSTREAM-MERGE-', name, '-merge'),
    outerStore: join === 'inner' ? null : `${outerBase}-store`,
  }
}

interface JoinStores {
  readonly left: StoreSpec
  readonly right: StoreSpec
  readonly outer: StoreSpec | null
}

function storesOf(left: StreamPlan, right: StreamPlan, names: JoinNames, { options }: StreamJoin): JoinStores {
  const { defaultKeySerde, defaultValueSerde, storeType } = left.context
  const keySerde = left.keySerde ?? defaultKeySerde
  const valueSerdes = { left: left.valueSerde ?? defaultValueSerde, right: right.valueSerde ?? defaultValueSerde }
  const { within, logging = true, type = storeType } = options
  const windowSizeMs = within.beforeMs + within.afterMs
  const store = (name: string, valueSerde: Serde<unknown>) => storeSpec(request(name, logging, type), { keySerde, valueSerde }, {
    type: 'window', retentionMs: windowsRetentionMs(within), windowSizeMs, retainDuplicates: true, logsHeaders: true,
  })
  return {
    left: store(names.left.store, valueSerdes.left),
    right: store(names.right.store, valueSerdes.right),
    outer: names.outerStore === null
      ? null
      : Object.freeze({
          ...storeSpec(request(names.outerStore, logging !== false, type), { keySerde, valueSerde: valueSerdes.left }, { type: 'outer-join' }),
          rightValueSerde: valueSerdes.right,
        }),
  }
}

function request(name: string, logging: boolean | Readonly<Record<string, string>>, type: 'persistent' | 'inMemory'): StoreRequest {
  return { name, keySerde: null, valueSerde: null, persistent: type === 'persistent', caching: false, changelog: changelogOf(logging), retentionMs: null, maxEntries: null, ttlMs: null, rows: null, versions: null }
}

function writeJoin(writer: TopologyWriter, names: JoinNames, stores: JoinStores, { join, joiner, options }: StreamJoin): void {
  const common = { kind: 'streamJoin' as const, join, joiner, windows: options.within, outerStore: stores.outer?.name ?? null, sharedTime: names.merge }
  const { left, right, merge } = names
  writer.addNode({ ...common, name: left.join, parents: [left.windowed], stores: [], side: 'left', otherStore: stores.right.name })
  writer.addNode({ ...common, name: right.join, parents: [right.windowed], stores: [], side: 'right', otherStore: stores.left.name })
  writer.addNode({ kind: 'passThrough', name: merge, parents: [left.join, right.join], stores: [] })
  writer.addStore(stores.left, left.windowed, right.join)
  writer.addStore(stores.right, right.windowed, left.join)
  if (stores.outer !== null) writer.addStore(stores.outer, left.join, right.join)
}

function writeSelfJoin(writer: TopologyWriter, { left, merge }: JoinNames, stores: JoinStores, { join, joiner, options }: StreamJoin): void {
  writer.addNode({ kind: 'selfJoin', join, name: merge, parents: [left.windowed], stores: [], joiner, windows: options.within, store: stores.left.name })
  writer.addStore(stores.left, left.windowed, merge)
}
