import type { Broker, Reader, RecordBatch, RecordView, TopicPartition } from '../../core/index.ts'
import { partitionKey } from '../../core/index.ts'
import type { ActiveTask } from './active-task.ts'
import type { StreamTask } from './stream-task.ts'

/** How far the restoring of one store has come. */
export interface RestoreProgress extends TopicPartition {
  readonly taskId: string
  readonly startOffset: number
  readonly endOffset: number
  /** The next offset to restore; equal to `endOffset` when done. */
  readonly position: number
}

/** A changelog partition on its way into a store. */
interface Changelog extends TopicPartition {
  readonly startOffset: number
  readonly endOffset: number
  offset: number
}

interface Restoring {
  readonly task: StreamTask
  readonly changelogs: Map<string, Changelog>
}

/**
 * Fills the stores of new tasks from their changelogs, a slice at a time, so that tasks which run already go on meanwhile.
 * Only committed records are read, up to where the changelog ended when the task was added; nobody else writes it, and a
 * transaction that a dead owner left open is waited out.
 */
export class Restorer {
  readonly #broker: Broker
  readonly #onProgress: (progress: RestoreProgress) => void
  readonly #tasks = new Map<string, Restoring>()
  #reader: Reader | null = null

  constructor(broker: Broker, onProgress: (progress: RestoreProgress) => void) {
    this.#broker = broker
    this.#onProgress = onProgress
  }

  /** True while the task's stores are not complete. */
  isRestoring(taskId: string): boolean {
    return this.#tasks.has(taskId)
  }

  get isIdle(): boolean {
    return this.#tasks.size === 0
  }

  /** An input that serves as a changelog is restored up to where processing goes on, and no further. */
  async add({ task, plan: { partition }, inputs }: ActiveTask): Promise<void> {
    const changelogs = task.changelogTopics.map((topic) => ({ topic, partition }))
    if (changelogs.length === 0) return
    const starts = await this.#broker.topics.listOffsets(changelogs.map((changelog) => ({ ...changelog, at: 'earliest' as const })))
    // Not the last stable offset: a commit may be answered before its markers are in the changelog, and what it committed must be restored.
    const ends = await this.#broker.topics.listOffsets(changelogs.map((changelog) => ({ ...changelog, at: 'latest' as const })), { isolation: 'read-uncommitted' })
    const open = changelogs.map(({ topic }, index): Changelog => {
      const input = inputs.find((candidate) => candidate.topic === topic && candidate.partition === partition)
      const endOffset = input?.position ?? ends[index]!.offset
      const startOffset = task.restoreFrom(topic, starts[index]!.offset, endOffset)
      return { topic, partition, startOffset, offset: startOffset, endOffset }
    })
    this.#tasks.set(task.taskId, { task, changelogs: new Map(open.map((changelog) => [partitionKey(changelog.topic, partition), changelog])) })
    for (const changelog of open) this.#report(task.taskId, changelog)
    this.#dropFinished()
    this.#assign()
  }

  remove(taskId: string): void {
    if (this.#tasks.delete(taskId)) this.#assign()
  }

  /** Reads and applies one slice of all changelogs that are open; does not wait for data. */
  async restoreSlice(maxBytes: number): Promise<void> {
    if (this.isIdle) return
    if (this.#reader === null) {
      this.#reader = await this.#broker.openReader()
      this.#assign()
    }
    const { partitions } = await this.#reader.read({ maxBytes, maxWaitMs: 0, isolation: 'read-committed' })
    for (const { topic, partition, batches, nextOffset } of partitions) {
      const found = this.#find(topic, partition)
      if (found === null) continue
      const { endOffset } = found.changelog
      found.task.restore(topic, batches.filter((batch) => batch.baseOffset < endOffset).map((batch) => cutBefore(batch, endOffset)))
      found.task.checkpoint(new Map([[topic, Math.min(nextOffset, endOffset)]]))
      found.changelog.offset = nextOffset
      this.#report(found.task.taskId, found.changelog)
    }
    if (this.#dropFinished()) this.#assign()
  }

  async close(): Promise<void> {
    this.#tasks.clear()
    await this.#reader?.close()
    this.#reader = null
  }

  #find(topic: string, partition: number): { readonly task: StreamTask; readonly changelog: Changelog } | null {
    for (const { task, changelogs } of this.#tasks.values()) {
      const changelog = changelogs.get(partitionKey(topic, partition))
      if (changelog !== undefined) return { task, changelog }
    }
    return null
  }

  #dropFinished(): boolean {
    let changed = false
    for (const [taskId, { changelogs }] of this.#tasks) {
      for (const [key, { offset, endOffset }] of changelogs) {
        if (offset >= endOffset) changed = changelogs.delete(key)
      }
      if (changelogs.size === 0) this.#tasks.delete(taskId)
    }
    return changed
  }

  #assign(): void {
    const open = [...this.#tasks.values()].flatMap(({ changelogs }) => [...changelogs.values()])
    this.#reader?.assign(open.map(({ topic, partition, offset }) => ({ topic, partition, offset })))
  }

  #report(taskId: string, { topic, partition, startOffset, endOffset, offset }: Changelog): void {
    this.#onProgress({ taskId, topic, partition, startOffset, endOffset, position: Math.min(offset, endOffset) })
  }
}

/** The batch without records from `endOffset` on: what an input has beyond its committed offset is not state yet. */
function cutBefore(batch: RecordBatch, endOffset: number): RecordBatch {
  if (batch.lastOffset < endOffset) return batch
  const { baseOffset, lastOffset, maxTimestamp, producerId, recordCount, sizeBytes } = batch
  const records = function* (): Iterator<RecordView> {
    for (const record of batch) if (record.offset < endOffset) yield record
  }
  const forEach = (visit: (record: RecordView) => void) => batch.forEach((record) => { if (record.offset < endOffset) visit(record) })
  return { baseOffset, lastOffset, maxTimestamp, producerId, recordCount, sizeBytes, forEach, [Symbol.iterator]: records }
}
