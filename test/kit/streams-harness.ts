/** For tests of applications: topics filled and read as text, on the real embedded engine over a disk in memory. */
import { openEmbeddedBroker, stringSerde } from '../../src/core/index.ts'
import type { Broker, RecordView } from '../../src/core/index.ts'
import { MemoryFileSystem } from './memory-file-system.ts'

export interface TextRecord {
  readonly key: string | null
  readonly value: string | null
  readonly timestamp: number
  readonly partition: number
  readonly headers: Readonly<Record<string, string>>
}

export interface TextInput {
  readonly key?: string | null
  readonly value: string | null
  readonly timestamp?: number
  readonly partition?: number
}

export async function openMemoryBroker(fileSystem = new MemoryFileSystem()): Promise<Broker> {
  return openEmbeddedBroker({ directory: '/data', fileSystem })
}

export async function createTopics(broker: Broker, topics: Readonly<Record<string, number>>): Promise<void> {
  await broker.topics.create(Object.entries(topics).map(([topic, partitions]) => ({ topic, partitions })))
}

export async function write(broker: Broker, topic: string, records: readonly TextInput[]): Promise<void> {
  const producer = await broker.openProducer()
  const bytes = (text: string | null) => (text === null ? null : stringSerde.serialize(text))
  await Promise.all(records.map(({ key = null, value, ...place }) => producer.append({ topic, key: bytes(key), value: bytes(value), ...place })))
  await producer.close()
}

/** Every committed record of a topic, partition by partition. */
export async function readAll(broker: Broker, topic: string): Promise<readonly TextRecord[]> {
  const [description] = await broker.topics.describe([topic])
  const found: TextRecord[] = []
  for (const { partition } of description!.partitions) {
    const reader = await broker.openReader()
    const [end] = await broker.topics.listOffsets([{ topic, partition, at: 'latest' }], { isolation: 'read-committed' })
    reader.assign([{ topic, partition, offset: 0 }])
    for (let position = 0; position < end!.offset;) {
      const [records] = (await reader.read({ isolation: 'read-committed', maxWaitMs: 100 })).partitions
      if (records === undefined) break
      position = records.nextOffset
      for (const batch of records.batches) for (const view of batch) found.push(textOf(view, partition))
    }
    await reader.close()
  }
  return found
}

function textOf({ key, value, timestamp, headers }: RecordView, partition: number): TextRecord {
  const text = (bytes: Uint8Array | null) => (bytes === null ? null : stringSerde.deserialize(bytes))
  return { key: text(key), value: text(value), timestamp, partition, headers: Object.fromEntries(headers.map((header) => [header.key, text(header.value) ?? ''])) }
}
