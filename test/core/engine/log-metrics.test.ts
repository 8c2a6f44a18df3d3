import { expect, it } from 'vitest'
import { openEmbeddedBroker, seededRandom } from '../../../src/core/index.ts'
import { SyncLatency } from '../../../src/core/engine/sync-latency.ts'
import { MemoryFileSystem } from '../../kit/memory-file-system.ts'
import { appendAll, createTopic, readValues } from '../../contract/contract-kit.ts'

it('what is appended, read, stored and not read yet is counted by topic, partition and group', async () => {
  const broker = await openEmbeddedBroker({ directory: '/data', fileSystem: new MemoryFileSystem(), random: seededRandom(1) })
  const topic = await createTopic(broker, { topic: 'hits' })
  const producer = await broker.openProducer()
  await appendAll(producer, { topic, partition: 0 }, ['a', 'b', 'c'])
  await readValues(broker, { topic, partition: 0 }, { count: 3 })
  await broker.groups.setOffsets('g', [{ topic, partition: 0, offset: 1 }])
  const values = new Map(broker.metrics().filter(({ labels }) => labels['topic'] === undefined || labels['topic'] === topic).map((metric) => [metric.name, metric]))
  const valueOf = (name: string) => (values.get(name) as { readonly value?: number } | undefined)?.value
  expect(valueOf('kafka_server_brokertopicmetrics_messagesin_total')).toBe(3)
  const [description] = await broker.topics.describe([topic])
  const { sizeBytes } = description!.partitions[0]!
  expect(valueOf('kafka_server_brokertopicmetrics_bytesin_total')).toBe(sizeBytes)
  expect(valueOf('kafka_server_brokertopicmetrics_bytesout_total')).toBeGreaterThanOrEqual(sizeBytes)
  expect(valueOf('kafka_log_log_size')).toBe(sizeBytes)
  expect([valueOf('kafka_log_log_logstartoffset'), valueOf('kafka_log_log_logendoffset')]).toEqual([0, 3])
  expect(valueOf('kafka_consumergroup_lag')).toBe(2)
  expect(valueOf('kafka_consumergroup_members')).toBe(0)
  const syncs = values.get('kafka_log_logflushstats_logflushtimems')
  expect(syncs).toMatchObject({ kind: 'histogram', count: expect.any(Number) })
  expect(syncs!.kind === 'histogram' && syncs!.count > 0 && syncs!.buckets.at(-1)!.count === syncs!.count).toBe(true)
  await broker.close()
})

it('a latency is in its bucket and in all above it', () => {
  const latency = new SyncLatency()
  for (const ms of [0.05, 0.1, 3, 5_000]) latency.record(ms)
  const { buckets, sum, count } = latency.snapshot()
  const upTo = (bound: number) => buckets.find((bucket) => bucket.upTo === bound)!.count
  expect([upTo(0.1), upTo(2.5), upTo(5), upTo(1_000), upTo(Infinity)]).toEqual([2, 2, 3, 3, 4])
  expect([sum, count]).toEqual([5_003.15, 4])
})
