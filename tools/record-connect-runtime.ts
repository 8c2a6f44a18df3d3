/**
 * npx jiti tools/record-connect-runtime.ts [PREFIX…]
 *
 * Plays the scenarios of test/vectors/connect-runtime (those whose name starts with a PREFIX) against a real Kafka Connect worker and a
 * real broker, and writes down what happened as what they expect. Needs Java with javac.
 */
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openKafkaBroker } from '../src/core/index.ts'
import { isExactlyOnceScenario, playScenario } from '../test/kit/connect-play.ts'
import type { Scenario } from '../test/kit/connect-play.ts'
import { startKafkaConnect } from '../test/kit/kafka-connect.ts'
import { kafkaVersion } from '../test/kit/kafka-jars.ts'
import { startKafka } from '../test/kit/kafka.ts'
import { vectorsDirectory } from '../test/kit/vectors.ts'

/** One step and one call a line, so that a difference can be read. */
function written({ scenario, about, topics, steps, reads, expect }: Scenario): string {
  const list = (items: readonly unknown[], indent: string) => (items.length === 0 ? '[]' : `[\n${items.map((item) => `${indent}  ${JSON.stringify(item)}`).join(',\n')}\n${indent}]`)
  const read = Object.entries(expect.topics).map(([topic, records]) => `      ${JSON.stringify(topic)}: ${list(records, '      ')}`).join(',\n')
  return [
    '{', `  "scenario": ${JSON.stringify(scenario)},`, `  "about": ${JSON.stringify(about)},`, `  "recordedFrom": "Apache Kafka Connect ${kafkaVersion}",`,
    `  "topics": ${JSON.stringify(topics)},`, `  "steps": ${list(steps, '  ')},`, `  "reads": ${JSON.stringify(reads)},`,
    '  "expect": {', `    "calls": ${list(expect.calls, '    ')},`, `    "offsets": ${list(expect.offsets, '    ')},`, `    "topics": ${read === '' ? '{}' : `{\n${read}\n    }`}`, '  }', '}', '',
  ].join('\n')
}

const folder = join(vectorsDirectory, 'connect-runtime')
const prefixes = process.argv.length > 2 ? process.argv.slice(2) : ['']
const directory = mkdtempSync(join(tmpdir(), 'millrace-record-'))
const kafka = await startKafka()
const broker = await openKafkaBroker({ brokers: kafka.bootstrapServers.split(',') })

/** Scenarios of one kind share a worker. */
async function record(names: readonly string[], support: 'enabled' | 'disabled'): Promise<void> {
  if (names.length === 0) return
  const config = { 'exactly.once.source.support': support, 'group.id': support, ...Object.fromEntries(['config', 'offset', 'status'].map((each) => [`${each}.storage.topic`, `${support}-${each}`])) }
  const connect = await startKafkaConnect({ bootstrapServers: kafka.bootstrapServers, config })
  try {
    for (const name of names) await recordOne(name, connect.url)
  } finally {
    await connect.stop()
  }
}

async function recordOne(name: string, url: string): Promise<void> {
  const path = join(folder, name)
  const scenario = JSON.parse(readFileSync(path, 'utf8')) as Scenario
  try {
    writeFileSync(path, written({ ...scenario, expect: await playScenario(scenario, { url, broker, directory, patienceMs: 60_000 }) }))
    process.stdout.write(`${name}: recorded\n`)
  } catch (error) {
    process.exitCode = 1
    process.stdout.write(`${name}: ${error instanceof Error ? error.message : String(error)}\n`)
  }
}

try {
  const names = readdirSync(folder).filter((each) => each.endsWith('.json') && prefixes.some((prefix) => each.startsWith(prefix))).sort()
  await record(names.filter((name) => isExactlyOnceScenario(name)), 'enabled')
  await record(names.filter((name) => !isExactlyOnceScenario(name)), 'disabled')
} finally {
  await broker.close()
  await kafka.stop()
  rmSync(directory, { recursive: true, force: true })
}
