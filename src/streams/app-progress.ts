import { sleep } from '../core/index.ts'
import type { Broker, Clock, StreamError, TopicPartition } from '../core/index.ts'
import { sourceTopicsInBroker } from './runtime/assignor.ts'
import { topicInBroker } from './topology/internal-topics.ts'
import type { TopologyData } from './topology/node.ts'

export interface AppProgressOptions {
  readonly topology: TopologyData
  readonly broker: Broker
  readonly applicationId: string
  readonly clock: Clock
  readonly partitionCounts: () => ReadonlyMap<string, number>
  /** Why there will be no progress any more; null: there may be. */
  readonly problem: () => StreamError | null
  /** Somebody waits for what is processed here to be committed. */
  readonly commitWhenIdle: () => void
}

/** How far the application's commits are in its input. */
export class AppProgress {
  readonly #options: AppProgressOptions
  readonly #waiters = new Set<() => void>()

  constructor(options: AppProgressOptions) {
    this.#options = options
  }

  /** Something was committed here, or nothing will be any more: those who wait look again. */
  noteCommit(): void {
    for (const wake of this.#waiters) wake()
  }

  /**
   * Resolves when all input that was there at the time of the call, and all that followed from it between the parts of the
   * topology, is processed and committed, by this instance or others. @throws `problem`
   */
  async caughtUp(): Promise<void> {
    const { topology, applicationId } = this.#options
    const targets = await this.#ends(this.#sourceTopics())
    for (;;) {
      await this.#committedUpTo(targets)
      const ends = await this.#ends(topology.repartitionTopics.map(({ name }) => topicInBroker(applicationId, topology, name)))
      if ((await this.#behind(ends)).length === 0) return
      for (const [key, end] of ends) targets.set(key, end)
    }
  }

  #sourceTopics(): readonly string[] {
    const { topology, applicationId, partitionCounts } = this.#options
    return [...new Set(topology.subTopologies.flatMap((part) => sourceTopicsInBroker(topology, applicationId, part, partitionCounts())))]
  }

  async #ends(topics: readonly string[]): Promise<Map<TopicPartition, number>> {
    const { broker, partitionCounts } = this.#options
    const counts = partitionCounts()
    const queries = topics.flatMap((topic) => Array.from({ length: counts.get(topic) ?? 0 }, (_, partition) => ({ topic, partition, at: 'latest' as const })))
    // What was committed a moment ago may not be below the last stable offset yet.
    const answers = await broker.topics.listOffsets(queries, { isolation: 'read-uncommitted' })
    const starts = await broker.topics.listOffsets(queries.map((query) => ({ ...query, at: 'earliest' as const })))
    return new Map(answers.flatMap(({ topic, partition, offset }, index) => (offset > starts[index]!.offset ? [[{ topic, partition }, offset] as const] : [])))
  }

  async #committedUpTo(targets: ReadonlyMap<TopicPartition, number>): Promise<void> {
    while ((await this.#behind(targets)).length > 0) {
      const problem = this.#options.problem()
      if (problem !== null) throw problem
      this.#options.commitWhenIdle()
      await this.#nextCommit()
    }
  }

  async #behind(targets: ReadonlyMap<TopicPartition, number>): Promise<readonly TopicPartition[]> {
    const { broker, applicationId } = this.#options
    const { offsets } = await broker.groups.describe(applicationId)
    const behind = [...targets].filter(([{ topic, partition }, end]) => {
      const committed = offsets.find((offset) => offset.topic === topic && offset.partition === partition)
      return (committed?.offset ?? 0) < end
    })
    // Retention may have taken meanwhile what was waited for.
    const starts = await broker.topics.listOffsets(behind.map(([target]) => ({ ...target, at: 'earliest' as const })))
    return behind.filter(([, end], index) => starts[index]!.offset < end).map(([partition]) => partition)
  }

  /** The next commit here, or a moment, in which another instance may have committed. */
  async #nextCommit(): Promise<void> {
    const wait = new AbortController()
    const wake = () => wait.abort()
    this.#waiters.add(wake)
    await sleep(this.#options.clock, 100, wait.signal)
    this.#waiters.delete(wake)
  }
}
