// node topologies-until-killed.mjs DIRECTORY BASE_MS: writes input, counts it by window and joins it, until it is killed.
// node topologies-until-killed.mjs DIRECTORY BASE_MS SEED: runs the random program of that seed over input that is there.
import { openEmbeddedBroker } from 'millrace'
import { StreamsApp } from 'millrace/streams'
import { experimentOf } from '../../dist/test/kit/streams-differential.js'
import { topologyOf } from '../../dist/test/kit/streams-model-topology.js'
import { join, recordOf, windowedCount } from '../kit/killed-topologies.mjs'

const [directory, base, seed] = process.argv.slice(2)
const baseMs = Number(base)
const broker = await openEmbeddedBroker({ directory })

async function start(topology, applicationId, settings) {
  await new StreamsApp(topology, { applicationId, broker, commitInterval: 10, ...settings }).start()
}

async function writeOn() {
  const producer = await broker.openProducer()
  const names = ['hits', 'left', 'right']
  const ends = await broker.topics.listOffsets(names.map((topic) => ({ topic, partition: 0, at: 'latest' })))
  const next = new Map(ends.map(({ topic, offset }) => [topic, offset]))
  for (;;) {
    const appends = names.flatMap((name) => Array.from({ length: 20 }, (_, index) => producer.append(recordOf(name, next.get(name) + index, baseMs))))
    for (const name of names) next.set(name, next.get(name) + 20)
    await Promise.all(appends)
  }
}

if (seed === undefined) {
  await start(windowedCount(), 'count', { cacheMaxBytes: 0 })
  await start(join(), 'join', { cacheMaxBytes: 0 })
  void writeOn()
} else {
  await start(topologyOf(experimentOf(Number(seed), baseMs).program), 'app', {})
}
process.stdout.write('running\n')
