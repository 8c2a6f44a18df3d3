// node topologies-until-killed.mjs BASE_MS SEED DIRECTORY…: in each directory an application of its own writes input, counts it by
// window and joins it, until all are killed.
// node topologies-until-killed.mjs BASE_MS SEED DIRECTORY=PROGRAM…: in each directory runs the random program of that seed over
// input that is there.
// A line `loaded` says that it begins. Of several applications each starts at a moment of its own, and a line `running DIRECTORY`
// says that it has started, and written the first records where it writes.
import { openEmbeddedBroker, randomInteger, seededRandom, sleep, systemClock } from 'millrace'
import { StreamsApp } from 'millrace/streams'
import { join, recordOf, windowedCount } from '../kit/killed-topologies.mjs'

const [base, seed, ...places] = process.argv.slice(2)
const baseMs = Number(base)
const random = seededRandom(Number(seed))
const longestWaitMs = places.length > 1 ? 200 : 1

async function start(broker, topology, applicationId, settings) {
  await new StreamsApp(topology, { applicationId, broker, commitInterval: 10, ...settings }).start()
}

/** Resolves when the first records are there. */
async function startWriting(broker) {
  const producer = await broker.openProducer()
  const names = ['hits', 'left', 'right']
  const ends = await broker.topics.listOffsets(names.map((topic) => ({ topic, partition: 0, at: 'latest' })))
  const next = new Map(ends.map(({ topic, offset }) => [topic, offset]))
  const writeSome = () => {
    const appends = names.flatMap((name) => Array.from({ length: 10 }, (_, index) => producer.append(recordOf(name, next.get(name) + index, baseMs))))
    for (const name of names) next.set(name, next.get(name) + 10)
    return Promise.all(appends)
  }
  await writeSome()
  void writeOn(writeSome)
}

async function writeOn(writeSome) {
  for (;;) await writeSome()
}

async function runOne(place) {
  await sleep(systemClock, randomInteger(random, longestWaitMs))
  const [directory, program] = place.split('=')
  const broker = await openEmbeddedBroker({ directory })
  if (program === undefined) {
    await start(broker, windowedCount(), 'count', { cacheMaxBytes: 0 })
    await start(broker, join(), 'join', { cacheMaxBytes: 0 })
    await startWriting(broker)
  } else {
    await start(broker, await randomTopology(Number(program)), 'app', {})
  }
  process.stdout.write(`running ${directory}\n`)
}

// The models behind it take as long to load as all of the above.
async function randomTopology(program) {
  const { experimentOf } = await import('../../dist/test/kit/streams-differential.js')
  const { topologyOf } = await import('../../dist/test/kit/streams-model-topology.js')
  return topologyOf(experimentOf(program, baseMs).program)
}

process.stdout.write('loaded\n')
await Promise.all(places.map(runOne))
