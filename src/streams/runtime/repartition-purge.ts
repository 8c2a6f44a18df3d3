import type { Broker, Clock, TopicPartition } from '../../core/index.ts'

export interface RepartitionPurgeOptions {
  readonly broker: Broker
  readonly clock: Clock
  readonly intervalMs: number
  /** Names in the broker of the topics that only this application reads. */
  readonly topics: ReadonlySet<string>
}

/**
 * Deletes what was read of repartition topics, which nobody will read again: they are kept without a time limit, so that nothing is
 * lost before it is processed. Semantics: `repartition.purge.interval.ms` of Kafka Streams.
 */
export class RepartitionPurge {
  readonly #options: RepartitionPurgeOptions
  readonly #purgedTo = new Map<string, number>()
  #last: number
  #running: Promise<void> = Promise.resolve()

  constructor(options: RepartitionPurgeOptions) {
    this.#options = options
    this.#last = options.clock.monotonic()
  }

  /** `inputs` with the offsets that are committed. Does something at most once an interval, and is not waited for. */
  afterCommit(inputs: Iterable<TopicPartition & { readonly position: number }>): void {
    const { clock, intervalMs, topics } = this.#options
    if (topics.size === 0 || clock.monotonic() - this.#last < intervalMs) return
    this.#last = clock.monotonic()
    const targets = [...inputs].filter((input) => topics.has(input.topic) && input.position > (this.#purgedTo.get(`${input.topic}-${input.partition}`) ?? 0))
    this.#running = this.#running.then(() => this.#purge(targets))
  }

  /** Resolves when nothing is under way. */
  async close(): Promise<void> {
    await this.#running
  }

  /** One by one, so that a partition whose owner has changed keeps none of the others back. What fails is tried with the next interval. */
  async #purge(targets: readonly (TopicPartition & { readonly position: number })[]): Promise<void> {
    for (const { topic, partition, position } of targets) {
      try {
        await this.#options.broker.topics.deleteRecords([{ topic, partition, beforeOffset: position }])
        this.#purgedTo.set(`${topic}-${partition}`, position)
      } catch {
        // The records stay a while longer, which costs space and nothing else.
      }
    }
  }
}
