// node transfers-until-stopped.mjs DIRECTORY TRANSACTION_TIMEOUT_MS: numbers 0, 1, 2, … without end, each a transaction over two
// partitions; a line `committed N` follows each. What is refused because the process stood still for too long is done again under
// a new epoch. It is meant to be stopped, continued and killed.
import { openEmbeddedBroker } from 'millrace'

const [directory, timeout] = process.argv.slice(2)
const broker = await openEmbeddedBroker({ directory })
await broker.topics.create([{ topic: 'transfers', partitions: 2 }])
const open = () => broker.openProducer({ transactionalId: 'transfers', transactionTimeoutMs: Number(timeout) })
let producer = await open()
for (let number = 0; ;) {
  const value = Buffer.from(String(number))
  try {
    producer.begin()
    await Promise.all([0, 1].map((partition) => producer.append({ topic: 'transfers', partition, value })))
    await producer.commit()
  } catch (error) {
    process.stdout.write(`refused ${error.code}\n`)
    await producer.close().catch(() => undefined)
    producer = await open()
    continue
  }
  process.stdout.write(`committed ${number}\n`)
  number++
}
