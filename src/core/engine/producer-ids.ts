import type { TopicCatalog } from './topic-catalog.ts'

/** As Kafka: one write for a thousand ids; those not used are lost at a restart, which costs nothing. */
const blockSize = 1000

/** Gives out producer ids that were never given out before, also not before a crash. */
export class ProducerIds {
  readonly #catalog: TopicCatalog
  #next = 0
  #end = 0
  #reserving: Promise<void> | null = null

  constructor(catalog: TopicCatalog) {
    this.#catalog = catalog
  }

  async next(): Promise<number> {
    while (this.#next === this.#end) {
      this.#reserving ??= this.#reserve().finally(() => (this.#reserving = null))
      await this.#reserving
    }
    return this.#next++
  }

  async #reserve(): Promise<void> {
    this.#next = await this.#catalog.reserveProducerIds(blockSize)
    this.#end = this.#next + blockSize
  }
}
