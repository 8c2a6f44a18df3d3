/** Topics whose table is in trouble: their records wait, so that those of other topics need not. */
import type { SinkOffsets, SinkRecord, TopicPartition } from 'millrace/connect'

interface Held {
  records: SinkRecord[]
  retryAtMs: number
  delayMs: number
}

const firstDelayMs = 1_000
const longestDelayMs = 60_000

export class HeldTopics {
  readonly #held = new Map<string, Held>()

  get isEmpty(): boolean {
    return this.#held.size === 0
  }

  has(topic: string): boolean {
    return this.#held.has(topic)
  }

  /** Records wait for the next try; one that failed again waits twice as long. */
  hold(topic: string, records: readonly SinkRecord[], nowMs: number): void {
    const before = this.#held.get(topic)
    const delayMs = before === undefined ? firstDelayMs : Math.min(2 * before.delayMs, longestDelayMs)
    this.#held.set(topic, { records: [...records], retryAtMs: nowMs + delayMs, delayMs })
  }

  /** Records that came although their partitions are paused. */
  add(topic: string, records: readonly SinkRecord[]): void {
    this.#held.get(topic)!.records.push(...records)
  }

  due(nowMs: number): (readonly [topic: string, records: readonly SinkRecord[]])[] {
    return [...this.#held].filter(([, held]) => held.retryAtMs <= nowMs).map(([topic, held]) => [topic, held.records] as const)
  }

  release(topic: string): void {
    this.#held.delete(topic)
  }

  /** They belong to somebody else now, who reads them again. */
  drop(partitions: readonly TopicPartition[]): void {
    for (const [topic, held] of this.#held) {
      held.records = held.records.filter((record) => !partitions.some((each) => each.topic === record.originalTopic && each.partition === record.originalPartition))
      if (held.records.length === 0) this.#held.delete(topic)
    }
  }

  /** No further than the first record that waits. */
  safe(offsets: SinkOffsets): SinkOffsets {
    if (this.#held.size === 0) return offsets
    return offsets.map((position) => {
      const first = this.#held.get(position.topic)?.records.find((record) => record.originalPartition === position.partition)
      return first === undefined ? position : { ...position, offset: Math.min(position.offset, first.originalOffset) }
    })
  }
}

export function byTopic(records: readonly SinkRecord[]): ReadonlyMap<string, readonly SinkRecord[]> {
  const topics = new Map<string, SinkRecord[]>()
  for (const record of records) {
    const known = topics.get(record.originalTopic)
    if (known === undefined) topics.set(record.originalTopic, [record])
    else known.push(record)
  }
  return topics
}
