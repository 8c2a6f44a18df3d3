// node stores-until-killed.mjs DIRECTORY: counts words in an embedded log, with stores on disk beside it, until it is killed, or told
// to stop cleanly with SIGTERM. Prints how much of each changelog was restored, and when it runs and commits.
import { join } from 'node:path'
import { longSerde, openEmbeddedBroker, stringSerde } from 'millrace'
import { StreamsApp, StreamsBuilder, topic } from 'millrace/streams'

const [directory] = process.argv.slice(2)
const say = (line) => process.stdout.write(`${line}\n`)

const builder = new StreamsBuilder()
builder.stream(topic('words', { key: stringSerde, value: stringSerde }))
  .groupByKey()
  .count({ store: 'counts' })
  .toStream()
  .to(topic('counted', { key: stringSerde, value: longSerde }))

const broker = await openEmbeddedBroker({ directory: join(directory, 'log') })
const app = new StreamsApp(builder.build(), {
  applicationId: 'killed', broker, commitInterval: 5, stateDirectory: join(directory, 'stores'),
  onRestore: ({ step, partition, startOffset, endOffset }) => { if (step === 'start') say(`restores ${partition} from ${startOffset} to ${endOffset}`) },
})
app.onStateChange((state) => say(state))
process.on('SIGTERM', async () => {
  await app.close()
  await broker.close()
  process.exit(0)
})
await app.start()
const producer = await broker.openProducer()
for (let round = 0; ; round++) {
  const sent = Array.from({ length: 50 }, (_, index) => producer.append({ topic: 'words', key: stringSerde.serialize(`word-${(round * 50 + index) % 997}`), value: stringSerde.serialize('x') }))
  await Promise.all(sent)
  await app.caughtUp()
  say(`committed ${round}`)
}
