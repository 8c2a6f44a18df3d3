import type { StoreSummary, TopologySummary } from './summary.ts'

/**
 * `orphaned`: stays behind in the log, and nothing reads it any more. `incompatible`: the application does not start, or reads
 * rows that it cannot understand. `restored`: goes on with what it had. `new`: begins empty. `repartitioned`: records flow
 * through a topic of their own from now on.
 */
export type ChangeKind = 'incompatible' | 'orphaned' | 'repartitioned' | 'new' | 'restored'

export interface TopologyChange {
  readonly kind: ChangeKind
  readonly what: 'store' | 'repartition topic' | 'input topic' | 'global store'
  readonly name: string
  /** What follows, for people. */
  readonly consequence: string
}

/** Whether a deployed application loses or misreads something when it goes on as the new topology. */
export function losesState(changes: readonly TopologyChange[]): boolean {
  return changes.some(({ kind, what }) => kind === 'incompatible' || (kind === 'orphaned' && what !== 'input topic'))
}

/** What becomes of everything that the deployed topology has in the log, and what the new one adds; the worst first. */
export function compareTopologies(deployed: TopologySummary, next: TopologySummary): readonly TopologyChange[] {
  const changes = [
    ...storeChanges(deployed, next),
    ...repartitionChanges(deployed, next),
    ...inputChanges(deployed, next),
    ...globalChanges(deployed, next),
  ]
  const order: readonly ChangeKind[] = ['incompatible', 'orphaned', 'repartitioned', 'new', 'restored']
  return changes.toSorted((a, b) => order.indexOf(a.kind) - order.indexOf(b.kind))
}

// ------------------------------------------------------------------------------------------------ stores

function storeChanges(deployed: TopologySummary, next: TopologySummary): readonly TopologyChange[] {
  const [before, after] = [byName(deployed.stores), byName(next.stores)]
  const gone = deployed.stores.filter(({ name }) => !after.has(name))
  const added = next.stores.filter(({ name }) => !before.has(name))
  return [
    ...gone.map((store) => orphanedStore(store, added)),
    ...added.map((store): TopologyChange => ({ kind: 'new', what: 'store', name: store.name, consequence: 'begins empty: nothing of the input that was processed before is in it' })),
    ...next.stores.flatMap((store) => {
      const old = before.get(store.name)
      return old === undefined ? [] : keptStore(old, store, { deployed, next })
    }),
  ]
}

function orphanedStore(store: StoreSummary, added: readonly StoreSummary[]): TopologyChange {
  const twin = isNumbered(store.name) ? added.find((candidate) => isNumbered(candidate.name) && candidate.type === store.type) : undefined
  const advice = twin === undefined ? '' : `; if ${twin.name} is meant to be the same, a number has moved: give the store a name, now that it is to be built anew`
  const rows = store.changelog === 'own' ? 'its changelog topic stays, and nothing reads it' : 'its rows are gone'
  return { kind: 'orphaned', what: 'store', name: store.name, consequence: `${rows}${advice}` }
}

function keptStore(old: StoreSummary, store: StoreSummary, { deployed, next }: { readonly deployed: TopologySummary; readonly next: TopologySummary }): readonly TopologyChange[] {
  const change = (kind: ChangeKind, consequence: string): TopologyChange => ({ kind, what: 'store', name: store.name, consequence })
  if (layoutOf(old.type) !== layoutOf(store.type)) return [change('incompatible', `its rows were those of a ${old.type} store, and are read as those of a ${store.type} store`)]
  const formats = (['key', 'value'] as const).filter((part) => old[part] !== store[part] && old[part] !== 'custom' && store[part] !== 'custom')
  if (formats.length > 0) return [change('incompatible', formats.map((part) => `its ${part}s were written as ${old[part]}, and are read as ${store[part]}`).join('; '))]
  if (old.windowSizeMs !== store.windowSizeMs) {
    return [change('incompatible', `its windows were ${msText(old.windowSizeMs)} long, and are ${msText(store.windowSizeMs)} now: rows of both kinds would stand side by side`)]
  }
  if (old.changelog === 'none' && store.changelog !== 'none') return [change('new', 'begins empty: it had no changelog to be restored from')]
  if (old.changelog !== 'none' && store.changelog === 'none') return [change('orphaned', 'it has no changelog any more, so it begins empty, and the old one stays and is not read')]
  if (JSON.stringify(old.changelog) !== JSON.stringify(store.changelog)) return [change('incompatible', `it was restored from ${changelogText(old)}, and is from ${changelogText(store)}`)]
  const [was, is] = [inputsOf(deployed, store.name), inputsOf(next, store.name)]
  const moved = was.join() === is.join() ? '' : `; what it is partitioned with has changed from ${was.join(', ') || 'nothing'} to ${is.join(', ') || 'nothing'}: the numbers of partitions must be equal, or the application does not start`
  const kept = old.retentionMs === store.retentionMs && old.historyMs === store.historyMs ? '' : '; it keeps rows for another time than before'
  return [change('restored', `goes on with its rows${kept}${moved}`)]
}

