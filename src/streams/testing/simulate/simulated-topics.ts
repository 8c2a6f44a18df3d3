import { partitionForKey } from '../../../core/index.ts'
import type { Broker } from '../../../core/index.ts'
import { MemoryFileSystem } from '../../../core/testing/memory-file-system.ts'
import type { ResolvedConfig } from '../../config.ts'
import { batchLimits, externalTopics, setUpTopics } from '../../runtime/topic-setup.ts'
import { copyBytes } from '../../state/bytes.ts'
import type { TopologyData } from '../../topology/node.ts'
import type { RawRecord } from '../simulation.ts'
import { openBroker } from './simulated-engine.ts'
import type { SimulatedEngineOptions } from './simulated-engine.ts'

/** Goes to the partition of its key, as from any producer. */
export type SimulatedInput = Omit<RawRecord, 'partition'>

export interface FilledDiskOptions {
  readonly topology: TopologyData
  readonly inputs: readonly SimulatedInput[]
  readonly outputs: readonly string[]
  /** Of every topic that the application does not make itself. */
  readonly partitions: number
  readonly engine: SimulatedEngineOptions
  readonly configFor: (broker: Broker) => ResolvedConfig
}

/** A disk with all topics and the whole input, for as many runs as are made of it. */
export interface FilledDisk {
  readonly disk: MemoryFileSystem
  readonly partitionCounts: ReadonlyMap<string, number>
  readonly batchLimits: ReadonlyMap<string, number>
}

/** As before the first start of an application: its topics are made, and filled. @throws TOPOLOGY_INVALID */
export async function fillDisk({ topology, inputs, outputs, partitions, engine, configFor }: FilledDiskOptions): Promise<FilledDisk> {
  const disk = new MemoryFileSystem({ random: engine.random })
  const broker = await openBroker(disk, engine)
  const { applicationId, deadLetterTopic, additionalRetentionMs } = configFor(broker)
  const internal = new Set(topology.repartitionTopics.map(({ name }) => name))
  await createMissing(broker, [...inputs.map(({ topic }) => topic), ...outputs].filter((topic) => !internal.has(topic)), partitions)
  await createMissing(broker, await externalTopics(broker, topology), partitions)
  const partitionCounts = await setUpTopics(broker, { applicationId, topology, deadLetterTopic, additionalRetentionMs })
  for (const topic of outputs) if (!partitionCounts.has(topic)) partitionCounts.set(topic, partitions)
  await write(broker, inputs, partitions)
  const limits = await batchLimits(broker, topology, applicationId, partitionCounts)
  await broker.close()
  return { disk, partitionCounts, batchLimits: limits }
}

/** What is committed in a topic, partition by partition. */
export async function recordsOf(broker: Broker, topic: string): Promise<readonly RawRecord[]> {
  const [description] = await broker.topics.describe([topic])
  const reader = await broker.openReader()
  const records = description!.partitions.map((): RawRecord[] => [])
  reader.assign(description!.partitions.map(({ partition }) => ({ topic, partition, offset: 0 })))
  for (;;) {
    const { partitions } = await reader.read({ isolation: 'read-committed', maxWaitMs: 0 })
    if (partitions.length === 0) break
    for (const { partition, batches } of partitions) {
      for (const batch of batches) {
        for (const { key, value, timestamp, headers } of batch) {
          records[partition]!.push({ topic, partition, key: key && copyBytes(key), value: value && copyBytes(value), timestamp, headers })
        }
      }
    }
  }
  await reader.close()
  return records.flat()
}

async function createMissing(broker: Broker, topics: readonly string[], partitions: number): Promise<void> {
  const existing = new Set(await broker.topics.list())
  const missing = [...new Set(topics)].filter((topic) => !existing.has(topic))
  if (missing.length > 0) await broker.topics.create(missing.map((topic) => ({ topic, partitions })))
}

async function write(broker: Broker, inputs: readonly SimulatedInput[], partitions: number): Promise<void> {
  const producer = await broker.openProducer()
  await Promise.all(inputs.map((record) => producer.append({ ...record, partition: record.key === null ? 0 : partitionForKey(record.key, partitions) })))
  await producer.close()
}
