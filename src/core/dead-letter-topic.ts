import type { Broker } from './broker.ts'
import type { RecordView } from './record.ts'
import { redriveGroup } from './redrive.ts'

export interface FoundDeadLetter {
  readonly partition: number
  readonly record: RecordView
  /** Whether it went back already. */
  readonly isRedriven: boolean
}

/** Everything committed that a dead-letter topic holds now, partition by partition. @throws UNKNOWN_TOPIC_OR_PARTITION */
export async function* readDeadLetterTopic(broker: Broker, topic: string): AsyncGenerator<FoundDeadLetter> {
  const [description] = await broker.topics.describe([topic])
  const { offsets } = await broker.groups.describe(redriveGroup(topic))
  for (const { partition, logStartOffset } of description!.partitions) {
    const [end] = await broker.topics.listOffsets([{ topic, partition, at: 'latest' }], { isolation: 'read-committed' })
    const redrivenBefore = offsets.find((each) => each.topic === topic && each.partition === partition)?.offset ?? 0
    const reader = await broker.openReader()
    reader.assign([{ topic, partition, offset: logStartOffset }])
    try {
      while (reader.positions()[0]!.offset < end!.offset) {
        for (const { batches } of (await reader.read({ isolation: 'read-committed' })).partitions) {
          for (const batch of batches) for (const record of batch) yield { partition, record, isRedriven: record.offset < redrivenBefore }
        }
      }
    } finally {
      await reader.close()
    }
  }
}
