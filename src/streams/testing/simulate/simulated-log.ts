import { partitionKey } from '../../../core/index.ts'
import type { CommittedOffset, RecordBatch, TopicPartition } from '../../../core/index.ts'
import type { RawRecord } from '../simulation.ts'
import { singleRecordBatch } from '../single-record-batch.ts'

/** The topics and committed offsets of a simulated application: what outlives all of its instances. Only what is committed is in it. */
export class SimulatedLog {
  readonly #records = new Map<string, RawRecord[]>()
  readonly #offsets = new Map<string, CommittedOffset>()

  append(record: RawRecord): void {
    const key = partitionKey(record.topic, record.partition)
    const records = this.#records.get(key)
    if (records === undefined) this.#records.set(key, [record])
    else records.push(record)
  }

  /** One transaction: all of it, or nothing. */
  commit(records: readonly RawRecord[], offsets: readonly CommittedOffset[]): void {
    for (const record of records) this.append(record)
    for (const offset of offsets) this.#offsets.set(partitionKey(offset.topic, offset.partition), offset)
  }

  end({ topic, partition }: TopicPartition): number {
    return this.#records.get(partitionKey(topic, partition))?.length ?? 0
  }

  committed({ topic, partition }: TopicPartition): CommittedOffset | undefined {
    return this.#offsets.get(partitionKey(topic, partition))
  }

  *read({ topic, partition }: TopicPartition, from: number, to = Infinity): Iterable<RecordBatch> {
    const records = this.#records.get(partitionKey(topic, partition)) ?? []
    for (let offset = from; offset < Math.min(to, records.length); offset++) yield singleRecordBatch({ ...records[offset]!, offset })
  }

  /** All partitions of a topic, one after the other. */
  records(topic: string): readonly RawRecord[] {
    return [...this.#records.values()].flat().filter((record) => record.topic === topic)
  }
}
