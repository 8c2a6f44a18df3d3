import type { Command } from 'commander'
import { kafkaOptionsFromProperties, openEmbeddedBroker, openKafkaBroker } from '../core/index.ts'
import type { Broker } from '../core/index.ts'
import { readTextFile, requireDirectory } from './files.ts'

export interface BackendOptions {
  readonly data: string
  readonly kafka?: string
  readonly commandConfig?: string
  /** Settings of the connection to Kafka from elsewhere; those of --command-config go before them. */
  readonly clientProperties?: Readonly<Record<string, string>>
}

/** Options that every command about a log has. */
export function addBackendOptions(command: Command): Command {
  return command
    .option('--data <directory>', 'where the embedded log lies', './.millrace')
    .option('--kafka <host:port,…>', 'use this Apache Kafka cluster instead of an embedded log')
    .option('--command-config <file>', 'with --kafka: a .properties file with further client settings, such as security.protocol')
}

/** For people: which log it is. */
export function describeBackend({ data, kafka }: BackendOptions): string {
  return kafka ?? data
}

/** Opens the log, which must be there already, and closes it again whatever happens. */
export async function withBroker<T>(options: BackendOptions, use: (broker: Broker) => Promise<T>): Promise<T> {
  if (options.kafka === undefined) requireDirectory(options.data)
  return withNewBroker(options, use)
}

/** As `withBroker`, but an absent directory becomes an empty log. */
export async function withNewBroker<T>(options: BackendOptions, use: (broker: Broker) => Promise<T>): Promise<T> {
  const broker = await openBroker(options)
  try {
    return await use(broker)
  } finally {
    await broker.close()
  }
}

async function openBroker({ data, kafka, commandConfig, clientProperties }: BackendOptions): Promise<Broker> {
  if (kafka === undefined) return openEmbeddedBroker({ directory: data })
  const properties = commandConfig === undefined ? {} : await readProperties(commandConfig)
  return openKafkaBroker(kafkaOptionsFromProperties({ ...clientProperties, ...properties, 'bootstrap.servers': kafka }, { readFile: readTextFile }))
}

async function readProperties(file: string): Promise<Readonly<Record<string, string>>> {
  const { parseWorkerFile } = await import('../connect/index.ts')
  const properties = Object.entries(parseWorkerFile(file, readTextFile(file)))
  return Object.fromEntries(properties.flatMap(([name, value]) => (value === null ? [] : [[name, value]])))
}
