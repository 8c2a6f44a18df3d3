/** One start of an embedded log, for start.ts: `node dist/bench/start-log.js DIRECTORY` prints a `Started`. */
import { openEmbeddedBroker } from '../src/core/index.ts'

export interface Started {
  /** Until the first line of ours was run: what Node itself and the loading of our modules take. */
  readonly loadedMs: number
  readonly readyMs: number
  /** Until a durable append was acknowledged. */
  readonly firstRecordMs: number
  readonly cpuMs: number
  readonly rssMb: number
}

const [, , directory] = process.argv
const loadedMs = performance.now()
const broker = await openEmbeddedBroker({ directory: directory! })
const readyMs = performance.now()
if (!(await broker.topics.list()).includes('started')) await broker.topics.create([{ topic: 'started' }])
const producer = await broker.openProducer()
await producer.append({ topic: 'started', value: Buffer.from('ready') })
const { user, system } = process.cpuUsage()
console.log(JSON.stringify({ loadedMs, readyMs, firstRecordMs: performance.now(), cpuMs: (user + system) / 1000, rssMb: process.memoryUsage.rss() / 1e6 } satisfies Started))
await broker.close()
