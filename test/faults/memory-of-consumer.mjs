// node memory-of-consumer.mjs BROKERS TOPIC BATCHES: reads so many batches as a member of a group, in a process of its own, and
// prints by how many bytes its memory grew above the start.
import { openKafkaBroker } from 'millrace'

const [brokers, topic, batchCount] = process.argv.slice(2)
const broker = await openKafkaBroker({ brokers: brokers.split(',') })
const member = await broker.joinGroup({ groupId: `${topic}-reader`, topics: [topic], offsetReset: 'earliest' })
const start = process.memoryUsage().rss
let highest = start
for (let read = 0; read < Number(batchCount);) {
  for (const { batches } of (await member.read({ maxWaitMs: 5_000 })).partitions) read += batches.length
  highest = Math.max(highest, process.memoryUsage().rss)
}
process.stdout.write(String(highest - start))
await broker.close()
