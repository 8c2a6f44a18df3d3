import { MessageChannel } from 'node:worker_threads'
import { AggregatorRegistry } from 'prom-client'
import { describe, expect, it } from 'vitest'
import { brokerMetricFamilies, openEmbeddedBroker, openPortBroker, seededRandom, servePort } from '../../../src/core/index.ts'
import { appendAll, createTopic } from '../../contract/contract-kit.ts'
import { MemoryFileSystem } from '../../kit/memory-file-system.ts'

/** Two topics, one of two partitions, and a group that is behind in one. */
async function busyBroker() {
  const broker = await openEmbeddedBroker({ directory: '/data', fileSystem: new MemoryFileSystem(), random: seededRandom(1) })
  const [one, two] = [await createTopic(broker, { topic: 'one', partitions: 2 }), await createTopic(broker, { topic: 'two' })]
  const producer = await broker.openProducer()
  for (const [topic, partition] of [[one, 0], [one, 1], [two, 0]] as const) await appendAll(producer, { topic, partition }, ['a', 'b'])
  await broker.groups.setOffsets('readers', [{ topic: one, partition: 1, offset: 1 }])
  return broker
}

describe('brokerMetricFamilies', () => {
  it('has one family a name, with a value for each topic, partition or group, summed over partitions where the name is of topics', async () => {
    const broker = await busyBroker()
    const families = new Map(brokerMetricFamilies(broker).map((family) => [family.name, family]))
    expect(families.size).toBe(brokerMetricFamilies(broker).length)
    expect([...families.keys()].sort()).toEqual([
      'kafka_consumergroup_lag', 'kafka_consumergroup_members', 'kafka_log_log_logendoffset', 'kafka_log_log_logstartoffset', 'kafka_log_log_size',
      'kafka_log_logflushstats_logflushtimems', 'kafka_server_brokertopicmetrics_bytesin_total', 'kafka_server_brokertopicmetrics_bytesout_total',
      'kafka_server_brokertopicmetrics_messagesin_total',
    ])
    expect(families.get('kafka_server_brokertopicmetrics_messagesin_total')).toMatchObject({
      type: 'counter', aggregator: 'sum', values: [{ labels: { topic: 'one' }, value: 4 }, { labels: { topic: 'two' }, value: 2 }],
    })
    expect(families.get('kafka_consumergroup_lag')!.values).toEqual([{ labels: { consumergroup: 'readers', topic: 'one', partition: '1' }, value: 1 }])
    const ends = families.get('kafka_log_log_logendoffset')!.values.filter(({ labels }) => !String(labels['topic']).startsWith('__'))
    expect(ends.map(({ labels, value }) => `${labels['topic']}-${labels['partition']}: ${value}`)).toEqual(['one-0: 2', 'one-1: 2', 'two-0: 2'])
    await broker.close()
  })

  it('writes the times of syncs as a histogram of Prometheus: buckets that grow up to +Inf, their sum and their count', async () => {
    const broker = await busyBroker()
    const { type, values } = brokerMetricFamilies(broker).find(({ name }) => name.endsWith('logflushtimems'))!
    expect(type).toBe('histogram')
    const buckets = values.filter(({ metricName }) => metricName!.endsWith('_bucket'))
    const count = values.find(({ metricName }) => metricName!.endsWith('_count'))!.value
    expect(count).toBeGreaterThan(0)
    expect(buckets.map(({ value }) => value)).toEqual(buckets.map(({ value }) => value).toSorted((a, b) => a - b))
    expect(buckets.at(-1)).toMatchObject({ labels: { le: '+Inf' }, value: count })
    await broker.close()
  })

  it('is what prom-client makes its text of', async () => {
    const broker = await busyBroker()
    const text = await AggregatorRegistry.aggregate([brokerMetricFamilies(broker)]).metrics()
    expect(text).toContain('# TYPE kafka_server_brokertopicmetrics_messagesin_total counter\nkafka_server_brokertopicmetrics_messagesin_total{topic="one"} 4\n')
    expect(text).toContain('# TYPE kafka_log_logflushstats_logflushtimems histogram\n')
    expect(text).toMatch(/kafka_log_logflushstats_logflushtimems_bucket\{le="\+Inf"\} \d+\n/)
    await broker.close()
  })

  it('is empty on the way to an engine of another thread, which is asked there', async () => {
    const broker = await busyBroker()
    const { port1, port2 } = new MessageChannel()
    servePort(broker, port1)
    const elsewhere = openPortBroker({ port: port2 })
    expect(await elsewhere.topics.list()).toEqual(['one', 'two'])
    expect(brokerMetricFamilies(elsewhere)).toEqual([])
    await elsewhere.close()
    await broker.close()
  })
})
