/** Connectors as upstream's REST API shows them; members have its names. */
import type { RawConfig } from '../../config-spec.ts'
import type { TaskStatus } from '../supervised-task.ts'
import type { RestartRequest } from './config-records.ts'
import type { StoredConnector } from './config-state.ts'
import type { ConnectorState, StoredStatus } from './status-records.ts'

export interface TaskId {
  readonly connector: string
  readonly task: number
}

export type ConnectorType = 'source' | 'sink' | 'unknown'

export interface ConnectorInfo {
  readonly name: string
  readonly config: RawConfig
  readonly tasks: readonly TaskId[]
  readonly type: ConnectorType
}

export interface TaskInfo {
  readonly id: TaskId
  readonly config: RawConfig
}

interface StateInfo {
  readonly state: ConnectorState
  readonly worker_id: string
  readonly version?: string
  readonly trace?: string
}

export interface TaskStateInfo extends StateInfo {
  readonly id: number
  /** Ours: restarts in a row, and when the next one comes (milliseconds since the epoch). */
  readonly attempts?: number
  readonly restarts_at?: number
  /** Ours: what it waits out. */
  readonly waiting_for?: string
}

export interface ConnectorStateInfo {
  readonly name: string
  readonly connector: StateInfo
  readonly tasks: readonly TaskStateInfo[]
  readonly type: ConnectorType
}

export function connectorInfo(name: string, { config, tasks }: Pick<StoredConnector, 'tasks'> & { readonly config: RawConfig }, type: ConnectorType): ConnectorInfo {
  return { name, config, tasks: tasks.map((_, task) => ({ connector: name, task })), type }
}

export function taskInfos(connector: string, tasks: readonly RawConfig[]): readonly TaskInfo[] {
  return tasks.map((config, task) => ({ id: { connector, task }, config }))
}

function stateOf({ state, workerId, version, trace }: StoredStatus): StateInfo {
  return { state, worker_id: workerId, ...(version !== null && { version }), ...(trace !== null && trace !== '' && { trace }) }
}

/** `local`: what this worker knows beyond what the cluster shares. */
export function taskInfo(id: number, status: StoredStatus, local?: TaskStatus): TaskStateInfo {
  return {
    id,
    ...stateOf(status),
    ...(local !== undefined && local.attempts > 0 && { attempts: local.attempts }),
    ...(local?.restartsAt !== undefined && { restarts_at: local.restartsAt }),
    ...(local?.waitingFor !== undefined && { waiting_for: local.waitingFor }),
  }
}

type Local = readonly { readonly task: number; readonly supervised: { readonly status: TaskStatus } }[]

export function stateInfo(name: string, connector: StoredStatus, tasks: readonly (readonly [number, StoredStatus])[], type: ConnectorType, local: Local): ConnectorStateInfo {
  return {
    name, connector: stateOf(connector), type,
    tasks: tasks.map(([id, status]) => taskInfo(id, status, local.find(({ task }) => task === id)?.supervised.status)),
  }
}

/** What a restart is going to touch, shown as restarting (KIP-745). */
export function restartPlan(info: ConnectorStateInfo, { includeTasks, onlyFailed }: RestartRequest): ConnectorStateInfo {
  const restarts = ({ state }: StateInfo) => !onlyFailed || state === 'FAILED'
  const marked = <T extends StateInfo>(part: T): T => (restarts(part) ? { ...part, state: 'RESTARTING' } : part)
  return { ...info, connector: marked(info.connector), tasks: includeTasks ? info.tasks.map(marked) : info.tasks }
}
