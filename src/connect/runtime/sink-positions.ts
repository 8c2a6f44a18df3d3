import type { TopicPartition } from '../../core/index.ts'
import { partitionKey } from '../../core/index.ts'
import type { SinkOffsets } from '../connector.ts'

interface Position extends TopicPartition {
  /** The next offset after what was delivered; undefined: nothing yet. */
  delivered: number | undefined
  /** What was committed last. */
  committed: number | undefined
  isPaused: boolean
}

/** Where a sink task stands in each partition it owns. */
export class SinkPositions {
  readonly #positions = new Map<string, Position>()

  open(partitions: readonly TopicPartition[]): void {
    for (const { topic, partition } of partitions) {
      this.#positions.set(partitionKey(topic, partition), { topic, partition, delivered: undefined, committed: undefined, isPaused: false })
    }
  }

  close(partitions: readonly TopicPartition[]): void {
    for (const { topic, partition } of partitions) this.#positions.delete(partitionKey(topic, partition))
  }

  owned(): readonly TopicPartition[] {
    return [...this.#positions.values()].map(({ topic, partition }) => ({ topic, partition }))
  }

  isOwned({ topic, partition }: TopicPartition): boolean {
    return this.#positions.has(partitionKey(topic, partition))
  }

  delivered(target: TopicPartition, nextOffset: number): void {
    const position = this.#of(target)
    if (position !== undefined) position.delivered = nextOffset
  }

  /** What can be handed to `preCommit`. */
  offsets(partitions: readonly TopicPartition[] = this.owned()): SinkOffsets {
    return partitions.flatMap((each) => {
      const { topic, partition, delivered } = this.#of(each) ?? {}
      return topic === undefined || partition === undefined || delivered === undefined ? [] : [{ topic, partition, offset: delivered }]
    })
  }

  /** Of what the task answered, that which is owned, was delivered, and is news. */
  committable(answer: SinkOffsets): SinkOffsets {
    return answer.filter((each) => {
      const position = this.#of(each)
      return position?.delivered !== undefined && each.offset <= position.delivered && each.offset !== position.committed
    })
  }

  committed(offsets: SinkOffsets): void {
    for (const each of offsets) {
      const position = this.#of(each)
      if (position !== undefined) position.committed = each.offset
    }
  }

  setPaused(partitions: readonly TopicPartition[], isPaused: boolean): void {
    for (const each of partitions) {
      const position = this.#of(each)
      if (position !== undefined) position.isPaused = isPaused
    }
  }

  pausedByTask(): readonly TopicPartition[] {
    return [...this.#positions.values()].filter(({ isPaused }) => isPaused)
  }

  #of({ topic, partition }: TopicPartition): Position | undefined {
    return this.#positions.get(partitionKey(topic, partition))
  }
}
