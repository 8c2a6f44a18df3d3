// node files-until-killed.mjs DIRECTORY PATHS: a worker that follows the logs of PATHS, a JSON object of topic → path, and writes each topic to
// rolled files under DIRECTORY/rolled and to one file in DIRECTORY/appended, until it is killed, or told to stop cleanly with SIGTERM.
// It prints, as a line of JSON, how many committed records each topic has, whenever that has changed.
import { join } from 'node:path'
import { openEmbeddedBroker } from 'millrace'
import { runStandalone } from 'millrace/connect'

const [directory, paths] = process.argv.slice(2)
const logs = Object.entries(JSON.parse(paths))
const broker = await openEmbeddedBroker({ directory: join(directory, 'log') })
const present = new Set(await broker.topics.list())
const missing = logs.map(([topic]) => topic).filter((topic) => !present.has(topic))
if (missing.length > 0) await broker.topics.create(missing.map((topic) => ({ topic })))
const log = { debug() {}, info() {}, warn() {}, error: (text) => process.stderr.write(`${text}\n`) }
const sources = logs.map(([topic, path]) => ({
  name: `from-${topic}`,
  config: { 'connector.class': 'FileSource', topic, path, 'rescan.interval.ms': '20', 'poll.interval.ms': '10', watch: 'false', 'rotated.idle.ms': '2000', 'batch.bytes': '16384' },
}))
const topics = logs.map(([topic]) => topic).join(',')
const sinks = [
  { name: 'rolled', config: { 'connector.class': 'RollingFileSink', topics, format: 'text', path: join(directory, 'rolled/{topic}/{partition}-{offset}'), 'roll.interval.ms': '100', 'roll.records': '500' } },
  { name: 'appended', config: { 'connector.class': 'FileSink', topics, path: join(directory, 'appended/{topic}') } },
]
const config = { 'task.host': 'in-process', 'key.converter': 'StringConverter', 'value.converter': 'StringConverter', 'offset.flush.interval.ms': '50' }
const handle = await runStandalone(config, [...sources, ...sinks], { broker, log })
const reader = await broker.openReader()
reader.assign(logs.map(([topic]) => ({ topic, partition: 0, offset: 0 })))
const stopping = new AbortController()
process.on('SIGTERM', () => stopping.abort())
handle.failed.catch((error) => {
  process.stderr.write(`${error.stack}\n`)
  process.exit(2)
})
const counts = Object.fromEntries(logs.map(([topic]) => [topic, 0]))
while (!stopping.signal.aborted) {
  const { partitions } = await reader.read({ signal: stopping.signal }).catch(() => ({ partitions: [] }))
  for (const { topic, batches } of partitions) for (const batch of batches) counts[topic] += [...batch].length
  process.stdout.write(`${JSON.stringify(counts)}\n`)
}
await reader.close()
await handle.stop()
await broker.close()
