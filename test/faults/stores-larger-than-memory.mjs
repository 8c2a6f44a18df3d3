// node --max-old-space-size=… stores-larger-than-memory.mjs DIRECTORY MIB: fills a table on disk with MIB of rows,
// starts again, and looks rows up. Prints { rows, restored, wrong, peakBytes } as JSON; peakBytes: of the heap and of buffers.
import { join } from 'node:path'
import { openEmbeddedBroker, stringSerde } from 'millrace'
import { StreamsApp, StreamsBuilder, topic } from 'millrace/streams'

const [directory, mib] = process.argv.slice(2)
const rowCount = Number(mib) * 1024
const texts = { key: stringSerde, value: stringSerde }
const valueOf = (row) => `${row}:`.padEnd(1000, 'abcdefghij')

let peakBytes = 0
const watch = setInterval(() => {
  const { heapUsed, external } = process.memoryUsage()
  peakBytes = Math.max(peakBytes, heapUsed + external)
}, 20)

const broker = await openEmbeddedBroker({ directory: join(directory, 'log') })
await broker.topics.create([{ topic: 'rows', partitions: 2, configs: { 'cleanup.policy': 'compact' } }])

async function run(use) {
  const builder = new StreamsBuilder()
  // The topic itself serves as the changelog: written once, the rows are twice on disk, not three times.
  builder.table(topic('rows', texts), { store: 'rows' })
  let restored = 0
  const app = new StreamsApp(builder.build({ optimization: 'all' }), {
    applicationId: 'large', broker, stateDirectory: join(directory, 'stores'),
    onRestore: ({ startOffset, endOffset, step }) => { if (step === 'start') restored += endOffset - startOffset },
  })
  await app.start()
  await app.caughtUp()
  const answer = await use(app.store('rows'))
  await app.close()
  return { restored, answer }
}

const producer = await broker.openProducer()
for (let row = 0; row < rowCount;) {
  const sent = []
  for (const end = Math.min(rowCount, row + 2000); row < end; row++) sent.push(producer.append({ topic: 'rows', key: stringSerde.serialize(`row-${row}`), value: stringSerde.serialize(valueOf(row)) }))
  await Promise.all(sent)
}
await producer.close()
await run(() => {})
const { restored, answer: { rows, wrong } } = await run((store) => {
  let wrong = 0
  for (let row = 0; row < rowCount; row += 97) if (store.get(`row-${row}`) !== valueOf(row)) wrong++
  return { rows: store.count(), wrong }
})
await broker.close()
clearInterval(watch)
process.stdout.write(`${JSON.stringify({ rows, restored, wrong, peakBytes })}\n`)
