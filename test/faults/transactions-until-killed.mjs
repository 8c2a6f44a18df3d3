// node transactions-until-killed.mjs DIRECTORY FIRST [FAILPOINT COUNT]: transactions FIRST, FIRST + 1, … without end, each of one
// record in every partition and the offset of a group; a line `committed N` follows each commit. Between them a topic is made and
// removed. It is meant to be killed; with a failpoint (log-failpoints.mjs) it kills itself when that was passed COUNT times.
import { openEmbeddedBroker } from 'millrace'
import { nodeFileSystem } from '../../dist/test/kit/log-parts.js'
import { killedAt } from './log-failpoints.mjs'

const [directory, first, failpoint, count] = process.argv.slice(2)
const broker = await openEmbeddedBroker({ directory, ...(failpoint !== undefined && { fileSystem: killedAt(nodeFileSystem, failpoint, Number(count)) }) })
if (!(await broker.topics.list()).includes('transfers')) await broker.topics.create([{ topic: 'transfers', partitions: 3 }])
const producer = await broker.openProducer({ transactionalId: 'transfers' })
const group = { groupId: 'transfers', generation: -1, memberId: '', groupInstanceId: null }
process.stdout.write('ready\n')
for (let number = Number(first); ; number++) {
  producer.begin()
  const value = Buffer.from(String(number))
  await Promise.all([0, 1, 2].map((partition) => producer.append({ topic: 'transfers', partition, value })))
  await producer.commit({ group, offsets: [{ topic: 'transfers', partition: 0, offset: number + 1 }] })
  process.stdout.write(`committed ${number}\n`)
  if (number % 3 !== 0) continue
  if ((await broker.topics.list()).includes('passing')) await broker.topics.remove(['passing'])
  else await broker.topics.create([{ topic: 'passing', partitions: 2 }])
}
