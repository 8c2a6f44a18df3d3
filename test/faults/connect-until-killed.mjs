// node connect-until-killed.mjs DIRECTORY MORTAL: a worker that counts into a topic and writes the topic to DIRECTORY/out.txt,
// until it is killed, or told to stop cleanly with SIGTERM.
import { join } from 'node:path'
import { openEmbeddedBroker } from 'millrace'
import { runStandalone } from 'millrace/connect'

const [directory, mortal] = process.argv.slice(2)
const broker = await openEmbeddedBroker({ directory: join(directory, 'log') })
if (!(await broker.topics.list()).includes('numbers')) await broker.topics.create([{ topic: 'numbers', partitions: 3 }])
const config = {
  'plugin.path': new URL('./numbers-plugin.mjs', import.meta.url).href, 'key.converter': 'StringConverter', 'value.converter': 'StringConverter',
  'offset.flush.interval.ms': '50', 'restart.backoff.ms': '20', 'restart.backoff.max.ms': '50', 'restart.max.attempts': '-1',
}
const quiet = { debug() {}, info() {}, warn() {}, error() {} }
const handle = await runStandalone(config, [
  { name: 'count', config: { 'connector.class': 'test.NumberSource', 'topic': 'numbers', mortal } },
  { name: 'write', config: { 'connector.class': 'test.FileSink', 'topics': 'numbers', 'tasks.max': '2', 'file': join(directory, 'out.txt'), mortal } },
], { broker, log: quiet })
process.on('SIGTERM', async () => {
  await handle.stop()
  await broker.close()
  process.exit(0)
})
const isRunning = () => handle.status().every(({ tasks }) => tasks.length > 0 && tasks.every(({ records }) => records > 0))
const timer = setInterval(() => {
  if (!isRunning()) return
  clearInterval(timer)
  process.stdout.write('ready\n')
}, 5)
