// node streams-until-killed.mjs BROKERS APPLICATION: counts words and joins two streams on a cluster, until it is killed, or told
// to stop cleanly with SIGTERM. Every change of its state is a line on the standard output.
import { longSerde, openKafkaBroker, stringSerde } from 'millrace'
import { joinWithin, StreamsApp, StreamsBuilder, topic } from 'millrace/streams'

const [brokers, applicationId] = process.argv.slice(2)
const text = { key: stringSerde, value: stringSerde }
const named = (name) => topic(`${applicationId}-${name}`, text)

const builder = new StreamsBuilder()
builder.stream(named('words'))
  .groupBy((word) => word, text)
  .count({ store: 'counts' })
  .toStream()
  .to(topic(`${applicationId}-counted`, { key: stringSerde, value: longSerde }))
builder.stream(named('left'))
  .join(builder.stream(named('right')), (left, right) => `${left}+${right}`, { within: joinWithin('10s', { grace: '1h' }), ...text, otherValue: stringSerde })
  .to(named('joined'))

const broker = await openKafkaBroker({ brokers: brokers.split(','), requestTimeoutMs: 10_000 })
const app = new StreamsApp(builder.build(), { applicationId, broker, commitInterval: 100, sessionTimeout: '4s', transactionTimeout: '6s', standbyReplicas: 1, acceptableRecoveryLag: 500 })
app.onStateChange((state) => process.stdout.write(`${state} with ${app.metrics().tasks} tasks\n`))
process.on('SIGTERM', async () => {
  await app.close()
  await broker.close()
  process.exit(0)
})
await app.start()
await app.finished()
