/** Random programs of the processor API, in the notation of test/vectors/streams/FORMAT.md. */
import type { Operation, Scenario } from '../test/conformance/streams-members.ts'
import { RandomScenarioParts } from './random-scenario-parts.ts'

export class RandomProcessorProgram extends RandomScenarioParts {
  scenario(name: string): Scenario {
    if (this.chance(0.3)) this.config['statestore.cache.max.bytes'] = 10_000_000
    if (this.chance(0.2)) this.config['processing.exception.handler'] = 'LogAndContinueProcessing'
    const nodes = this.#sources()
    if (this.chance(0.3)) this.#tableFilledByItself('addReadOnlyStateStore')
    if (this.chance(0.3)) this.#tableFilledByItself('addGlobalStore')
    for (let count = 1 + this.below(6); count > 0; count--) nodes.push(this.#processor(nodes))
    for (const node of nodes) if (!this.#hasChildren(node) || this.chance(0.2)) this.#sink(node)
    const recordInternal = this.maybe(0.6, () => ({ recordInternal: true }))
    const { config, topics, operations: topology } = this
    return { name, about: 'A random program.', api: 'processor', config, topics, topology, ...recordInternal, steps: this.steps(true) }
  }

  #operation(members: Operation): void {
    this.operations.push(members)
  }

  #sources(): string[] {
    return Array.from({ length: 1 + this.below(3) }, () => {
      const name = this.newName('source')
      const topics = Array.from({ length: this.pick([1, 1, 2]) }, () => this.inputTopic('in', 'string', 'string'))
      const extractor = this.maybe(0.2, () => ({ extractor: { fn: this.pick(['valueAfterAtOrPartitionTime', 'logAndSkipOnInvalid', 'usePartitionTimeOnInvalid']) } }))
      this.#operation({ op: 'addSource', name, topics, ...extractor })
      return name
    })
  }

  /** A store that a topic fills: of this task, or of all. */
  #tableFilledByItself(op: string): void {
    const topic = this.inputTopic('table', 'string', 'string')
    this.#operation({ op, name: this.newName('filler'), store: this.storeName('keyValue'), type: 'keyValue', key: 'string', value: 'string', topic })
  }

  #processor(nodes: readonly string[]): string {
    const name = this.newName(this.pick(['p', 'q', 'z']))
    const parents = [...new Set([this.pick(nodes), ...(this.chance(0.3) ? [this.pick(nodes)] : [])])]
    const processor = this.processor()
    if (processor['store'] === undefined) {
      this.#operation({ op: 'addProcessor', name, processor, parents })
      return name
    }
    const store = this.storeOf(processor)
    const how = this.pick(['own', 'named', 'connected'])
    this.#operation({ op: 'addProcessor', name, processor: how === 'own' ? { ...processor, ownStores: [store] } : processor, parents })
    if (how !== 'own') this.#operation({ op: 'addStateStore', ...store, processors: how === 'named' ? [name] : [] })
    if (how === 'connected') this.#operation({ op: 'connectProcessorAndStateStores', to: name, stores: [store['store']] })
    return name
  }

  #hasChildren(node: string): boolean {
    return this.operations.some(({ parents }) => (parents as readonly string[] | undefined)?.includes(node) === true)
  }

  #sink(parent: string): void {
    const name = this.newName('sink')
    const to = this.chance(0.2) ? { extractor: { fn: this.pick(['outByKey', 'outByPrefix', 'outBySource']) }, key: 'string', value: 'string' } : { topic: 'out' }
    this.#operation({ op: 'addSink', name, ...to, parents: [parent] })
  }
}
