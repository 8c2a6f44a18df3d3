/** The records of upstream's config topic: keys as text, values as JSON (KIP-66, 745, 618, 507, 875, 976). */
import type { RawConfig } from '../../config-spec.ts'

export type TargetState = 'STARTED' | 'PAUSED' | 'STOPPED'

export interface RestartRequest {
  readonly includeTasks: boolean
  readonly onlyFailed: boolean
}

export interface SessionKey {
  readonly key: string
  readonly algorithm: string
  readonly createdAt: number
}

/** What one record says; `null` members are tombstones. */
export type ConfigRecord =
  | { readonly kind: 'connector'; readonly name: string; readonly config: RawConfig | null }
  | { readonly kind: 'task'; readonly name: string; readonly task: number; readonly config: RawConfig | null }
  | { readonly kind: 'commit'; readonly name: string; readonly tasks: number }
  | { readonly kind: 'target-state'; readonly name: string; readonly state: TargetState | null }
  | { readonly kind: 'restart'; readonly name: string; readonly request: RestartRequest | null }
  | { readonly kind: 'fencing'; readonly name: string; readonly tasks: number | null }
  | { readonly kind: 'session-key'; readonly key: SessionKey | null }
  | { readonly kind: 'logger'; readonly namespace: string; readonly level: string | null }

/** Whether every worker of a cluster may write it, and not the leader alone. */
export function isAnyWorkers({ kind }: ConfigRecord): boolean {
  return kind === 'target-state' || kind === 'logger'
}

type Json = Readonly<Record<string, unknown>>

const targetStates: readonly TargetState[] = ['STARTED', 'PAUSED', 'STOPPED']

/** `[key, value]` as they stand in the topic. */
export function encodeConfigRecord(record: ConfigRecord): readonly [string, string | null] {
  switch (record.kind) {
    case 'connector': return [`connector-${record.name}`, text(record.config && { properties: record.config })]
    case 'task': return [`task-${record.name}-${record.task}`, text(record.config && { properties: record.config })]
    case 'commit': return [`commit-${record.name}`, text({ tasks: record.tasks })]
    // a worker of before KIP-875 knows no STOPPED: to it the connector is paused
    case 'target-state': return [`target-state-${record.name}`, text(record.state && { 'state': record.state === 'STOPPED' ? 'PAUSED' : record.state, 'state.v2': record.state })]
    case 'restart': return [`restart-connector-${record.name}`, text(record.request && { 'include-tasks': record.request.includeTasks, 'only-failed': record.request.onlyFailed })]
    case 'fencing': return [`tasks-fencing-${record.name}`, text(record.tasks === null ? null : { 'task-count': record.tasks })]
    case 'session-key': return ['session-key', text(record.key && { 'key': record.key.key, 'algorithm': record.key.algorithm, 'creation-timestamp': record.key.createdAt })]
    case 'logger': return [`logger-cluster-${record.namespace}`, text(record.level === null ? null : { level: record.level })]
  }
}

function text(value: Json | null): string | null {
  return value === null ? null : JSON.stringify(value)
}

/** undefined: none of upstream's records, or one that cannot be read. */
export function decodeConfigRecord(key: string | null, value: string | null): ConfigRecord | undefined {
  const json = parse(value)
  if (key === null || json === undefined) return undefined
  if (key === 'session-key') return { kind: 'session-key', key: sessionKeyOf(json) }
  const found = prefixes.find(([prefix]) => key.startsWith(prefix))
  return found?.[1](key.slice(found[0].length), json)
}

const prefixes: readonly (readonly [string, (rest: string, json: Json | null) => ConfigRecord | undefined])[] = [
  ['connector-', (name, json) => configOf(json, (config) => ({ kind: 'connector', name, config }))],
  ['task-', taskRecord],
  ['commit-', (name, json) => (typeof json?.['tasks'] === 'number' ? { kind: 'commit', name, tasks: json['tasks'] } : undefined)],
  ['target-state-', (name, json) => stateRecord(name, json)],
  ['restart-connector-', (name, json) => ({ kind: 'restart', name, request: json && { includeTasks: json['include-tasks'] === true, onlyFailed: json['only-failed'] === true } })],
  ['tasks-fencing-', (name, json) => ({ kind: 'fencing', name, tasks: typeof json?.['task-count'] === 'number' ? json['task-count'] : null })],
  ['logger-cluster-', (namespace, json) => ({ kind: 'logger', namespace, level: typeof json?.['level'] === 'string' ? json['level'] : null })],
]

function taskRecord(rest: string, json: Json | null): ConfigRecord | undefined {
  const match = /^(.*)-(\d+)$/s.exec(rest)
  if (match === null) return undefined
  return configOf(json, (config) => ({ kind: 'task', name: match[1]!, task: Number(match[2]), config }))
}

function configOf(json: Json | null, make: (config: RawConfig | null) => ConfigRecord): ConfigRecord | undefined {
  if (json === null) return make(null)
  const properties = json['properties']
  if (typeof properties !== 'object' || properties === null || Array.isArray(properties)) return undefined
  return make(Object.fromEntries(Object.entries(properties).map(([name, value]) => [name, value === null ? null : String(value)])))
}

function stateRecord(name: string, json: Json | null): ConfigRecord | undefined {
  if (json === null) return { kind: 'target-state', name, state: null }
  const state = targetStates.find((each) => each === (json['state.v2'] ?? json['state']))
  return state && { kind: 'target-state', name, state }
}

function sessionKeyOf(json: Json | null): SessionKey | null {
  if (typeof json?.['key'] !== 'string') return null
  return { key: json['key'], algorithm: String(json['algorithm']), createdAt: Number(json['creation-timestamp']) }
}

function parse(value: string | null): Json | null | undefined {
  if (value === null) return null
  try {
    const json: unknown = JSON.parse(value)
    return json === null ? null : typeof json === 'object' && !Array.isArray(json) ? (json as Json) : undefined
  } catch {
    return undefined
  }
}
