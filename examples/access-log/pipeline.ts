/**
 * access.log → file source → topic access-log → topology → topic hits-per-minute → file sink, and PostgreSQL when asked for.
 * The connectors are configured by the JSON files in `connectors/`; only the paths and the URL come from the caller.
 */
import { mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Broker, type TopicSpec, openEmbeddedBroker } from 'millrace'
import { ConnectWorker, type NamedConfig, parseConnectorFile } from 'millrace/connect'
import { StreamsApp } from 'millrace/streams'
import topology, { accessLog, perMinute } from './topology.ts'

export const deadLetterTopic = 'access-log-dead-letters'

export interface PipelineOptions {
  /** Path, or a pattern that takes in files that were rotated before the first start: `access.log*`. */
  readonly logFile: string
  /** Topics and state in `broker/`, and the file sink's `hits-per-minute.jsonl`. */
  readonly dataDirectory: string
  readonly postgresUrl?: string | undefined
}

export interface Pipeline {
  readonly broker: Broker
  /** Rejects when the topology fails for good; a connector that fails shows in the worker's status, and is started again. */
  readonly finished: Promise<void>
  /** Commits what is under way and stops everything, in the direction of the data. */
  close(): Promise<void>
}

/** Retention goes by the time of a record, and a log may tell of last year. */
const keepForever = { 'retention.ms': '-1' }

export const brokerDirectory = (dataDirectory: string) => join(dataDirectory, 'broker')
export const outputFile = (dataDirectory: string) => join(dataDirectory, 'hits-per-minute.jsonl')

export async function startPipeline(options: PipelineOptions): Promise<Pipeline> {
  mkdirSync(options.dataDirectory, { recursive: true })
  const broker = await openEmbeddedBroker({ directory: brokerDirectory(options.dataDirectory) })
  await createMissing(broker, [accessLog.name, perMinute.name, deadLetterTopic].map((topic) => ({ topic, configs: keepForever })))
  const app = new StreamsApp(topology, {
    applicationId: 'hits-per-minute',
    broker,
    onDeserializationError: 'dead-letter',
    deadLetterTopic,
    windowChangelogRetention: '36500d',
  })
  const worker = ConnectWorker.open({ broker })
  await app.start()
  await worker.start(connector('file-source', { path: options.logFile }))
  await worker.start(connector('file-sink', { file: outputFile(options.dataDirectory) }))
  if (options.postgresUrl !== undefined) await worker.start(connector('postgres-sink', { 'connection.url': options.postgresUrl }))
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
