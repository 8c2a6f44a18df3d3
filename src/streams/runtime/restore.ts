import type { Broker, PartitionRecords, Reader, RecordBatch, RecordView, TopicPartition } from '../../core/index.ts'
import { isStreamError, partitionKey } from '../../core/index.ts'
import type { ActiveTask } from './active-task.ts'
import type { StreamTask } from './stream-task.ts'

/** How far the restoring, or the following, of one changelog has come. Steps and offsets as StateRestoreListener and StandbyUpdateListener of Kafka Streams have them. */
export interface RestoreProgress extends TopicPartition {
  /** `suspended`: the task went away before its stores were complete, or its stores are not followed any more. */
  readonly step: 'start' | 'batch' | 'end' | 'suspended'
  readonly taskId: string
  /** The stores of a task that runs elsewhere are followed, which has no end: `endOffset` is where the changelog ends at present. */
  readonly isStandby: boolean
  /** Records of the batch that were put into the store; 0 but for `batch`. */
  readonly records: number
  readonly startOffset: number
  readonly endOffset: number
  /** The next offset to restore; equal to `endOffset` when done. */
  readonly position: number
}

/** A changelog partition on its way into a store. */
interface Changelog extends TopicPartition {
  startOffset: number
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
    for (const changelog of open) this.#report('start', task.taskId, changelog)
    this.#dropFinished()
    this.#assign()
  }

  /** The task is closed, or not to run here. */
  remove(taskId: string): void {
    const open = this.#tasks.get(taskId)
    if (open === undefined) return
    this.#tasks.delete(taskId)
    for (const changelog of open.changelogs.values()) this.#report('suspended', taskId, changelog)
    this.#assign()
  }

  /** What the task's stores still lack. */
  lag(taskId: string): number {
    const changelogs = [...(this.#tasks.get(taskId)?.changelogs.values() ?? [])]
    return changelogs.reduce((sum, { offset, endOffset }) => sum + Math.max(0, endOffset - offset), 0)
  }

  /** Reads and applies one slice of all changelogs that are open; does not wait for data. Answers how many bytes it took. */
  async restoreSlice(maxBytes: number): Promise<number> {
    if (this.isIdle) return 0
    if (this.#reader === null) {
      this.#reader = await this.#broker.openReader()
      this.#assign()
    }
    const open = [...this.#tasks.values()].flatMap(({ task, changelogs }) => [...changelogs.values()].map((changelog) => ({ task, changelog })))
    const { partitions, begunAnew } = await readChangelogs(this.#broker, this.#reader, maxBytes, open)
    for (const { task, changelog } of begunAnew) this.#report('start', task.taskId, changelog)
    let bytes = 0
    try {
      for (const read of partitions) bytes += this.#restoreRead(read)
    } catch (error) {
      // The reader is behind all that it gave: what was not put into stores is read again.
      this.#assign()
      throw error
    }
    if (this.#dropFinished() || begunAnew.length > 0) this.#assign()
    return bytes
  }

  /** Answers how many bytes were put into stores. */
  #restoreRead({ topic, partition, batches, nextOffset }: PartitionRecords): number {
    const found = this.#find(topic, partition)
    if (found === null) return 0
    const records = restoreBefore(found.task, topic, batches, nextOffset, found.changelog.endOffset)
    found.changelog.offset = nextOffset
    this.#report('batch', found.task.taskId, found.changelog, records)
    return batches.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0)
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
      for (const [key, changelog] of changelogs) {
        if (changelog.offset < changelog.endOffset) continue
        changed = changelogs.delete(key)
        this.#report('end', taskId, changelog)
      }
      if (changelogs.size === 0) this.#tasks.delete(taskId)
    }
    return changed
  }

  #assign(): void {
    const open = [...this.#tasks.values()].flatMap(({ changelogs }) => [...changelogs.values()])
    this.#reader?.assign(open.map(({ topic, partition, offset }) => ({ topic, partition, offset })))
  }

  #report(step: RestoreProgress['step'], taskId: string, { topic, partition, startOffset, endOffset, offset }: Changelog, records = 0): void {
    this.#onProgress({ step, taskId, isStandby: false, topic, partition, startOffset, endOffset, position: Math.min(offset, endOffset), records })
  }
}

/** A changelog that is read into the stores of a task. */
export interface OpenChangelog {
  readonly task: StreamTask
  readonly changelog: TopicPartition & { startOffset: number; readonly endOffset: number; offset: number }
}

interface ChangelogRead<Open> {
  readonly partitions: readonly PartitionRecords[]
  readonly begunAnew: readonly Open[]
}

/**
 * Reads what is there of changelogs. Retention may have taken, while others were read, the records that come next in one of them: a
 * deletion may be among what is gone, so that its stores are emptied and begin anew where it begins now.
 */
export async function readChangelogs<Open extends OpenChangelog>(broker: Broker, reader: Reader, maxBytes: number, open: readonly Open[]): Promise<ChangelogRead<Open>> {
  try {
    const { partitions } = await reader.read({ maxBytes, maxWaitMs: 0, isolation: 'read-committed' })
    return { partitions, begunAnew: [] }
  } catch (error) {
    if (!isStreamError(error, 'OFFSET_OUT_OF_RANGE')) throw error
    const starts = await broker.topics.listOffsets(open.map(({ changelog: { topic, partition } }) => ({ topic, partition, at: 'earliest' as const })))
    const begunAnew = open.filter(({ changelog }, index) => changelog.offset < starts[index]!.offset)
    if (begunAnew.length === 0) throw error
    for (const each of begunAnew) beginAnew(each, starts[open.indexOf(each)]!.offset)
    return { partitions: [], begunAnew }
  }
}

function beginAnew({ task, changelog }: OpenChangelog, start: number): void {
  changelog.startOffset = changelog.offset = task.restoreFrom(changelog.topic, start, changelog.endOffset)
}

/** Puts what was read of a changelog into a task's stores, up to `endOffset`; answers how many records that were. */
export function restoreBefore(task: StreamTask, topic: string, batches: readonly RecordBatch[], nextOffset: number, endOffset: number): number {
  const wanted = batches.filter((batch) => batch.baseOffset < endOffset).map((batch) => cutBefore(batch, endOffset))
  const records = task.restore(topic, wanted)
  task.checkpoint(new Map([[topic, Math.min(nextOffset, endOffset)]]))
  return records
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