/** Stores with and without timestamps, and those that forget by use, share the layout of their rows only with their like. */
function layoutOf(type: string): string {
  return type.replace(/-lru$|^lru$/, (lru) => (lru === 'lru' ? 'key-value' : '-key-value'))
}

function inputsOf(topology: TopologySummary, store: string): readonly string[] {
  return topology.subTopologies.find(({ stores }) => stores.includes(store))?.sourceTopics ?? []
}

function changelogText({ changelog }: StoreSummary): string {
  return typeof changelog === 'string' ? 'a changelog of its own' : `the topic ${changelog.sourceTopic}`
}

function msText(ms: number | null): string {
  return ms === null ? 'without end' : `${ms} ms`
}

/** `KSTREAM-AGGREGATE-STATE-STORE-0000000003`. */
function isNumbered(name: string): boolean {
  return /-[0-9]{10}(-|$)/.test(name)
}

// ------------------------------------------------------------------------------------------------ topics

function repartitionChanges(deployed: TopologySummary, next: TopologySummary): readonly TopologyChange[] {
  const [before, after] = [byName(deployed.repartitionTopics), byName(next.repartitionTopics)]
  const what = 'repartition topic'
  return [
    ...deployed.repartitionTopics.filter(({ name }) => !after.has(name)).map(({ name }): TopologyChange => ({
      kind: 'orphaned', what, name, consequence: 'records in it that are not processed yet are never processed: stop the application when it has caught up',
    })),
    ...next.repartitionTopics.filter(({ name }) => !before.has(name)).map(({ name }): TopologyChange => ({
      kind: 'repartitioned', what, name, consequence: 'records go through this new topic from now on, by their keys',
    })),
    ...next.repartitionTopics.flatMap(({ name, partitions }): readonly TopologyChange[] => {
      const old = before.get(name)
      if (old === undefined || old.partitions === partitions) return []
      const text = (count: number | null) => (count === null ? 'as many partitions as its inputs' : `${count} partitions`)
      return [{ kind: 'incompatible', what, name, consequence: `it had ${text(old.partitions)}, and should have ${text(partitions)}: the application does not start; reset it, or keep the number` }]
    }),
  ]
}

function inputChanges(deployed: TopologySummary, next: TopologySummary): readonly TopologyChange[] {
  const [before, after] = [inputs(deployed), inputs(next)]
  return [
    ...before.filter((name) => !after.includes(name)).map((name): TopologyChange => ({ kind: 'orphaned', what: 'input topic', name, consequence: 'is not read any more; its committed offsets stay in the group' })),
    ...after.filter((name) => !before.includes(name)).map((name): TopologyChange => ({ kind: 'new', what: 'input topic', name, consequence: 'is read from where `offsetReset` says, not from where the other topics are' })),
  ]
}

function inputs({ subTopologies, repartitionTopics }: TopologySummary): readonly string[] {
  const own = byName(repartitionTopics)
  return [...new Set(subTopologies.flatMap(({ sourceTopics }) => sourceTopics))].filter((name) => !own.has(name)).sort()
}

function globalChanges(deployed: TopologySummary, next: TopologySummary): readonly TopologyChange[] {
  const before = byName(deployed.globalStores)
  return next.globalStores.flatMap(({ name, topic }): readonly TopologyChange[] => {
    if (before.get(name)?.topic === topic) return []
    return [{ kind: 'new', what: 'global store', name, consequence: `is filled from the whole topic ${topic} before the first record is processed` }]
  })
}

function byName<T extends { readonly name: string }>(list: readonly T[]): ReadonlyMap<string, T> {
  return new Map(list.map((entry) => [entry.name, entry]))
}
