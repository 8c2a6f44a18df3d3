import type { Clock } from '../../core/index.ts'
import type { ActiveTask } from './active-task.ts'
import type { TaskPlan } from './assignor.ts'
import type { LeaderData, TaskProgress } from './member-data.ts'
import { RestorePace } from './restore-pace.ts'
import { Restorer } from './restore.ts'
import { StandbyTasks } from './standby-tasks.ts'
import type { StandbyTasksOptions } from './standby-tasks.ts'
import type { StreamTask } from './stream-task.ts'

export interface StoreUpkeepOptions extends StandbyTasksOptions {
  /** A warm-up with no more than that to take up is ready. */
  readonly acceptableRecoveryLag: number
}

/** What a thread takes up from changelogs, a slice at a time: the stores of its tasks first, and then those that it follows. */
export class StoreUpkeep {
  readonly #clock: Clock
  readonly #acceptableRecoveryLag: number
  readonly #restorer: Restorer
  readonly #standbys: StandbyTasks
  readonly #pace = new RestorePace()

  constructor(options: StoreUpkeepOptions) {
    this.#clock = options.clock
    this.#acceptableRecoveryLag = options.acceptableRecoveryLag
    this.#restorer = new Restorer(options.broker, options.onProgress)
    this.#standbys = new StandbyTasks(options)
  }

  /** Of tasks that run elsewhere. */
  get followed(): readonly StreamTask[] {
    return this.#standbys.tasks
  }

  followedLag(taskId: string): number {
    return this.#standbys.progress().get(taskId)?.lag ?? 0
  }

  get isRestored(): boolean {
    return this.#restorer.isIdle
  }

  /** There is more to take up at once. */
  get isBusy(): boolean {
    return !this.#restorer.isIdle || this.#standbys.isBusy
  }

  isRestoring(taskId: string): boolean {
    return this.#restorer.isRestoring(taskId)
  }

  /** `tasks`: those that run here. */
  progress(tasks: readonly ActiveTask[]): { readonly active: ReadonlyMap<string, TaskProgress>; readonly standby: ReadonlyMap<string, TaskProgress> } {
    const active = tasks.map(({ task }) => {
      const lag = this.#restorer.lag(task.taskId)
      return [task.taskId, { lag, size: task.changelogRecords + lag }] as const
    })
    return { active: new Map(active), standby: this.#standbys.progress() }
  }

  /** One slice, short when tasks have work; does not wait for data. */
  async slice(isBusy: boolean): Promise<void> {
    const maxBytes = this.#pace.next(isBusy)
    const started = this.#clock.monotonic()
    const bytes = this.#restorer.isIdle ? await this.#standbys.update(maxBytes) : await this.#restorer.restoreSlice(maxBytes)
    this.#pace.took(bytes, this.#clock.monotonic() - started)
  }

  /** True once for a store that is ready to be taken over. */
  takeWarm(): boolean {
    return this.#restorer.isIdle && this.#standbys.takeWarm(this.#acceptableRecoveryLag)
  }

  /** The tasks' stores are filled, up to where their changelogs end at present. After a failure none of them is, and those that are not `known` are closed: the group may give others meanwhile. */
  async restore(added: readonly ActiveTask[], known: ReadonlyMap<string, StreamTask>): Promise<void> {
    try {
      for (const active of added) await this.#restorer.add(active)
    } catch (error) {
      for (const active of added) {
        const task = this.release(active)
        if (known.get(task.taskId) !== task) task.close()
      }
      throw error
    }
  }

  /** What was followed of a task that is to run here; null: nothing. */
  takeFollowed(taskId: string): StreamTask | null {
    return this.#standbys.take(taskId)
  }

  /** The task does not run here any more. */
  release({ task }: ActiveTask): StreamTask {
    this.#restorer.remove(task.taskId)
    return task
  }

  /** Follows what the leader wants to be followed, and nothing else. `stopped`: tasks that ran here, and stand by. */
  async follow({ standbys, warmUps }: LeaderData, plans: readonly TaskPlan[], stopped: ReadonlyMap<string, StreamTask>, open: (plan: TaskPlan) => StreamTask): Promise<void> {
    for (const task of this.#standbys.tasks) if (!standbys.includes(task.taskId)) this.#standbys.take(task.taskId)?.close()
    for (const plan of plans) {
      if (standbys.includes(plan.taskId) && !this.#standbys.has(plan.taskId)) await this.#standbys.add(stopped.get(plan.taskId) ?? open(plan), plan)
    }
    this.#standbys.setWarmUps(warmUps)
  }

  async close(): Promise<void> {
    await this.#restorer.close()
    await this.#standbys.close()
  }
}
