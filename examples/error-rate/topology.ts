/** Requests of a web server in, the share of them that failed per minute out. */
import { z } from 'zod'
import { jsonWindowedSerde, StreamsBuilder, topic, tumbling } from 'millrace/streams'

/** The fields of `format=access-log` that matter here. */
export const requests = topic('requests', { value: z.object({ time: z.number(), status: z.number() }) })
export const errorRate = topic('error-rate', {
  key: jsonWindowedSerde(),
  value: z.object({ minute: z.string(), requests: z.number(), errors: z.number(), rate: z.number() }),
})

const builder = new StreamsBuilder()
builder
  .stream(requests, { timestamp: ({ time }) => time })
  .groupBy(() => 'all', { key: z.string() })
  .windowedBy(tumbling('1m', { grace: '1m' }))
  .aggregate(() => ({ requests: 0, errors: 0 }), (sum, { status }) => ({ requests: sum.requests + 1, errors: sum.errors + (status >= 500 ? 1 : 0) }))
  .toStream()
  .mapValues((sum, window) => ({ minute: new Date(window.start).toISOString(), ...sum, rate: sum.errors / sum.requests }))
  .to(errorRate)

export default builder.build()
