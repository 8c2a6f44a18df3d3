/** Lines of an access log in, hits per path and minute out. Lines that are none are dead letters; see `accessLine`. */
import { z } from 'zod'
import { jsonWindowedSerde, StreamsBuilder, topic, tumbling } from 'millrace/streams'
import { accessLine } from './access-line.ts'

export const accessLog = topic('access-log', { value: accessLine })
export const perMinute = topic('hits-per-minute', {
  key: jsonWindowedSerde(),
  value: z.object({ path: z.string(), minute: z.string(), hits: z.number() }),
})

const builder = new StreamsBuilder()
builder
  .stream(accessLog, { timestamp: (hit) => hit.at })
  .groupBy((hit) => hit.path, { key: z.string() })
  .windowedBy(tumbling('1m', { grace: '10s' }))
  .count({ store: 'hits-per-minute' })
  .toStream()
  .mapValues((hits, window) => ({ path: window.key, minute: new Date(window.start).toISOString(), hits }))
  .to(perMinute)

export default builder.build()
