import { StreamError } from '../../core/index.ts'
import { describeTopology } from './describe.ts'
import { svgOf } from './diagram-svg.ts'
import { dotOf, mermaidOf } from './diagram-text.ts'
import { summaryOf } from './summary.ts'
import type { GlobalStore, RepartitionTopicSpec, StoreSpec, SubTopology, TopologyData, TopologyNode } from './node.ts'

export type DescriptionFormat = 'text' | 'mermaid' | 'dot' | 'svg' | 'json'

/**
 * What a program becomes: operators, state stores and internal topics as plain frozen data. Nothing runs yet; give it to
 * `StreamsApp`, to `TopologyTestDriver`, or to `millrace run` as a module's default export.
 */
export class Topology implements TopologyData {
  readonly nodes: readonly TopologyNode[]
  readonly stores: readonly StoreSpec[]
  readonly repartitionTopics: readonly RepartitionTopicSpec[]
  readonly copartitionGroups: readonly (readonly string[])[]
  readonly subTopologies: readonly SubTopology[]
  readonly globalStores: readonly GlobalStore[]

  constructor(data: TopologyData) {
    this.nodes = data.nodes
    this.stores = data.stores
    this.repartitionTopics = data.repartitionTopics
    this.copartitionGroups = data.copartitionGroups
    this.subTopologies = data.subTopologies
    this.globalStores = data.globalStores
    Object.defineProperty(this, brand, { value: true })
    Object.freeze(this)
  }

  /**
   * `text` (default): what Kafka Streams prints for the same program, to the byte. `mermaid`: a flowchart for Markdown;
   * `dot`: for Graphviz; `svg`: a picture by itself; `json`: what `compareTopologies` needs of a deployed topology.
   */
  describe(format: DescriptionFormat = 'text'): string {
    switch (format) {
      case 'text': return describeTopology(this)
      case 'mermaid': return mermaidOf(this)
      case 'dot': return dotOf(this)
      case 'svg': return svgOf(this)
      case 'json': return `${JSON.stringify(summaryOf(this), null, 2)}\n`
    }
  }
}

const brand: unique symbol = Symbol.for('millrace.Topology') as never

/** True for a topology of any copy of this package. */
export function isTopology(candidate: unknown): candidate is Topology {
  return typeof candidate === 'object' && candidate !== null && (candidate as Record<symbol, unknown>)[brand] === true
}

/** For programs that no compiler has seen. @throws INVALID_ARGUMENT */
export function checkTopology(candidate: unknown, taker: string): void {
  if (!isTopology(candidate)) throw new StreamError('INVALID_ARGUMENT', `${taker} takes a topology, which builder.build() gives`)
}
