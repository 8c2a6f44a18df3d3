import type { RawConfig } from '../../config-spec.ts'
import type { ConfigRecord, RestartRequest, SessionKey, TargetState } from './config-records.ts'

export interface StoredConnector {
  /** null: it was removed, and its target state is still there. */
  readonly config: RawConfig | null
  readonly target: TargetState
  /** One config a task, by number; those that were committed together. */
  readonly tasks: readonly RawConfig[]
  /** Tasks of a commit are missing, since compaction took them: the connector must plan anew. */
  readonly isInconsistent: boolean
}

/** What a record changed, for who acts on it. */
export type ConfigChange =
  | { readonly kind: 'connector' | 'tasks' | 'target-state' | 'removed'; readonly name: string }
  | { readonly kind: 'restart'; readonly name: string; readonly request: RestartRequest }
  | { readonly kind: 'logger'; readonly namespace: string; readonly level: string }
  | { readonly kind: 'nothing' }

const nothing: ConfigChange = { kind: 'nothing' }

/** How far earlier plans of an exactly-once source are shut out (KIP-618); it outlives the connector, since its tasks may. */
export interface FencingState {
  /** Commits of task configs seen so far: tasks of two plans have different ones. */
  readonly generation: number
  /** The tasks of the last plan whose forerunners were fenced; null: none ever was. */
  readonly tasks: number | null
  /** A plan was committed since. */
  readonly isPending: boolean
}

const neverPlanned: FencingState = { generation: 0, tasks: null, isPending: false }

/** What the records of a config topic, in their order, add up to. */
export class ConfigState {
  readonly #connectors = new Map<string, StoredConnector>()
  /** Of tasks whose commit has not come. */
  readonly #pending = new Map<string, Map<number, RawConfig>>()
  readonly #fencing = new Map<string, FencingState>()
  readonly #lives = new Map<string, number>()
  readonly #levels = new Map<string, string>()
  #sessionKey: SessionKey | null = null

  names(): readonly string[] {
    return [...this.#connectors].filter(([, { config }]) => config !== null).map(([name]) => name)
  }

  get(name: string): (StoredConnector & { readonly config: RawConfig }) | undefined {
    const found = this.#connectors.get(name)
    return found?.config == null ? undefined : { ...found, config: found.config }
  }

  get sessionKey(): SessionKey | null {
    return this.#sessionKey
  }

  fencing(name: string): FencingState {
    return this.#fencing.get(name) ?? neverPlanned
  }

  /** Another one after each stop and removal: who runs a connector of an earlier life has missed that it ended, and begins anew. */
  life(name: string): number {
    return this.#lives.get(name) ?? 0
  }

  levels(): ReadonlyMap<string, string> {
    return this.#levels
  }

  apply(record: ConfigRecord): ConfigChange {
    switch (record.kind) {
      case 'connector': return this.#applyConnector(record.name, record.config)
      case 'task': return this.#applyTask(record.name, record.task, record.config)
      case 'commit': return this.#applyCommit(record.name, record.tasks)
      case 'target-state': return this.#applyTarget(record.name, record.state)
      case 'restart': return record.request === null ? nothing : { kind: 'restart', name: record.name, request: record.request }
      case 'logger': return this.#applyLevel(record.namespace, record.level)
      case 'session-key':
        this.#sessionKey = record.key
        return nothing
      case 'fencing':
        if (record.tasks !== null) this.#fencing.set(record.name, { ...this.fencing(record.name), tasks: record.tasks, isPending: false })
        return nothing
    }
  }

  #applyConnector(name: string, config: RawConfig | null): ConfigChange {
    const known = this.#connectors.get(name)
    if (config === null) {
      this.#pending.delete(name)
      this.#connectors.delete(name)
      this.#endLife(name)
      return { kind: 'removed', name }
    }
    this.#connectors.set(name, { target: 'STARTED', tasks: [], isInconsistent: false, ...known, config })
    return { kind: 'connector', name }
  }

  #endLife(name: string): void {
    this.#lives.set(name, this.life(name) + 1)
  }

  #applyTask(name: string, task: number, config: RawConfig | null): ConfigChange {
    const pending = this.#pending.get(name) ?? new Map<number, RawConfig>()
    if (config === null) pending.delete(task)
    else pending.set(task, config)
    this.#pending.set(name, pending)
    return nothing
  }

  /** Tasks that the commit counts and that did not come again are as they were. */
  #applyCommit(name: string, count: number): ConfigChange {
    const known = this.#connectors.get(name)
    if (known === undefined) return nothing
    const pending = this.#pending.get(name)
    const tasks = Array.from({ length: Math.max(0, count) }, (_, task) => pending?.get(task) ?? known.tasks[task]).filter((each) => each !== undefined)
    const isInconsistent = tasks.length < count
    this.#connectors.set(name, { ...known, tasks: isInconsistent ? [] : tasks, isInconsistent })
    this.#pending.delete(name)
    const fencing = this.fencing(name)
    this.#fencing.set(name, { ...fencing, generation: fencing.generation + 1, isPending: true })
    return { kind: 'tasks', name }
  }

  #applyTarget(name: string, state: TargetState | null): ConfigChange {
    const known = this.#connectors.get(name)
    if (state === null) {
      if (known?.config === null) this.#connectors.delete(name)
      else if (known !== undefined) this.#connectors.set(name, { ...known, target: 'STARTED' })
      return nothing
    }
    if (state === 'STOPPED') this.#endLife(name)
    this.#connectors.set(name, { config: null, tasks: [], isInconsistent: false, ...known, target: state })
    return known?.config == null ? nothing : { kind: 'target-state', name }
  }

  #applyLevel(namespace: string, level: string | null): ConfigChange {
    if (level === null) {
      this.#levels.delete(namespace)
      return nothing
    }
    this.#levels.set(namespace, level)
    return { kind: 'logger', namespace, level }
  }
}
