/** The engine's metrics as those who serve HTTP hand them on: one family a name, in the shape of prom-client's JSON. */
import type { Broker } from '../broker.ts'
import type { EmbeddedBroker } from './embedded-broker.ts'
import type { LogMetric } from './log-metrics.ts'

export interface MetricFamily {
  readonly name: string
  readonly help: string
  readonly type: LogMetric['kind']
  readonly aggregator: 'sum'
  readonly values: readonly MetricValue[]
}

interface MetricValue {
  readonly labels: Readonly<Record<string, string | number>>
  readonly value: number
  /** For the parts of a histogram. */
  readonly metricName?: string
}

/** What the engine of an embedded broker counts; nothing for a cluster, whose nodes are asked themselves, and from a thread other than the engine's. */
export function brokerMetricFamilies(broker: Broker | EmbeddedBroker): readonly MetricFamily[] {
  if (!('metrics' in broker)) return []
  const families = new Map<string, MetricFamily & { readonly values: MetricValue[] }>()
  for (const metric of broker.metrics()) {
    const { name, help, kind } = metric
    const family = families.get(name) ?? { name, help, type: kind, aggregator: 'sum', values: [] }
    families.set(name, family)
    family.values.push(...valuesOf(metric))
  }
  return [...families.values()]
}

function valuesOf(metric: LogMetric): readonly MetricValue[] {
  const { name, labels } = metric
  if (metric.kind !== 'histogram') return [{ labels, value: metric.value }]
  return [
    ...metric.buckets.map(({ upTo, count }) => ({ metricName: `${name}_bucket`, labels: { ...labels, le: upTo === Infinity ? '+Inf' : upTo }, value: count })),
    { metricName: `${name}_sum`, labels, value: metric.sum },
    { metricName: `${name}_count`, labels, value: metric.count },
  ]
}
