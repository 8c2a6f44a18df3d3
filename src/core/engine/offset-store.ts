import type { CommittedOffset } from '../broker.ts'
import { StreamError } from '../errors.ts'
import { readMarker } from '../log/control-batch.ts'
import type { RecordBatchView } from '../log/record-batch.ts'
import { partitionKey } from '../record.ts'
import type { TopicPartition } from '../record.ts'
import { decodeOffsetValue, decodeOffsetsTopicKey, encodeOffsetKey, encodeOffsetValue } from './coordinator-records.ts'
import type { OffsetCommitValue } from './coordinator-records.ts'
import type { InternalRecord, InternalTopic } from './internal-topic.ts'
import type { ProducerIdentity, TransactionOutcome } from './transaction-state.ts'

interface StoredOffset extends OffsetCommitValue, TopicPartition {
  /** Tells a topic from one of the same name that was removed; null when it was not recorded. */
  readonly topicId: Uint8Array | null
  /** Of its record in the offsets topic, where compaction keeps the last one of a key: so the last one counts here, too. */
  readonly position: number
}

type OffsetsByPartition = Map<string, StoredOffset>

/**
 * Committed offsets: in memory, and as records of `__consumer_offsets`. Offsets that are part of a transaction are kept
 * apart until its marker says what became of them.
 */
export class OffsetStore {
  readonly #topic: InternalTopic
  readonly #topicIdOf: (topic: string) => Uint8Array | null
  readonly #committed = new Map<string, OffsetsByPartition>()
  /** By producer id, then by group. */
  readonly #pending = new Map<number, Map<string, OffsetsByPartition>>()
  /** Commits of each group that are on their way to the disk. */
  readonly #committing = new Map<string, number>()
  readonly #settledListeners = new Set<() => void>()

  constructor(topic: InternalTopic, topicIdOf: (topic: string) => Uint8Array | null) {
    this.#topic = topic
    this.#topicIdOf = topicIdOf
  }

  /** One batch of the offsets topic at start; `visitGroup` gets the records that are about groups. */
  replay(batch: RecordBatchView, visitGroup: (groupId: string, value: Uint8Array | null, kind: 'group' | 'next-group') => void): void {
    if (batch.isControl) {
      const marker = readMarker(batch)
      if (marker !== null) this.completeTransaction(batch.producerId, marker.type)
      return
    }
    for (const { key, value, offset: position } of batch) {
      if (key === null) continue
      const parsed = decodeOffsetsTopicKey(key)
      if (parsed.kind === 'group' || parsed.kind === 'next-group') visitGroup(parsed.groupId, value, parsed.kind)
      if (parsed.kind !== 'offset') continue
      const target = { topic: parsed.topic, partition: parsed.partition }
      if (value === null) {
        this.#drop(parsed.groupId, [target], position)
        continue
      }
      const offsets = batch.isTransactional ? this.#pendingOffsets(batch.producerId, parsed.groupId) : this.#committedOffsets(parsed.groupId)
      put(offsets, { ...target, ...decodeOffsetValue(value), position })
    }
  }

