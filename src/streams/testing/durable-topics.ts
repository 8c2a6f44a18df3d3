import { partitionKey } from '../../core/index.ts'
import type { CommittedOffset, RecordBatch } from '../../core/index.ts'
import type { TopologyData } from '../topology/node.ts'
import { changelogTopic } from '../topology/internal-topics.ts'
import type { RawRecord } from './simulation.ts'
import { singleRecordBatch } from './single-record-batch.ts'

/** What outlives a restart of a simulated application: the records of changelogs, and the committed offsets. */
export class DurableTopics {
  readonly #changelogs: ReadonlySet<string>
  readonly #records = new Map<string, RawRecord[]>()
  readonly #offsets = new Map<string, CommittedOffset>()

  constructor(topology: TopologyData, applicationId: string) {
    this.#changelogs = new Set(topology.stores.flatMap((store) => changelogTopic(applicationId, store) ?? []))
  }

  get offsets(): readonly CommittedOffset[] {
    return [...this.#offsets.values()]
  }

  append(record: RawRecord): void {
    if (!this.#changelogs.has(record.topic)) return
    const key = partitionKey(record.topic, record.partition)
    const records = this.#records.get(key)
    if (records === undefined) this.#records.set(key, [record])
    else records.push(record)
  }

  commit(offsets: readonly CommittedOffset[]): void {
    for (const offset of offsets) this.#offsets.set(partitionKey(offset.topic, offset.partition), offset)
  }

  *read(topic: string, partition: number): Iterable<RecordBatch> {
    const records = this.#records.get(partitionKey(topic, partition)) ?? []
    for (const [offset, record] of records.entries()) yield singleRecordBatch({ ...record, offset })
  }
}
