// node idle-client.mjs BROKERS TOPIC MILLISECONDS: has a producer, a reader and a member of a group open at the end of a topic for so
// long, in a process of its own, and prints what share of a core that took.
import { openKafkaBroker, sleep, systemClock } from 'millrace'

const [brokers, topic, milliseconds] = process.argv.slice(2)
const broker = await openKafkaBroker({ brokers: brokers.split(',') })
const producer = await broker.openProducer()
await producer.append({ topic, partition: 0, value: Buffer.from('x') })
const reader = await broker.openReader()
reader.assign([{ topic, partition: 0, offset: 1 }])
const member = await broker.joinGroup({ groupId: topic, topics: [topic] })
const stop = new AbortController()
const readOn = async (read) => {
  while (!stop.signal.aborted) await read()
}
const reading = [readOn(() => reader.read({ signal: stop.signal })), readOn(() => member.read({ signal: stop.signal }))]
await sleep(systemClock, 2_000) // what is compiled and connected first is no idling
const start = process.cpuUsage()
await sleep(systemClock, Number(milliseconds))
const { user, system } = process.cpuUsage(start)
process.stdout.write(String((user + system) / 1_000 / Number(milliseconds)))
stop.abort()
await Promise.all(reading)
await broker.close()
