import { trace } from '@opentelemetry/api'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { stringSerde } from '../../../src/core/index.ts'
import type { Broker } from '../../../src/core/index.ts'
import { StreamsApp, StreamsBuilder, topic } from '../../../src/streams/index.ts'
import type { StreamsConfig, Topology } from '../../../src/streams/index.ts'
import { MemoryTracer } from '../../kit/memory-tracer.ts'
import { createTopics, openMemoryBroker, readAll } from '../../kit/streams-harness.ts'

const text = { key: stringSerde, value: stringSerde }
const traceOf = (digit: string) => `00-${digit.repeat(32)}-${digit.repeat(16)}-01`

let broker: Broker
let tracer: MemoryTracer
beforeEach(async () => {
  tracer = new MemoryTracer()
  broker = await openMemoryBroker()
  await createTopics(broker, { in: 1, out: 1 })
})
afterEach(async () => {
  await broker.close()
  tracer.close()
})

async function append(values: readonly (readonly [value: string, traceparent?: string])[]): Promise<void> {
  const producer = await broker.openProducer()
  await Promise.all(values.map(([value, parent]) => producer.append({
    topic: 'in', key: stringSerde.serialize('k'), value: stringSerde.serialize(value), headers: parent === undefined ? [] : [{ key: 'traceparent', value: stringSerde.serialize(parent) }],
  })))
  await producer.close()
}

function shout(seen: (value: string) => void = () => {}): Topology {
  const builder = new StreamsBuilder()
  builder.stream(topic('in', text)).peek((value) => seen(value)).mapValues((value) => value.toUpperCase()).to(topic('out', text))
  return builder.build()
}

async function runToEnd(topology: Topology, settings: Partial<StreamsConfig> = {}): Promise<void> {
  const app = new StreamsApp(topology, { applicationId: 'app', broker, commitInterval: 5, ...settings })
  await app.start()
  await app.caughtUp()
  await app.close()
}

describe('an application with a tracer', () => {
  it('has a span for each commit, with one for the commit in it, and links to where its records come from', async () => {
    await append([['a', traceOf('a')], ['b'], ['c', traceOf('c')], ['d', traceOf('a')]])
    await runToEnd(shout())
    const spans = tracer.named('process app')
    expect(spans.every(({ isEnded }) => isEnded)).toBe(true)
    expect(spans.reduce((sum, { attributes }) => sum + Number(attributes['messaging.batch.message_count']), 0)).toBe(4)
    expect(spans[0]!.attributes).toMatchObject({ 'messaging.operation.type': 'process', 'messaging.consumer.group.name': 'app', 'messaging.client.id': expect.stringContaining('StreamThread-1') as string })
    expect(new Set(spans.flatMap(({ links }) => links.map(({ context }) => context.traceId)))).toEqual(new Set(['a'.repeat(32), 'c'.repeat(32)]))
    expect(tracer.named('commit app').map(({ parent, isEnded }) => [parent?.spanId, isEnded])).toEqual(spans.map((span) => [span.spanContext().spanId, true]))
  })

  it('runs the functions of the program inside the span', async () => {
    await append([['a']])
    const active: (string | undefined)[] = []
    await runToEnd(shout(() => active.push(trace.getActiveSpan()?.spanContext().spanId)))
    expect(active).toEqual([tracer.named('process app')[0]!.spanContext().spanId])
  })

  it('hands the header on with the record, so that who reads the result links to the same span', async () => {
    await append([['a', traceOf('a')]])
    await runToEnd(shout())
    expect((await readAll(broker, 'out'))[0]!.headers).toEqual({ traceparent: traceOf('a') })
  })

  it('says in the span what went wrong', async () => {
    await append([['a']])
    const failing = shout(() => { throw new TypeError('not this one') })
    const app = new StreamsApp(failing, { applicationId: 'app', broker })
    await app.start()
    await expect(app.finished()).rejects.toMatchObject({ code: 'PROCESSING_FAILED' })
    const [span] = tracer.named('process app')
    expect(span).toMatchObject({ isEnded: true, status: { code: 2, message: expect.stringContaining('not this one') as string } })
    expect(span!.exceptions.length).toBe(1)
  })

  it('has none where it was told so', async () => {
    await append([['a']])
    await runToEnd(shout(), { tracing: false })
    expect(tracer.spans).toEqual([])
  })
})
