import type { Command } from 'commander'
import { kafkaOptionsFromProperties, openEmbeddedBroker, openKafkaBroker, StreamError } from '../core/index.ts'
import type { Broker, KafkaBrokerOptions } from '../core/index.ts'
import { readTextFile, requireDirectory } from './files.ts'

export interface BackendOptions {
  readonly data: string
  readonly kafka?: string
  readonly commandConfig?: string
  /** On a directory: topics that ask for several copies are made with one. */
  readonly clampReplicas?: boolean
  /** Settings of the connection to Kafka from elsewhere; those of --command-config go before them. */
  readonly clientProperties?: Readonly<Record<string, string>>
}

const defaultDirectory = './.millrace'

/** Options that every command about a log has. */
export function addBackendOptions(command: Command): Command {
  return command
    .option('--data <directory>', 'where the embedded log lies', defaultDirectory)
    .option('--kafka <host:port,…>', 'use this Apache Kafka cluster instead of an embedded log')
    .option('--command-config <file>', 'a .properties file with settings of the connection to a cluster, such as bootstrap.servers (instead of --kafka) and security.protocol')
}

/** The options that name the same log in another command; none for the one that is taken without any. */
export function placeOptions({ data, kafka, commandConfig }: BackendOptions): string {
  const ofCluster = { '--kafka': kafka, '--command-config': commandConfig }
  const isCluster = kafka !== undefined || commandConfig !== undefined
  const given = isCluster ? ofCluster : { '--data': data === defaultDirectory ? undefined : data }
  return Object.entries(given).flatMap(([option, value]) => (value === undefined ? [] : [option, quoted(value)])).join(' ')
}

/** For a shell. */
function quoted(text: string): string {
  return /^[\w./:,@%+-]+$/.test(text) ? text : `'${text.replaceAll("'", String.raw`'\''`)}'`
}

/** Opens the log, which must be there already, and closes it again whatever happens. `place` says for people which log it is. */
export function withBroker<T>(options: BackendOptions, use: (broker: Broker, place: string) => Promise<T>): Promise<T> {
  return withOpened(options, (directory) => requireDirectory(directory), use)
}

/** As `withBroker`, but an absent directory becomes an empty log. */
export function withNewBroker<T>(options: BackendOptions, use: (broker: Broker, place: string) => Promise<T>): Promise<T> {
  return withOpened(options, () => undefined, use)
}

async function withOpened<T>(options: BackendOptions, check: (directory: string) => void, use: (broker: Broker, place: string) => Promise<T>): Promise<T> {
  const connection = await connectionTo(options)
  if (connection === null) check(options.data)
  const broker = connection === null ? await openEmbeddedBroker({ directory: options.data, clampReplicas: options.clampReplicas ?? false }) : await openKafkaBroker(connection)
  try {
    return await use(broker, connection?.brokers.join(',') ?? options.data)
  } finally {
    await broker.close()
  }
}

/** null: a directory. @throws INVALID_CONFIG, INVALID_ARGUMENT */
async function connectionTo({ kafka, commandConfig, clientProperties }: BackendOptions): Promise<KafkaBrokerOptions | null> {
  const given = { ...clientProperties, ...(commandConfig === undefined ? {} : await readProperties(commandConfig)), ...(kafka === undefined ? {} : { 'bootstrap.servers': kafka }) }
  const options = kafkaOptionsFromProperties(given, { readFile: readTextFile })
  if (kafka !== undefined || options.brokers.length > 0) return options
  if (commandConfig === undefined) return null
  throw new StreamError('INVALID_ARGUMENT', `${commandConfig} has no bootstrap.servers; add them, or name the cluster by --kafka`)
}

/** Those with a value. @throws INVALID_ARGUMENT naming the file */
export async function readProperties(file: string): Promise<Readonly<Record<string, string>>> {
  const { parseWorkerFile } = await import('../connect/index.ts')
  const properties = Object.entries(parseWorkerFile(file, readTextFile(file)))
  return Object.fromEntries(properties.flatMap(([name, value]) => (value === null ? [] : [[name, value]])))
}
