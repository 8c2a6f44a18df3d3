import type { CommittedOffset } from '../broker.ts'
import { readMarker } from '../log/control-batch.ts'
import type { RecordBatchView } from '../log/record-batch.ts'
import { partitionKey } from '../record.ts'
import type { TopicPartition } from '../record.ts'
import { decodeOffsetValue, decodeOffsetsTopicKey, encodeOffsetKey, encodeOffsetValue } from './coordinator-records.ts'
import type { OffsetCommitValue } from './coordinator-records.ts'
import type { InternalRecord, InternalTopic } from './internal-topic.ts'
import type { ProducerIdentity, TransactionOutcome } from './transaction-state.ts'

interface StoredOffset extends OffsetCommitValue, TopicPartition {}

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
    for (const { key, value } of batch) {
      if (key === null) continue
      const parsed = decodeOffsetsTopicKey(key)
      if (parsed.kind === 'group' || parsed.kind === 'next-group') visitGroup(parsed.groupId, value, parsed.kind)
      if (parsed.kind !== 'offset') continue
      const target = { topic: parsed.topic, partition: parsed.partition }
      if (value === null) {
        this.#drop(parsed.groupId, [target])
        continue
      }
      const offsets = batch.isTransactional ? this.#pendingOffsets(batch.producerId, parsed.groupId) : this.#committedOffsets(parsed.groupId)
      put(offsets, { ...target, ...decodeOffsetValue(value) })
    }
  }

  /** Resolves when the offsets are durable; only then they are to be seen. */
  async commit(groupId: string, offsets: readonly CommittedOffset[], time: { readonly now: number; readonly retentionTimeMs: number }): Promise<void> {
    const stored = offsets.map((offset) => toStored(offset, time.now, time.retentionTimeMs))
    await this.#topic.ensure()
    await this.#topic.write(groupId, stored.map((offset) => this.#record(groupId, offset)))
    for (const offset of stored) put(this.#committedOffsets(groupId), offset)
  }

  /** Writes the offsets as part of a transaction; its marker settles them, and its end makes them durable. */
  commitInTransaction(groupId: string, producer: ProducerIdentity, offsets: readonly CommittedOffset[], now: number): void {
    const stored = offsets.map((offset) => toStored(offset, now))
    this.#topic.writeUnacknowledged(groupId, stored.map((offset) => this.#record(groupId, offset)), producer)
    for (const offset of stored) put(this.#pendingOffsets(producer.producerId, groupId), offset)
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
    return found.map(({ topic, partition, offset, metadata }) => ({ topic, partition, offset, metadata }))
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

  /** Forgets a group's offsets; `alsoWrite` goes into the same batch. */
  async removeGroup(groupId: string, alsoWrite: readonly InternalRecord[] = []): Promise<void> {
    const offsets = [...(this.#committed.get(groupId)?.values() ?? [])]
    await this.#forget(groupId, offsets, alsoWrite)
  }

  async remove(groupId: string, partitions: readonly TopicPartition[]): Promise<void> {
    const offsets = this.#committed.get(groupId)
    await this.#forget(groupId, partitions.flatMap((target) => offsets?.get(keyOf(target)) ?? []), [])
  }

  /** Forgets the group's offsets that `isExpired` says are; resolves to true when none is left. */
  async expire(groupId: string, isExpired: (offset: OffsetCommitValue & TopicPartition) => boolean): Promise<boolean> {
    const offsets = this.#committed.get(groupId)
    const expired = [...(offsets?.values() ?? [])].filter((offset) => isExpired(offset) && !this.isUnstable(groupId, [offset]))
    await this.#forget(groupId, expired, [])
    return !this.#committed.has(groupId)
  }

  /** The topic is gone, and with it what groups have committed for it. */
  async removeTopic(topic: string): Promise<void> {
    for (const [groupId, offsets] of this.#committed) {
      const removed = [...offsets.values()].filter((offset) => offset.topic === topic)
      if (removed.length > 0) await this.#forget(groupId, removed, [])
    }
  }

  async #forget(groupId: string, offsets: readonly StoredOffset[], alsoWrite: readonly InternalRecord[]): Promise<void> {
    const tombstones = offsets.map((offset) => ({ key: encodeOffsetKey(groupId, offset), value: null }))
    if (tombstones.length + alsoWrite.length === 0) return
    await this.#topic.ensure()
    await this.#topic.write(groupId, [...tombstones, ...alsoWrite])
    this.#drop(groupId, offsets)
  }

  /** A group without offsets is not kept: it would be listed for ever. */
  #drop(groupId: string, offsets: readonly TopicPartition[]): void {
    const stored = this.#committed.get(groupId)
    for (const offset of offsets) stored?.delete(keyOf(offset))
    if (stored?.size === 0) this.#committed.delete(groupId)
  }

  #record(groupId: string, offset: StoredOffset): InternalRecord {
    return { key: encodeOffsetKey(groupId, offset), value: encodeOffsetValue(offset, this.#topicIdOf(offset.topic)) }
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

function toStored({ topic, partition, offset, metadata }: CommittedOffset, now: number, retentionTimeMs = -1): StoredOffset {
  return { topic, partition, offset, metadata: metadata ?? '', commitTimestamp: now, expireTimestamp: retentionTimeMs < 0 ? -1 : now + retentionTimeMs }
}

function getOrAdd(groups: Map<string, OffsetsByPartition>, groupId: string): OffsetsByPartition {
  let offsets = groups.get(groupId)
  if (offsets === undefined) groups.set(groupId, (offsets = new Map()))
  return offsets
}

function put(offsets: OffsetsByPartition, offset: StoredOffset): void {
  offsets.set(keyOf(offset), offset)
}

function keyOf({ topic, partition }: TopicPartition): string {
  return partitionKey(topic, partition)
}

function byPartition(a: TopicPartition, b: TopicPartition): number {
  if (a.topic !== b.topic) return a.topic < b.topic ? -1 : 1
  return a.partition - b.partition
}
