// node transactions-until-killed.mjs DIRECTORY FIRST: transactions FIRST, FIRST + 1, … without end, each of one record in every
// partition; a line `committed N` follows each commit. It is meant to be killed.
import { openEmbeddedBroker } from 'millrace'

const [directory, first] = process.argv.slice(2)
const broker = await openEmbeddedBroker({ directory })
if (!(await broker.topics.list()).includes('transfers')) await broker.topics.create([{ topic: 'transfers', partitions: 3 }])
const producer = await broker.openProducer({ transactionalId: 'transfers' })
process.stdout.write('ready\n')
for (let number = Number(first); ; number++) {
  producer.begin()
  const value = Buffer.from(String(number))
  await Promise.all([0, 1, 2].map((partition) => producer.append({ topic: 'transfers', partition, value })))
  await producer.commit()
  process.stdout.write(`committed ${number}\n`)
}
