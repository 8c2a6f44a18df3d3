import type { RawConfig } from '../../config-spec.ts'
import type { ConfigRecord, RestartRequest, SessionKey, TargetState } from './config-records.ts'
import { ConfigState } from './config-state.ts'
import type { ConfigChange } from './config-state.ts'
import { unavailable } from './refusal.ts'
import { Turns } from './turns.ts'

/** Where records of configs go: into memory, or to a topic that every worker reads. */
export interface RecordLog<R> {
  /** Resolves when this worker has applied them, too. @throws when they could not be kept */
  write(records: readonly R[]): Promise<void>
  /** Resolves when everything that others wrote before is applied. */
  refresh(): Promise<void>
  close(): Promise<void>
}

/** The configs of a cluster of workers, or of one. */
export class ConfigStore {
  readonly state: ConfigState
  readonly #log: RecordLog<ConfigRecord>
  /** A plan and the record that its forerunners are fenced have an order: the later one decides whether there is something to fence. */
  readonly #plans = new Turns()
  readonly #changes = new Turns()

  constructor(state: ConfigState, log: RecordLog<ConfigRecord>) {
    this.state = state
    this.#log = log
  }

  /** Of a worker by itself: gone when it ends. */
  static inMemory(onChange: (change: ConfigChange) => void): ConfigStore {
    const state = new ConfigState()
    return new ConfigStore(state, {
      write: async (records) => { for (const record of records) onChange(state.apply(record)) },
      refresh: async () => {},
      close: async () => {},
    })
  }

  refresh(): Promise<void> {
    return this.#log.refresh()
  }

  /** For a change of a connector that depends on what is stored of it: nothing else changes it meanwhile, on this worker. A step that waits for another one of the same connector hangs. */
  changing<T>(name: string, change: () => Promise<T>): Promise<T> {
    return this.#changes.take(name, change)
  }

  putConnector(name: string, config: RawConfig, target?: TargetState): Promise<void> {
    return this.#log.write([...(target === undefined ? [] : [{ kind: 'target-state', name, state: target } as const]), { kind: 'connector', name, config }])
  }

  putTasks(name: string, tasks: readonly RawConfig[]): Promise<void> {
    return this.#plans.take(name, () => this.#log.write([...tasks.map((config, task) => ({ kind: 'task', name, task, config }) as const), { kind: 'commit', name, tasks: tasks.length }]))
  }

  putTarget(name: string, state: TargetState): Promise<void> {
    return this.#log.write([{ kind: 'target-state', name, state }])
  }

  /** Without tasks, so that a plan of before leaves none; both at once, so that none is left without tasks that is to run. */
  putStopped(name: string): Promise<void> {
    return this.#plans.take(name, () => this.#log.write([{ kind: 'commit', name, tasks: 0 }, { kind: 'target-state', name, state: 'STOPPED' }]))
  }

  remove(name: string): Promise<void> {
    return this.#log.write([{ kind: 'connector', name, config: null }, { kind: 'target-state', name, state: null }])
  }

  putRestart(name: string, request: RestartRequest): Promise<void> {
    return this.#log.write([{ kind: 'restart', name, request }])
  }

  /** Whoever ran the connector before the plan of that generation, which has so many tasks, is fenced. @throws BACKEND_UNAVAILABLE when there is a newer plan: its forerunners are not */
  putFencedTasks(name: string, tasks: number, generation: number): Promise<void> {
    return this.#plans.take(name, async () => {
      if (this.state.fencing(name).generation !== generation) throw unavailable(`connector ${name} was planned anew while its earlier tasks were fenced`)
      await this.#log.write([{ kind: 'fencing', name, tasks }])
    })
  }

  putSessionKey(key: SessionKey): Promise<void> {
    return this.#log.write([{ kind: 'session-key', key }])
  }

  putLevel(namespace: string, level: string): Promise<void> {
    return this.#log.write([{ kind: 'logger', namespace, level }])
  }

  close(): Promise<void> {
    return this.#log.close()
  }
}
