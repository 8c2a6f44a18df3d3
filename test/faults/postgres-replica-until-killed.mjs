// node postgres-replica-until-killed.mjs DIRECTORY SOURCE TARGET SLOT: captures the database SOURCE into topics and applies these to TARGET, until it is
// killed, or told to stop cleanly with SIGTERM.
import { join } from 'node:path'
import { openEmbeddedBroker } from 'millrace'
import { runStandalone } from 'millrace/connect'
import { plugins } from 'millrace/connectors/postgres'

const [directory, source, target, slot] = process.argv.slice(2)
const broker = await openEmbeddedBroker({ directory: join(directory, 'log') })
const config = {
  'task.host': 'in-process', 'key.converter': 'JsonConverter', 'key.converter.schemas.enable': 'false', 'value.converter': 'JsonConverter', 'value.converter.schemas.enable': 'false',
  'offset.flush.interval.ms': '100', 'restart.backoff.ms': '50', 'restart.backoff.max.ms': '200', 'restart.max.attempts': '-1',
}
const say = (level) => (text) => process.stderr.write(`${level} ${text}\n`)
const handle = await runStandalone(config, [
  {
    name: 'capture',
    config: {
      'connector.class': 'PostgresCdcSource', 'connection.url': source, 'topic.prefix': 'db', 'slot.name': slot, 'snapshot.fetch.size': '50', 'snapshot.max.threads': '2',
      'signal.data.collection': 'public.signals', 'incremental.snapshot.chunk.size': '25', 'heartbeat.interval.ms': '300', 'status.interval.ms': '300', 'max.batch.size': '200',
    },
  },
  {
    name: 'apply',
    config: {
      'connector.class': 'PostgresSink', 'topics.regex': String.raw`db\.public\..*`, 'connection.url': target, 'insert.mode': 'upsert', 'pk.mode': 'record_key',
      'delete.enabled': 'true', 'truncate.enabled': 'true', 'auto.create': 'true', 'auto.evolve': 'true', 'table.name.format': '${topic}',
    },
  },
], { broker, plugins, log: { debug() {}, info() {}, warn: say('warn'), error: say('error') } })
process.on('SIGTERM', async () => {
  await handle.stop()
  await broker.close()
  process.exit(0)
})
process.stdout.write('ready\n')
