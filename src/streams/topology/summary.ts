import { StreamError, bytesSerde, doubleSerde, integerSerde, longSerde, stringSerde } from '../../core/index.ts'
import type { Serde } from '../../core/index.ts'
import type { StoreSpec, TopologyData } from './node.ts'

/** What of a topology outlives its process: what to keep of a deployed one, and to compare the next one with. Plain JSON. */
export interface TopologySummary {
  readonly format: typeof summaryFormat
  readonly subTopologies: readonly {
    readonly id: number
    readonly sourceTopics: readonly string[]
    readonly stores: readonly string[]
  }[]
  readonly stores: readonly StoreSummary[]
  readonly repartitionTopics: readonly { readonly name: string; readonly partitions: number | null }[]
  readonly globalStores: readonly { readonly name: string; readonly topic: string }[]
}

export interface StoreSummary {
  readonly name: string
  readonly type: string
  /** Names of serdes of the package; `schema` for one made from a schema, `custom` for all others. */
  readonly key: string
  readonly value: string
  /** `own`: a topic of its own; `none`; or the source topic that serves as one. */
  readonly changelog: 'own' | 'none' | { readonly sourceTopic: string }
  readonly windowSizeMs: number | null
  readonly retentionMs: number | null
  readonly historyMs: number | null
}

const summaryFormat = 'millrace-topology-1'

export function summaryOf(topology: TopologyData): TopologySummary {
  return {
    format: summaryFormat,
    subTopologies: topology.subTopologies.map(({ id, sourceTopics, stores }) => ({ id, sourceTopics: [...sourceTopics].sort(), stores: stores.map(({ name }) => name).sort() })),
    stores: topology.stores.map(storeSummary),
    repartitionTopics: topology.repartitionTopics.map(({ name, partitions }) => ({ name, partitions })),
    globalStores: topology.globalStores.map(({ store, source }) => ({ name: store.name, topic: source.topics[0]! })),
  }
}

/** A summary that was saved as JSON. @throws INVALID_ARGUMENT when the text is none */
export function parseSummary(text: string): TopologySummary {
  const parsed = parsedJson(text) as Partial<TopologySummary> | null
  const lists = [parsed?.subTopologies, parsed?.stores, parsed?.repartitionTopics, parsed?.globalStores]
  if (parsed?.format === summaryFormat && lists.every((list) => Array.isArray(list))) return parsed as TopologySummary
  throw new StreamError('INVALID_ARGUMENT', `this is no saved topology of the format ${summaryFormat}; \`millrace describe app.ts --format json\` makes one`)
}

function parsedJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (cause) {
    throw new StreamError('INVALID_ARGUMENT', 'a saved topology is JSON, but this is not', { cause })
  }
}

function storeSummary({ name, type, keySerde, valueSerde, changelog, windowSizeMs, retentionMs, historyMs }: StoreSpec): StoreSummary {
  return {
    name,
    type,
    key: serdeName(keySerde),
    value: serdeName(valueSerde),
    changelog: changelog === null ? 'none' : changelog.sourceTopic === null ? 'own' : { sourceTopic: changelog.sourceTopic },
    windowSizeMs: finite(windowSizeMs),
    retentionMs: finite(retentionMs),
    historyMs: finite(historyMs),
  }
}

/** Unlimited windows have no number that JSON knows. */
function finite(ms: number | undefined): number | null {
  return ms === undefined || !Number.isFinite(ms) ? null : ms
}

const serdeNames: ReadonlyMap<Serde<unknown>, string> = new Map([
  [stringSerde as Serde<unknown>, 'string'], [longSerde as Serde<unknown>, 'long'], [integerSerde as Serde<unknown>, 'integer'],
  [doubleSerde as Serde<unknown>, 'double'], [bytesSerde as Serde<unknown>, 'bytes'],
])

function serdeName(serde: Serde<unknown>): string {
  return serdeNames.get(serde) ?? (serde.schema === undefined ? 'custom' : 'schema')
}
