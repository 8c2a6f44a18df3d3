/** The records of upstream's status topic: keys as text, values as JSON (KIP-558 for the topics in use). */

export type ConnectorState = 'UNASSIGNED' | 'RUNNING' | 'PAUSED' | 'FAILED' | 'STOPPED' | 'RESTARTING'

export interface StoredStatus {
  readonly state: ConnectorState
  readonly trace: string | null
  readonly workerId: string
  readonly generation: number
  readonly version: string | null
}

export interface StoredTopic {
  readonly name: string
  readonly connector: string
  readonly task: number
  readonly discoveredAt: number
}

/** What one record says; `null` members are tombstones. */
export type StatusRecord =
  | { readonly kind: 'connector'; readonly name: string; readonly status: StoredStatus | null }
  | { readonly kind: 'task'; readonly name: string; readonly task: number; readonly status: StoredStatus | null }
  | { readonly kind: 'topic'; readonly name: string; readonly topicName: string; readonly topic: StoredTopic | null }

type Json = Readonly<Record<string, unknown>>

/** `[key, value]` as they stand in the topic. */
export function encodeStatusRecord(record: StatusRecord): readonly [string, string | null] {
  switch (record.kind) {
    case 'connector': return [`status-connector-${record.name}`, statusText(record.status)]
    case 'task': return [`status-task-${record.name}-${record.task}`, statusText(record.status)]
    case 'topic': return [`status-topic-${record.topicName}:connector-${record.name}`, topicText(record.topic)]
  }
}

function statusText(status: StoredStatus | null): string | null {
  if (status === null) return null
  const { state, trace, workerId, generation, version } = status
  return JSON.stringify({ state, trace, worker_id: workerId, generation, version })
}

function topicText(topic: StoredTopic | null): string | null {
  return topic === null ? null : JSON.stringify({ topic: { name: topic.name, connector: topic.connector, task: topic.task, discoverTimestamp: topic.discoveredAt } })
}

const states: readonly ConnectorState[] = ['UNASSIGNED', 'RUNNING', 'PAUSED', 'FAILED', 'STOPPED', 'RESTARTING']

/** undefined: none of upstream's records, or one that cannot be read. */
export function decodeStatusRecord(key: string | null, value: string | null): StatusRecord | undefined {
  const json = parse(value)
  if (key === null || json === undefined) return undefined
  const connector = /^status-connector-(.*)$/s.exec(key)
  if (connector !== null) return ifRead(readStatus(json), (status) => ({ kind: 'connector', name: connector[1]!, status }))
  const task = /^status-task-(.*)-(\d+)$/s.exec(key)
  if (task !== null) return ifRead(readStatus(json), (status) => ({ kind: 'task', name: task[1]!, task: Number(task[2]), status }))
  const topic = /^status-topic-([^:]*):connector-(.*)$/s.exec(key)
  return topic === null ? undefined : ifRead(readTopic(json), (stored) => ({ kind: 'topic', name: topic[2]!, topicName: topic[1]!, topic: stored }))
}

function ifRead<T>(read: T | undefined, make: (read: T) => StatusRecord): StatusRecord | undefined {
  return read === undefined ? undefined : make(read)
}

function readStatus(json: Json | null): StoredStatus | null | undefined {
  if (json === null) return null
  const state = states.find((each) => each === json['state'])
  if (state === undefined) return undefined
  return {
    state, trace: textOf(json['trace']), workerId: textOf(json['worker_id']) ?? '', generation: Number(json['generation'] ?? 0), version: textOf(json['version']),
  }
}

function readTopic(json: Json | null): StoredTopic | null | undefined {
  if (json === null) return null
  const topic = json['topic'] as Json | undefined
  if (typeof topic?.['name'] !== 'string') return undefined
  return { name: topic['name'], connector: String(topic['connector']), task: Number(topic['task']), discoveredAt: Number(topic['discoverTimestamp']) }
}

function textOf(value: unknown): string | null {
  return typeof value === 'string' ? value : null
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
