/** Topologies to draw: those of all recordings of Kafka Streams, and one that is written as users write them. */
import { z } from 'zod'
import { StreamsBuilder, joinWithin, topic, tumbling } from '../../../src/streams/index.ts'
import type { Topology } from '../../../src/streams/index.ts'
import { programOf } from '../../conformance/streams-program.ts'
import type { Scenario } from '../../conformance/streams-members.ts'
import { readVectors } from '../../kit/vectors.ts'

export function recordedTopologies(): readonly { readonly name: string; readonly topology: Topology }[] {
  return [...readVectors('streams').values()].flat().flatMap((file) => {
    const scenario = file.content as Scenario & { readonly buildError?: unknown }
    return scenario.buildError === undefined ? [{ name: scenario.name, topology: programOf(scenario, () => {}) }] : []
  })
}

export function shopTopology(): Topology {
  const builder = new StreamsBuilder()
  const Order = z.object({ customer: z.string(), total: z.number() })
  const orders = builder.stream(topic('orders', { key: z.string(), value: Order }))
  const customers = builder.table(topic('customers', { key: z.string(), value: z.object({ name: z.string() }) }), { store: 'customers' })
  const rates = builder.globalTable(topic('rates', { key: z.string(), value: z.number() }))
  orders.join(orders, (left, right) => left.total - right.total, { within: joinWithin('1h'), name: 'pairs' })
    .to(topic('pairs', { key: z.string(), value: z.number() }))
  orders.selectKey((order) => order.customer)
    .leftJoin(customers, (order, customer) => ({ order, customer }), { name: 'with-customer' })
    .join(rates, ({ order }, rate) => order.total * rate, { on: () => 'EUR' })
    .groupByKey().windowedBy(tumbling('1m')).count({ store: 'per-minute', name: 'count-per-minute' })
    .toStream().map((count, { key }) => [key, count]).to(topic('sums', { key: z.string(), value: z.number() }))
  const { large } = orders.split({ name: 'by-size-' }).branch('large', (order) => order.total > 10).done()
  large.to((order) => `large-<${order.customer}>`)
  return builder.build()
}
