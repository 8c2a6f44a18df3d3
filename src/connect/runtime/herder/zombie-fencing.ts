import type { Broker } from '../../../core/index.ts'
import { isStreamError } from '../../../core/index.ts'
import { sourceTransactionalId } from '../client-settings.ts'
import type { PlannedTask, SourceGate } from '../source-gate.ts'
import type { Cluster } from './cluster.ts'
import type { ConfigStore } from './config-store.ts'
import { NotHere, unavailable } from './refusal.ts'

export interface ZombieFencingOptions {
  readonly broker: Pick<Broker, 'openProducer'>
  readonly configs: ConfigStore
  readonly cluster: Cluster
  readonly groupId: string
  /** Asks the leader, when that is another worker; absent: this one always is. */
  readonly askLeader?: (connector: string, signal: AbortSignal) => Promise<void>
}

/** Transactional ids that are taken over at the same time. */
const idsAtOnce = 8

/**
 * Shuts out tasks of earlier plans of an exactly-once source, wherever they hang: one round before the first task of each plan
 * starts (KIP-618). A task whose number the new plan has, too, would be fenced by the one that takes its place; one of a larger
 * plan by nobody.
 * ```
 *   a plan is committed ──▶ pending ──fence 0 … n-1 of the plan before, tasks-fencing is written──▶ its tasks may start
 * ```
 */
export class ZombieFencing implements SourceGate {
  readonly #options: ZombieFencingOptions
  readonly #rounds = new Map<string, Promise<void>>()

  constructor(options: ZombieFencingOptions) {
    this.#options = options
  }

  async enter(task: PlannedTask, signal: AbortSignal): Promise<void> {
    try {
      await this.fence(task.connector)
    } catch (error) {
      const { askLeader } = this.#options
      if (!(error instanceof NotHere) || askLeader === undefined) throw error
      await askLeader(task.connector, signal)
    }
    this.#requireCurrent(task)
  }

  async confirm(task: PlannedTask): Promise<void> {
    await this.#options.configs.refresh()
    this.#requireCurrent(task)
  }

  /** The leader's. Resolves when no task of an earlier plan can write; tasks that ask at the same time share a round. @throws NotHere, BACKEND_UNAVAILABLE (retriable) */
  async fence(connector: string): Promise<void> {
    const { configs, cluster } = this.#options
    cluster.requireLeader()
    await configs.refresh()
    while (configs.state.fencing(connector).isPending) {
      if (!this.#rounds.has(connector)) this.#rounds.set(connector, this.#round(connector).finally(() => this.#rounds.delete(connector)))
      await this.#rounds.get(connector)
    }
  }

  async #round(connector: string): Promise<void> {
    const { configs } = this.#options
    const stored = configs.state.get(connector)
    if (stored === undefined) throw unavailable(`connector ${connector} is no more`)
    const { generation, tasks: before } = configs.state.fencing(connector)
    const now = stored.tasks.length
    // where one follows one, it fences that by itself; where nothing is known, no task ever had a transactional id
    if (before !== null && !(before === 1 && now === 1)) await this.#takeOver(connector, before)
    await configs.putFencedTasks(connector, now, generation)
  }

  async #takeOver(connector: string, tasks: number): Promise<void> {
    for (let from = 0; from < tasks; from += idsAtOnce) {
      await Promise.all(Array.from({ length: Math.min(idsAtOnce, tasks - from) }, (_, index) => this.#takeOverTask(connector, from + index)))
    }
  }

  async #takeOverTask(connector: string, task: number): Promise<void> {
    const { broker, groupId } = this.#options
    try {
      await (await broker.openProducer({ transactionalId: sourceTransactionalId(groupId, connector, task) })).close()
    } catch (error) {
      if (!isStreamError(error)) throw error
      throw unavailable(`task ${connector}-${task} of before could not be fenced: ${error.message}`, error)
    }
  }

  #requireCurrent({ connector, task, generation }: PlannedTask): void {
    const { configs, cluster } = this.#options
    if (configs.state.fencing(connector).generation !== generation) throw unavailable(`task ${connector}-${task} is of a plan that is not the last one any more`)
    if (!cluster.ownsTask(connector, task)) throw unavailable(`task ${connector}-${task} is another worker's now`)
  }
}
