/** What the worker does, for Prometheus, under the names that dashboards for Kafka Connect expect. */
import { AggregatorRegistry, Counter, Gauge, Registry } from 'prom-client'
import { brokerMetricFamilies } from '../../core/index.ts'
import type { Broker } from '../../core/index.ts'
import type { LocalRunner } from '../runtime/herder/local-runner.ts'
import type { Endpoint } from './endpoint.ts'

const taskLabels = ['connector', 'task'] as const

/** Numbers are read when they are asked for: nothing is counted twice. */
export async function metricsText(runner: LocalRunner, broker: Broker): Promise<string> {
  const registry = new Registry()
  const registers = [registry]
  const gauge = (name: string, help: string, value: number) => { new Gauge({ name, help, registers }).set(value) }
  const tasks = runner.tasks()
  gauge('kafka_connect_worker_connector_count', 'Connectors that run on this worker.', runner.connectors().size)
  gauge('kafka_connect_worker_task_count', 'Tasks that run on this worker.', tasks.length)
  const written = new Counter({ name: 'kafka_connect_source_task_source_record_write_total', help: 'Records that source tasks have appended and that were acknowledged.', labelNames: taskLabels, registers })
  const sent = new Counter({ name: 'kafka_connect_sink_task_sink_record_send_total', help: 'Records that sink tasks have taken.', labelNames: taskLabels, registers })
  const skipped = new Counter({ name: 'kafka_connect_task_error_total_records_skipped', help: 'Records that failed and were passed over.', labelNames: taskLabels, registers })
  const restarts = new Gauge({ name: 'millrace_connect_task_restart_attempts', help: 'Restarts in a row after failures.', labelNames: taskLabels, registers })
  const state = new Gauge({ name: 'kafka_connect_connector_task_status', help: '1 for the state that the task is in.', labelNames: [...taskLabels, 'status'], registers })
  for (const { connector, task, checked, supervised } of tasks) {
    const labels = { connector, task: String(task) }
    const status = supervised.status
    const isSource = checked.installed.plugin.type === 'source'
    ;(isSource ? written : sent).inc(labels, status.records)
    skipped.inc(labels, status.skipped)
    restarts.set(labels, status.attempts)
    for (const { name, help, value } of supervised.gauges()) taskGauge(registry, name, help).set(labels, value)
    state.set({ ...labels, status: status.state.toLowerCase() }, 1)
  }
  return await registry.metrics() + await AggregatorRegistry.aggregate([brokerMetricFamilies(broker)]).metrics()
}

/** One family for all tasks that publish the name; the first says what it is. */
function taskGauge(registry: Registry, ownName: string, help: string): Gauge<'connector' | 'task'> {
  const name = `millrace_connector_${ownName}`
  const known = registry.getSingleMetric(name)
  return known instanceof Gauge ? known : new Gauge({ name, help, labelNames: taskLabels, registers: [registry] })
}

export function metricsEndpoint(runner: LocalRunner, broker: Broker): Endpoint {
  return {
    method: 'GET', path: '/metrics', summary: 'Tells numbers about what runs on this worker, as text for Prometheus.', answers: { 200: 'Them' },
    handle: async () => ({ status: 200, body: await metricsText(runner, broker), headers: { 'content-type': 'text/plain; version=0.0.4; charset=utf-8' } }),
  }
}
