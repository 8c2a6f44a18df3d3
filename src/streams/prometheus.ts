import type { MetricFamily } from '../core/index.ts'
import type { Metric } from './app-metrics.ts'

/**
 * Metrics as Prometheus reads them (and OpenMetrics collectors of it): `process-total` of the group `stream-thread-metrics` is
 * `kafka_streams_stream_thread_metrics_process_total`, the names that dashboards for Kafka Streams use. `further` go behind them as they are.
 */
export async function prometheusText(metrics: readonly Metric[], further: readonly MetricFamily[] = []): Promise<string> {
  // Loaded by the first who asks: most programs never do.
  const { AggregatorRegistry, Counter, Gauge, Registry } = await import('prom-client')
  const registry = new Registry()
  for (const [name, family] of families(metrics)) {
    const { kind, description } = family[0]!
    const labelNames = [...new Set(family.flatMap(({ tags }) => Object.keys(tags)))].map(labelOf)
    const options = { name, help: description, labelNames, registers: [registry] }
    if (kind === 'counter') {
      const counter = new Counter(options)
      for (const { tags, value } of family) counter.inc(labelsOf(tags), value)
    } else {
      const gauge = new Gauge(options)
      for (const { tags, value } of family) gauge.set(labelsOf(tags), value)
    }
  }
  return [await registry.metrics(), ...(further.length === 0 ? [] : [await AggregatorRegistry.aggregate([further]).metrics()])].join('')
}

/** All values of one name, which differ by their tags. */
function families(metrics: readonly Metric[]): ReadonlyMap<string, readonly Metric[]> {
  const byName = new Map<string, Metric[]>()
  for (const metric of metrics) {
    const name = `kafka_streams_${metric.group}_${metric.name}`.replaceAll('-', '_')
    const family = byName.get(name)
    if (family === undefined) byName.set(name, [metric])
    else family.push(metric)
  }
  return byName
}

function labelsOf(tags: Metric['tags']): Record<string, string> {
  return Object.fromEntries(Object.entries(tags).map(([name, value]) => [labelOf(name), value]))
}

function labelOf(tag: string): string {
  return tag.replaceAll('-', '_')
}
