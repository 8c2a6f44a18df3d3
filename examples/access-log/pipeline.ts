/**
 * access.log → file source → topic access-log → topology → topic hits-per-minute → file sink, and PostgreSQL when asked for.
 * The connectors are configured by the JSON files in `connectors/`; only the paths and the URL come from the caller.
 */
import { mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Broker, TopicSpec } from 'millrace'
import { ConnectWorker, type NamedConfig, parseConnectorFile } from 'millrace/connect'
import { StreamsApp } from 'millrace/streams'
import { type LogPlace, applicationId, deadLetterTopic, offsetsTopic, openLog, topics } from './log-place.ts'
import topology from './topology.ts'

export interface PipelineOptions extends LogPlace {
  /** Path, or a pattern that takes in files that were rotated before the first start: `access.log*`. */
  readonly logFile: string
  readonly postgresUrl?: string | undefined
}

export interface Pipeline {
  readonly broker: Broker
  /** Rejects when the topology fails for good; a connector that fails shows in the worker's status, and is started again. */
  readonly finished: Promise<void>
  /** Commits what is under way and stops everything, in the direction of the data. */
  close(): Promise<void>
}

/** There is one, and after a kill it goes on at once: on a cluster others would wait whether it comes back. */
const instanceId = 'access-log'

/** Retention goes by the time of a record, and a log may tell of last year. */
const keepForever = { 'retention.ms': '-1' }

export const outputFile = (dataDirectory: string) => join(dataDirectory, 'hits-per-minute.jsonl')

export async function startPipeline(options: PipelineOptions): Promise<Pipeline> {
  mkdirSync(options.dataDirectory, { recursive: true })
  const broker = await openLog(options)
  await createMissing(broker, topics.map((topic) => ({ topic, configs: keepForever })))
  const app = new StreamsApp(topology, {
    applicationId,
    broker,
    instanceId,
    onDeserializationError: 'dead-letter',
    deadLetterTopic,
    windowChangelogRetention: '36500d',
  })
  const worker = ConnectWorker.open({ broker, config: { 'group.id': applicationId, 'offset.storage.topic': offsetsTopic } })
  await app.start()
  await worker.start(connector('file-source', { path: options.logFile }))
  await worker.start(connector('file-sink', { 'file': outputFile(options.dataDirectory), 'consumer.override.group.instance.id': instanceId }))
  if (options.postgresUrl !== undefined) await worker.start(connector('postgres-sink', { 'connection.url': options.postgresUrl, 'consumer.override.group.instance.id': instanceId }))
  return {
    broker,
    finished: app.finished(),
    async close() {
      await app.close()
      await worker.stop()
      await broker.close()
    },
  }
}

async function createMissing(broker: Broker, topics: readonly TopicSpec[]): Promise<void> {
  const existing = new Set(await broker.topics.list())
  await broker.topics.create(topics.filter(({ topic }) => !existing.has(topic)))
}

function connector(file: string, overrides: Readonly<Record<string, string>>): NamedConfig {
  const path = new URL(`examples/access-log/connectors/${file}.json`, import.meta.resolve('millrace/package.json'))
  const { name, config } = parseConnectorFile(`${file}.json`, readFileSync(path, 'utf8'))
  return { name, config: { ...config, ...overrides } }
}
