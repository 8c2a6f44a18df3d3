import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { StreamsApp, StreamsBuilder, prometheusText, topic } from '../../src/streams/index.ts'
import type { Metric, StreamsConfig } from '../../src/streams/index.ts'
import { longSerde, stringSerde } from '../../src/core/index.ts'
import { createTopics, openMemoryBroker, write } from '../kit/streams-harness.ts'

const words = topic('words', { key: stringSerde, value: stringSerde })

async function measured(options: Partial<StreamsConfig> = {}): Promise<{ readonly running: readonly Metric[]; readonly closed: readonly Metric[] }> {
  const broker = await openMemoryBroker()
  await createTopics(broker, { words: 2, counts: 1 })
  await write(broker, 'words', ['a', 'b', 'a', 'c'].map((value) => ({ key: 'k', value })))
  const builder = new StreamsBuilder()
  builder.stream(words).groupBy((word) => word).count({ store: 'counts' }).toStream().to(topic('counts', { key: stringSerde, value: longSerde }))
  const app = new StreamsApp(builder.build(), { applicationId: 'app', broker, instanceId: 'one', cacheMaxBytes: 0, ...options })
  expect(app.metricValues().map(({ name }) => name)).toEqual(['client-state', 'alive-stream-threads', 'failed-stream-threads'])
  await app.start()
  await app.caughtUp()
  const running = app.metricValues()
  await app.close()
  const closed = app.metricValues()
  await broker.close()
  return { running, closed }
}

const valueOf = (metrics: readonly Metric[], name: string, tags: Readonly<Record<string, string>> = {}) => metrics
  .filter((metric) => metric.name === name && Object.entries(tags).every(([tag, value]) => metric.tags[tag] === value))
  .reduce((sum, { value }) => sum + value, 0)

describe('the metrics of an application', () => {
  it('count records at every level', async () => {
    const { running } = await measured()
    expect(valueOf(running, 'client-state')).toBe(2)
    expect(valueOf(running, 'process-total', { 'thread-id': 'app-one-StreamThread-1' })).toBe(2 * 8)
    expect(valueOf(running.filter(({ group }) => group === 'stream-thread-metrics'), 'process-total')).toBe(8)
    expect(valueOf(running, 'records-consumed-total', { 'topic-name': 'words' })).toBe(4)
    expect(valueOf(running, 'records-produced-total', { 'topic-name': 'counts' })).toBe(4)
    expect(valueOf(running, 'records-produced-total', { 'topic-name': 'app-counts-changelog' })).toBe(4)
    expect(valueOf(running, 'bytes-consumed-total', { 'topic-name': 'words' })).toBeGreaterThan(90)
    expect(valueOf(running, 'records-lag')).toBe(0)
    expect(valueOf(running, 'estimate-num-keys', { 'key-value-state-id': 'counts' })).toBe(3)
    expect(valueOf(running, 'commit-total')).toBeGreaterThan(0)
    expect(valueOf(running, 'task-created-total')).toBe(4)
  })

  it('tell of nodes and operations of stores, when the level says so', async () => {
    const [{ running: info }, { running: debug }, { running: trace }] = [await measured(), await measured({ metricsRecordingLevel: 'debug' }), await measured({ metricsRecordingLevel: 'trace' })]
    const ofNodes = (metrics: readonly Metric[]) => metrics.filter(({ group }) => group === 'stream-processor-node-metrics')
    expect(ofNodes(info)).toEqual([])
    const counted = (metrics: readonly Metric[], node: RegExp) => ofNodes(metrics).filter(({ name, tags }) => name === 'process-total' && node.test(tags['processor-node-id']!)).reduce((sum, { value }) => sum + value, 0)
    for (const metrics of [debug, trace]) {
      for (const node of [/^KSTREAM-SOURCE-0000000000$/, /KEY-SELECT/, /AGGREGATE-\d+$/, /TOSTREAM/, /KSTREAM-SINK/]) expect(counted(metrics, node), String(node)).toBe(4)
      expect(valueOf(metrics, 'put-total', { 'key-value-state-id': 'counts' })).toBe(4)
      expect(valueOf(metrics, 'get-total', { 'key-value-state-id': 'counts' })).toBe(4)
      expect(valueOf(metrics, 'put-latency-avg')).toBeGreaterThan(0)
      expect(valueOf(metrics, 'put-latency-max')).toBeGreaterThanOrEqual(valueOf(metrics, 'put-latency-avg') / 2)
    }
    const aged = (metrics: readonly Metric[]) => new Set(ofNodes(metrics).filter(({ name }) => name === 'record-e2e-latency-max').map(({ tags }) => tags['processor-node-id']!.replace(/-\d+.*/, '')))
    expect(aged(debug).has('KSTREAM-SOURCE')).toBe(true)
    expect(aged(debug).has('KSTREAM-AGGREGATE')).toBe(false)
    expect(aged(trace).has('KSTREAM-AGGREGATE')).toBe(true)
  })

  it('say that it has ended, and how many tasks it closed', async () => {
    const { closed } = await measured()
    expect(valueOf(closed, 'client-state')).toBe(4)
    expect(valueOf(closed, 'alive-stream-threads')).toBe(0)
    expect(valueOf(closed, 'task-closed-total')).toBe(4)
  })

  it('have all that the dashboard shows', async () => {
    const dashboard = readFileSync(new URL('../../docs/guide/grafana-dashboard.json', import.meta.url), 'utf8')
    const text = await prometheusText((await measured()).running)
    const shown = [...new Set([...dashboard.matchAll(/kafka_streams_[a-z_]+/g)].map(([name]) => name))]
    expect(shown.length).toBeGreaterThan(10)
    expect(shown.filter((name) => !text.includes(`# TYPE ${name} `))).toEqual([])
  })

  it('are read by Prometheus under the names that dashboards for Kafka Streams use', async () => {
    const text = await prometheusText((await measured()).running)
    expect(text).toMatch(/^# TYPE kafka_streams_stream_thread_metrics_process_total counter$/m)
    expect(text).toMatch(/^kafka_streams_stream_thread_metrics_process_total\{client_id="app-one",application_id="app",thread_id="app-one-StreamThread-1"\} 8$/m)
    expect(text).toMatch(/^kafka_streams_stream_task_metrics_dropped_records_total\{.*task_id="0_1".*\} 0$/m)
    expect(text).toMatch(/^kafka_streams_stream_metrics_client_state\{.*\} 2$/m)
    for (const line of text.split('\n').filter((each) => each !== '' && !each.startsWith('#'))) expect(line).toMatch(/^[a-z_]+(\{[^}]*\})? [\d.e+-]+$/)
  })
})