  /**
   * Written before it returns; resolves when the offsets are durable, and only then they are to be seen.
   * @throws UNKNOWN_TOPIC_OR_PARTITION, and nothing is written: a topic of that name that is made later would be read from there
   */
  async commit(groupId: string, offsets: readonly CommittedOffset[], time: { readonly now: number; readonly retentionTimeMs: number }): Promise<void> {
    if (offsets.length === 0) return
    this.#checkTopics(offsets)
    const stored = offsets.map((offset) => this.#toStored(offset, time.now, time.retentionTimeMs))
    const { baseOffset, acknowledge } = this.#topic.append(groupId, stored.map((offset) => record(groupId, offset)))
    this.#committing.set(groupId, (this.#committing.get(groupId) ?? 0) + 1)
    try {
      await acknowledge('durable')
    } finally {
      const others = this.#committing.get(groupId)! - 1
      if (others > 0) this.#committing.set(groupId, others)
      else this.#committing.delete(groupId)
    }
    for (const [index, offset] of stored.entries()) if (this.#isCurrent(offset)) put(this.#committedOffsets(groupId), { ...offset, position: baseOffset + index })
  }

  /** Writes the offsets as part of a transaction; its marker settles them, and its end makes them durable. @throws as `commit` */
  commitInTransaction(groupId: string, producer: ProducerIdentity, offsets: readonly CommittedOffset[], now: number): void {
    this.#checkTopics(offsets)
    const stored = offsets.map((offset) => this.#toStored(offset, now))
    const baseOffset = this.#topic.writeUnacknowledged(groupId, stored.map((offset) => record(groupId, offset)), producer)
    for (const [index, offset] of stored.entries()) put(this.#pendingOffsets(producer.producerId, groupId), { ...offset, position: baseOffset + index })
  }

  #checkTopics(offsets: readonly CommittedOffset[]): void {
    const unknown = offsets.find(({ topic }) => this.#topicIdOf(topic) === null)
    if (unknown === undefined) return
    const { topic, partition } = unknown
    throw new StreamError('UNKNOWN_TOPIC_OR_PARTITION', `an offset of ${topic}-${partition} cannot be committed: topic '${topic}' does not exist`, { details: { topic, partition } })
  }

  /** False for an offset of a topic that was removed and made anew since. */
  #isCurrent({ topic, topicId }: StoredOffset): boolean {
    const current = topicId === null ? null : this.#topicIdOf(topic)
    return current === null || Buffer.compare(current, topicId!) === 0
  }

  completeTransaction(producerId: number, outcome: TransactionOutcome): void {
    const groups = this.#pending.get(producerId)
    if (groups === undefined) return
    this.#pending.delete(producerId)
    if (outcome === 'commit') {
      for (const [groupId, offsets] of groups) for (const offset of offsets.values()) put(this.#committedOffsets(groupId), offset)
    }
    for (const listener of this.#settledListeners) listener()
  }

  /** Absent where nothing was committed. All of the group's when `partitions` is null, sorted. */
  fetch(groupId: string, partitions: readonly TopicPartition[] | null): readonly CommittedOffset[] {
    const offsets = this.#committed.get(groupId)
    if (offsets === undefined) return []
    const found = partitions === null ? [...offsets.values()].sort(byPartition) : partitions.flatMap((target) => offsets.get(keyOf(target)) ?? [])
    return found.filter((offset) => this.#isCurrent(offset)).map(({ topic, partition, offset, metadata }) => ({ topic, partition, offset, metadata }))
  }

  /** True while an open transaction may change one of these offsets. */
  isUnstable(groupId: string, partitions: readonly TopicPartition[] | null): boolean {
    for (const groups of this.#pending.values()) {
      const offsets = groups.get(groupId)
      if (offsets !== undefined && (partitions === null || partitions.some((target) => offsets.has(keyOf(target))))) return true
    }
    return false
  }

  /** Calls back whenever a transaction over offsets has ended. */
  onSettled(listener: () => void): () => void {
    this.#settledListeners.add(listener)
    return () => this.#settledListeners.delete(listener)
  }

  groupIds(): Iterable<string> {
    return this.#committed.keys()
  }

  has(groupId: string): boolean {
    return this.#committed.has(groupId)
  }

  /** Forgets a group's offsets, those of open transactions too; `alsoWrite` goes into the same batch, which is written before it returns. */
  async removeGroup(groupId: string, alsoWrite: readonly InternalRecord[] = []): Promise<void> {
    await this.#forget(groupId, this.#allOf(groupId), alsoWrite)
  }

  async remove(groupId: string, partitions: readonly TopicPartition[]): Promise<void> {
    const known = new Set(this.#allOf(groupId).map(keyOf))
    await this.#forget(groupId, partitions.filter((target) => known.has(keyOf(target))), [])
  }

  /** Forgets the group's offsets that `isExpired` says are; resolves to true when none is left. One that is being committed may be younger than it seems. */
  async expire(groupId: string, isExpired: (offset: OffsetCommitValue & TopicPartition) => boolean): Promise<boolean> {
    if (this.#committing.has(groupId)) return false
    const offsets = this.#committed.get(groupId)
    const expired = [...(offsets?.values() ?? [])].filter((offset) => isExpired(offset) && !this.isUnstable(groupId, [offset]))
    await this.#forget(groupId, expired, [])
    return !this.#committed.has(groupId) && !this.#committing.has(groupId)
  }

  /** The topic is gone, and with it what groups have committed for it, or are about to commit in a transaction. */
  async removeTopic(topic: string): Promise<void> {
    const groupIds = new Set([...this.#committed.keys(), ...[...this.#pending.values()].flatMap((groups) => [...groups.keys()])])
    for (const groupId of groupIds) {
      const removed = this.#allOf(groupId).filter((offset) => offset.topic === topic)
      if (removed.length > 0) await this.#forget(groupId, removed, [])
    }
  }

  /** Each partition once, whether its offset is committed, pending or both. */
  #allOf(groupId: string): readonly TopicPartition[] {
    const pending = [...this.#pending.values()].flatMap((groups) => [...(groups.get(groupId)?.values() ?? [])])
    const all = [...(this.#committed.get(groupId)?.values() ?? []), ...pending].map(({ topic, partition }) => ({ topic, partition }))
    return [...new Map(all.map((target) => [keyOf(target), target])).values()]
  }

  async #forget(groupId: string, offsets: readonly TopicPartition[], alsoWrite: readonly InternalRecord[]): Promise<void> {
    const tombstones = offsets.map((offset) => ({ key: encodeOffsetKey(groupId, offset), value: null }))
    if (tombstones.length + alsoWrite.length === 0) return
    if (!this.#topic.exists) await this.#topic.ensure()
    const { baseOffset, acknowledge } = this.#topic.append(groupId, [...tombstones, ...alsoWrite])
    await acknowledge('durable')
    this.#drop(groupId, offsets, baseOffset)
  }

  /** What was written before that position. A group without offsets is not kept: it would be listed for ever. */
  #drop(groupId: string, targets: readonly TopicPartition[], position: number): void {
    const stored = this.#committed.get(groupId)
    for (const offsets of [stored, ...[...this.#pending.values()].map((groups) => groups.get(groupId))]) {
      for (const key of targets.map(keyOf)) if ((offsets?.get(key)?.position ?? position) < position) offsets!.delete(key)
    }
    if (stored?.size === 0) this.#committed.delete(groupId)
  }

  #toStored({ topic, partition, offset, metadata }: CommittedOffset, now: number, retentionTimeMs = -1): StoredOffset {
    const expireTimestamp = retentionTimeMs < 0 ? -1 : now + retentionTimeMs
    return { topic, partition, offset, metadata: metadata ?? '', commitTimestamp: now, expireTimestamp, topicId: this.#topicIdOf(topic), position: -1 }
  }

  #committedOffsets(groupId: string): OffsetsByPartition {
    return getOrAdd(this.#committed, groupId)
  }

  #pendingOffsets(producerId: number, groupId: string): OffsetsByPartition {
    let groups = this.#pending.get(producerId)
    if (groups === undefined) this.#pending.set(producerId, (groups = new Map()))
    return getOrAdd(groups, groupId)
  }
}

function record(groupId: string, offset: StoredOffset): InternalRecord {
  return { key: encodeOffsetKey(groupId, offset), value: encodeOffsetValue(offset) }
}

function getOrAdd(groups: Map<string, OffsetsByPartition>, groupId: string): OffsetsByPartition {
  let offsets = groups.get(groupId)
  if (offsets === undefined) groups.set(groupId, (offsets = new Map()))
  return offsets
}

function put(offsets: OffsetsByPartition, offset: StoredOffset): void {
  if ((offsets.get(keyOf(offset))?.position ?? -1) < offset.position) offsets.set(keyOf(offset), offset)
}

function keyOf({ topic, partition }: TopicPartition): string {
  return partitionKey(topic, partition)
}

function byPartition(a: TopicPartition, b: TopicPartition): number {
  if (a.topic !== b.topic) return a.topic < b.topic ? -1 : 1
  return a.partition - b.partition
}
