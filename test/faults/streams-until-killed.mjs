// node streams-until-killed.mjs BROKERS APPLICATION: counts words and joins two streams on a cluster, until it is killed, told
// to stop cleanly with SIGTERM, or reads the word 'poison', which ends every process of the application. Every change of its state
// is a line on the standard output, and what it ended with.
import { longSerde, openKafkaBroker, stringSerde } from 'millrace'
import { joinWithin, StreamsApp, StreamsBuilder, topic } from 'millrace/streams'

const [brokers, applicationId] = process.argv.slice(2)
const text = { key: stringSerde, value: stringSerde }
const named = (name) => topic(`${applicationId}-${name}`, text)

const builder = new StreamsBuilder()
builder.stream(named('words'))
  .peek((word) => {
    if (word === 'poison') throw new Error('nobody drinks this')
  })
  .groupBy((word) => word, text)
  .count({ store: 'counts' })
  .toStream()
  .to(topic(`${applicationId}-counted`, { key: stringSerde, value: longSerde }))
builder.stream(named('left'))
  .join(builder.stream(named('right')), (left, right) => `${left}+${right}`, { within: joinWithin('10s', { grace: '1h' }), ...text, otherValue: stringSerde })
  .to(named('joined'))

const broker = await openKafkaBroker({ brokers: brokers.split(','), requestTimeoutMs: 10_000 })
const app = new StreamsApp(builder.build(), { applicationId, broker, commitInterval: 100, sessionTimeout: '4s', transactionTimeout: '6s', standbyReplicas: 1, acceptableRecoveryLag: 500, onFailure: () => 'shutdown-application' })
app.onStateChange((state) => process.stdout.write(`${state} with ${app.metrics().tasks} tasks\n`))
process.on('SIGTERM', async () => {
  await app.close()
  await broker.close()
  process.exit(0)
})
await app.start()
try {
  await app.finished()
} catch (error) {
  process.stdout.write(`ended with ${error.code}: ${error.message}\n`)
  await broker.close()
  process.exit(1)
}
