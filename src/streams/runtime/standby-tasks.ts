import { partitionKey } from '../../core/index.ts'
import type { Broker, Clock, CommittedOffset, PartitionRecords, Reader, TopicPartition } from '../../core/index.ts'
import type { TaskPlan } from './assignor.ts'
import type { TaskProgress } from './member-data.ts'
import { readChangelogs, restoreBefore } from './restore.ts'
import type { RestoreProgress } from './restore.ts'
import type { StreamTask } from './stream-task.ts'

export interface StandbyTasksOptions {
  readonly broker: Broker
  readonly clock: Clock
  /** What the group has committed. */
  readonly committed: (partitions: readonly TopicPartition[]) => Promise<readonly CommittedOffset[]>
  readonly onProgress: (progress: RestoreProgress) => void
}

/** A changelog partition that is followed. */
interface Followed extends TopicPartition {
  startOffset: number
  /** Where it was seen to end. */
  endOffset: number
  offset: number
  /** An input that serves as a changelog: rows are taken up to what is committed, and no further. Else Infinity. */
  limit: number
}

interface Standby {
  readonly task: StreamTask
  readonly changelogs: readonly Followed[]
}

/** How often changelogs are looked at when nothing was new. */
const idleIntervalMs = 200

/**
 * Copies of the stores of tasks that run elsewhere, kept up to date from their changelogs, so that this member can take over
 * without restoring: only committed records, and no processor begins.
 */
export class StandbyTasks {
  readonly #options: StandbyTasksOptions
  readonly #standbys = new Map<string, Standby>()
  #warmUps: ReadonlySet<string> = new Set()
  #reader: Reader | null = null
  #nextLook = 0
  #isRefreshing = false

  constructor(options: StandbyTasksOptions) {
    this.#options = options
  }

