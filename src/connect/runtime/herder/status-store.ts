import type { RecordLog } from './config-store.ts'
import type { StatusRecord, StoredStatus, StoredTopic } from './status-records.ts'

/** What the records of a status topic, in their order, add up to. */
export class StatusState {
  readonly #connectors = new Map<string, StoredStatus>()
  readonly #tasks = new Map<string, Map<number, StoredStatus>>()
  readonly #topics = new Map<string, Map<string, StoredTopic>>()

  /** Of connectors of which something is said. */
  names(): readonly string[] {
    return [...new Set([...this.#connectors.keys(), ...[this.#tasks, this.#topics].flatMap((members) => [...members].filter(([, { size }]) => size > 0).map(([name]) => name))])]
  }

  connector(name: string): StoredStatus | undefined {
    return this.#connectors.get(name)
  }

  /** By number, in rising order. */
  tasks(name: string): readonly (readonly [number, StoredStatus])[] {
    return [...(this.#tasks.get(name) ?? [])].toSorted(([a], [b]) => a - b)
  }

  task(name: string, task: number): StoredStatus | undefined {
    return this.#tasks.get(name)?.get(task)
  }

  /** Topics that the connector has read or written since the last reset. */
  topics(name: string): readonly string[] {
    return [...(this.#topics.get(name)?.keys() ?? [])]
  }

  apply(record: StatusRecord): void {
    if (record.kind === 'connector') setOrDelete(this.#connectors, record.name, record.status)
    else if (record.kind === 'task') setOrDelete(membersOf(this.#tasks, record.name), record.task, record.status)
    else setOrDelete(membersOf(this.#topics, record.name), record.topicName, record.topic)
  }
}

function setOrDelete<K, V>(map: Map<K, V>, key: K, value: V | null): void {
  if (value === null) map.delete(key)
  else map.set(key, value)
}

function membersOf<K, V>(map: Map<string, Map<K, V>>, name: string): Map<K, V> {
  let members = map.get(name)
  if (members === undefined) {
    members = new Map()
    map.set(name, members)
  }
  return members
}

/** The states of connectors and tasks, and the topics they use, wherever in the cluster they run. */
export class StatusStore {
  readonly state: StatusState
  readonly #log: RecordLog<StatusRecord>

  constructor(state: StatusState, log: RecordLog<StatusRecord>) {
    this.state = state
    this.#log = log
  }

  static inMemory(): StatusStore {
    const state = new StatusState()
    return new StatusStore(state, {
      write: async (records) => { for (const record of records) state.apply(record) },
      refresh: async () => {},
      close: async () => {},
    })
  }

  refresh(): Promise<void> {
    return this.#log.refresh()
  }

  putConnector(name: string, status: StoredStatus): Promise<void> {
    return this.#log.write([{ kind: 'connector', name, status }])
  }

  putTask(name: string, task: number, status: StoredStatus): Promise<void> {
    return this.#log.write([{ kind: 'task', name, task, status }])
  }

  putTopic(topic: StoredTopic): Promise<void> {
    return this.#log.write([{ kind: 'topic', name: topic.connector, topicName: topic.name, topic }])
  }

  /** Forgets tasks, from the number on. */
  removeTasks(name: string, from: number): Promise<void> {
    return this.#log.write(this.state.tasks(name).filter(([task]) => task >= from).map(([task]) => ({ kind: 'task', name, task, status: null })))
  }

  removeTopics(name: string): Promise<void> {
    return this.#log.write(this.state.topics(name).map((topicName) => ({ kind: 'topic', name, topicName, topic: null })))
  }

  /** Everything about a connector that is no more. */
  async removeConnector(name: string): Promise<void> {
    await this.removeTopics(name)
    await this.removeTasks(name, 0)
    await this.#log.write([{ kind: 'connector', name, status: null }])
  }

  close(): Promise<void> {
    return this.#log.close()
  }
}