  get tasks(): readonly StreamTask[] {
    return [...this.#standbys.values()].map(({ task }) => task)
  }

  has(taskId: string): boolean {
    return this.#standbys.has(taskId)
  }

  /** There is more to take up, and some of it came last time. */
  get isBusy(): boolean {
    if (this.#options.clock.monotonic() < this.#nextLook) return false
    return [...this.#standbys.values()].some(({ changelogs }) => changelogs.some((changelog) => remaining(changelog) > 0))
  }

  progress(): ReadonlyMap<string, TaskProgress> {
    return new Map([...this.#standbys].map(([taskId, { changelogs }]) => [taskId, {
      lag: changelogs.reduce((sum, changelog) => sum + remaining(changelog), 0),
      size: changelogs.reduce((sum, { startOffset, endOffset }) => sum + Math.max(0, endOffset - startOffset), 0),
    }]))
  }

  /** From now on the task's stores are followed. It stands by. */
  async add(task: StreamTask, { partition, inputs }: TaskPlan): Promise<void> {
    const { broker } = this.#options
    const targets = task.changelogTopics.map((topic) => ({ topic, partition }))
    const starts = await broker.topics.listOffsets(targets.map((target) => ({ ...target, at: 'earliest' as const })))
    const ends = await broker.topics.listOffsets(targets.map((target) => ({ ...target, at: 'latest' as const })), { isolation: 'read-committed' })
    const changelogs = targets.map((target, index): Followed => {
      const isInput = inputs.some((input) => input.topic === target.topic && input.partition === partition)
      const [startOffset, endOffset] = [starts[index]!.offset, ends[index]!.offset]
      return { ...target, startOffset, endOffset, offset: task.restoreFrom(target.topic, startOffset, endOffset), limit: isInput ? 0 : Infinity }
    })
    this.#standbys.set(task.taskId, { task, changelogs })
    await this.#refreshLater()
    this.#nextLook = 0
    this.#assign()
    for (const changelog of changelogs) this.#report('start', task.taskId, changelog)
  }

  /** Of those that are followed: the ones to take over once they have caught up. */
  setWarmUps(taskIds: readonly string[]): void {
    this.#warmUps = new Set(taskIds)
  }

  /** True once when a warm-up has no more to take up than that. */
  takeWarm(acceptableLag: number): boolean {
    const progress = this.progress()
    const warm = [...this.#warmUps].filter((taskId) => (progress.get(taskId)?.lag ?? Infinity) <= acceptableLag)
    this.#warmUps = new Set([...this.#warmUps].filter((taskId) => !warm.includes(taskId)))
    return warm.length > 0
  }

  /** The task, which is not followed any more; null when it was not. */
  take(taskId: string): StreamTask | null {
    const found = this.#standbys.get(taskId)
    if (found === undefined) return null
    this.#standbys.delete(taskId)
    this.#assign()
    for (const changelog of found.changelogs) this.#report('suspended', taskId, changelog)
    return found.task
  }

  /** Takes up what is new, as much as that; does not wait for data. Answers how many bytes it took. */
  async update(maxBytes: number): Promise<number> {
    const { clock, broker } = this.#options
    if (this.#standbys.size === 0 || clock.monotonic() < this.#nextLook) return 0
    void this.#refreshLater()
    if (this.#reader === null) {
      this.#reader = await broker.openReader()
      this.#assign()
    }
    const followed = [...this.#standbys.values()].flatMap(({ task, changelogs }) => changelogs.map((changelog) => ({ task, changelog })))
    const { partitions, begunAnew } = await readChangelogs(broker, this.#reader, maxBytes, followed)
    for (const { task, changelog } of begunAnew) this.#report('start', task.taskId, changelog)
    let bytes = 0
    let hasToAssign = begunAnew.length > 0
    try {
      for (const read of partitions) {
        hasToAssign = this.#takeUp(read) || hasToAssign
        bytes += read.batches.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0)
      }
    } catch (error) {
      // As when stores are restored: what was not taken up is read again.
      this.#assign()
      throw error
    }
    if (hasToAssign) this.#assign()
    if (partitions.length === 0) this.#nextLook = clock.monotonic() + idleIntervalMs
    return bytes
  }

  /** True when there is more in the changelog than may be taken up at present. */
  #takeUp({ topic, partition, batches, nextOffset, lastStableOffset }: PartitionRecords): boolean {
    const found = this.#find(topic, partition)
    if (found === null) return false
    const { task, changelog } = found
    const records = restoreBefore(task, topic, batches, nextOffset, changelog.limit)
    changelog.offset = Math.min(nextOffset, changelog.limit)
    changelog.endOffset = Math.max(changelog.offset, lastStableOffset)
    this.#report('batch', task.taskId, changelog, records)
    return nextOffset >= changelog.limit
  }

  async close(): Promise<void> {
    for (const { task } of this.#standbys.values()) task.close()
    this.#standbys.clear()
    await this.#reader?.close()
    this.#reader = null
  }

  /** Beside the work of the thread: an open transaction over offsets may take its time. After a failure the next one tries again. */
  async #refreshLater(): Promise<void> {
    if (this.#isRefreshing) return
    this.#isRefreshing = true
    try {
      await this.#refreshLimits()
    } catch {
      // The limits stay where they are.
    } finally {
      this.#isRefreshing = false
    }
  }

  /** Where an input serves as a changelog, processing may have gone on. */
  async #refreshLimits(): Promise<void> {
    const limited = [...this.#standbys.values()].flatMap(({ changelogs }) => changelogs.filter(({ limit }) => limit !== Infinity))
    if (limited.length === 0) return
    const committed = new Map((await this.#options.committed(limited)).map((offset) => [partitionKey(offset.topic, offset.partition), offset.offset]))
    let hasMoved = false
    for (const changelog of limited) {
      const limit = committed.get(partitionKey(changelog.topic, changelog.partition)) ?? 0
      hasMoved ||= limit > changelog.limit
      changelog.limit = limit
    }
    if (hasMoved) this.#assign()
  }

  #find(topic: string, partition: number): { readonly task: StreamTask; readonly changelog: Followed } | null {
    for (const { task, changelogs } of this.#standbys.values()) {
      const changelog = changelogs.find((candidate) => candidate.topic === topic && candidate.partition === partition)
      if (changelog !== undefined) return { task, changelog }
    }
    return null
  }

  #report(step: RestoreProgress['step'], taskId: string, { topic, partition, startOffset, endOffset, offset }: Followed, records = 0): void {
    this.#options.onProgress({ step, taskId, isStandby: true, topic, partition, startOffset, endOffset, position: offset, records })
  }

  #assign(): void {
    const open = [...this.#standbys.values()].flatMap(({ changelogs }) => changelogs.filter(({ offset, limit }) => offset < limit))
    this.#reader?.assign(open.map(({ topic, partition, offset }) => ({ topic, partition, offset })))
  }
}

function remaining({ offset, endOffset, limit }: Followed): number {
  return Math.max(0, Math.min(endOffset, limit) - offset)
}
