import { basename, resolve } from 'node:path'
import { Option } from 'commander'
import type { Command } from 'commander'
import { StreamError, isStreamError } from '../core/index.ts'
import type { Duration } from '../core/index.ts'
import type { AppServer, FailureDecision, StreamsApp, StreamsConfig, StreamsState } from '../streams/index.ts'
import { duration, wholeNumber } from './arguments.ts'
import { addBackendOptions, placeOptions, withNewBroker } from './backend.ts'
import type { BackendOptions } from './backend.ts'
import { stopped } from './terminal.ts'
import type { Terminal } from './terminal.ts'

type Policy = 'fail' | 'skip' | 'dead-letter'

interface RunCommandOptions extends BackendOptions {
  readonly applicationId?: string
  readonly instanceId?: string
  readonly onDeserializationError?: Policy
  readonly onProcessingError?: Policy
  readonly onSerializationError?: Policy
  readonly onFailure?: FailureDecision
  readonly guarantee?: 'exactly-once' | 'at-least-once'
  readonly commitInterval?: Duration
  readonly offsetReset?: 'earliest' | 'latest'
  readonly cacheMaxBytes?: number
  readonly stateDirectory?: string
  readonly stateSync?: 'on-close' | 'on-commit'
  readonly threads?: number
  readonly standbyReplicas?: number
  readonly metricsRecordingLevel?: 'info' | 'debug' | 'trace'
  readonly httpPort?: number
  readonly httpHost: string
  readonly endpoint?: string
}

const policies: readonly Policy[] = ['fail', 'skip', 'dead-letter']
const decisions: readonly FailureDecision[] = ['shutdown', 'replace', 'shutdown-application']

export function addRunCommand(program: Command, terminal: Terminal): void {
  addBackendOptions(program.command('run').description('run a topology, until Ctrl-C'))
    .argument('<app>', 'a module, TypeScript or JavaScript, whose default export is a topology')
    .option('--application-id <id>', 'names the consumer group and the internal topics (default: the name of the file)')
    .option('--instance-id <id>', 'names this instance among those of the application: started again under it, it takes up its work at once (default: random)')
    .addOption(new Option('--on-deserialization-error <policy>', 'for bytes that are no key or value of their topic (default: fail)').choices(policies))
    .addOption(new Option('--on-processing-error <policy>', 'for a function of the program that throws (default: fail)').choices(policies))
    .addOption(new Option('--on-serialization-error <policy>', 'for a result that has no bytes, too many for its topic, or no topic (default: fail)').choices(policies))
    .addOption(new Option('--on-failure <decision>', 'for what no policy handles: end this instance, try again from the last commit, or end every instance (default: shutdown)').choices(decisions))
    .addOption(new Option('--guarantee <guarantee>', 'exactly-once: results, state and offsets become visible together (default: exactly-once)').choices(['exactly-once', 'at-least-once']))
    .option('--commit-interval <duration>', 'longest time until results are visible, such as 100ms (default: 100ms, or 30s at least once)', duration)
    .addOption(new Option('--offset-reset <place>', 'where to start in topics of which nothing was committed (default: earliest)').choices(['earliest', 'latest']))
    .option('--cache-max-bytes <bytes>', 'for the write-back caches of the stores; 0 forwards every update (default: 10 MiB)', wholeNumber)
    .option('--state-directory <directory>', 'keep stores on disk, larger than memory if need be; needs the package lmdb (default: in memory)')
    .addOption(new Option('--state-sync <when>', 'when that directory is forced to disk; on-commit also survives a power cut, and waits at each commit; after one, on-close fills all stores anew (default: on-close)').choices(['on-close', 'on-commit']))
    .option('--threads <number>', 'run StreamTasks in so many threads (default: 1)', wholeNumber)
    .option('--standby-replicas <number>', 'let so many other instances follow the stores of each StreamTask, and take it over without restoring (default: 0)', wholeNumber)
    .addOption(new Option('--metrics-recording-level <level>', 'debug also measures each node and each operation of a store, trace how old records are there; both cost time with each record (default: info)').choices(['info', 'debug', 'trace']))
    .option('--http-port <port>', 'serve metrics for Prometheus, and the stores, at this port; 0 takes a free one', wholeNumber)
    .option('--http-host <address>', 'with --http-port: where to listen; there is no password', '127.0.0.1')
    .option('--endpoint <address>', 'where other instances and their clients reach that port, such as 10.0.0.5:8080')
    .action((file: string, options: RunCommandOptions) => runApp(file, options, terminal).catch((error: unknown) => { throw withPlace(error, options) }))
}

async function runApp(file: string, options: RunCommandOptions, terminal: Terminal): Promise<void> {
  const { applicationId = applicationIdOf(file) } = options
  // Loaded here, so that the other commands start faster.
  const [{ loadTopology }, { StreamsApp }] = await Promise.all([import('./load-topology.ts'), import('../streams/index.ts')])
  const topology = await loadTopology(file)
  await withNewBroker(options, async (broker, place) => {
    const app = new StreamsApp(topology, { applicationId, broker, ...settingsOf(options), topologyModule: resolve(file), ...threadWorker() })
    const stop = stopped(terminal)
    // Also while it starts, which may take as long as a cluster takes to answer. A failure ends the run below, where it is told.
    stop.then(() => app.close()).catch(() => {})
    await app.start()
    if (app.state === 'NOT_RUNNING') return
    terminal.tell(`running ${applicationId} on ${place}; Ctrl-C stops it`)
    if (app.stateWasDiscarded) terminal.tell(`${options.stateDirectory} was not closed before the machine started anew, so what it had is not relied on: all stores are filled from their changelogs`)
    app.onStateChange((state) => tellState(app, state, terminal))
    // A failure ends the run below, where it is told.
    app.caughtUp().then(() => terminal.tell(caughtUp(app.metrics())), () => {})
    let server: AppServer | null = null
    try {
      server = await serving(app, options, terminal)
      await Promise.race([app.finished(), stop])
    } finally {
      await server?.close()
      await app.close()
    }
  })
}

/** The commands that a failure advises are about this log. */
function withPlace(error: unknown, options: RunCommandOptions): unknown {
  const place = placeOptions(options)
  if (place === '' || !isStreamError(error, 'UNKNOWN_TOPIC_OR_PARTITION')) return error
  const message = error.message.replaceAll(/millrace topics --create --topic \S+ --partitions \d+/g, (command) => `${command} ${place}`)
  return new StreamError(error.code, message, { cause: error.cause, details: error.details })
}

/** Who reads the log of one instance of several sees when work came and went. The start and the end are told elsewhere. */
function tellState(app: StreamsApp, state: StreamsState, terminal: Terminal): void {
  if (state === 'REBALANCING') terminal.tell('rebalancing: StreamTasks come or go, or stores are restored')
  if (state === 'RUNNING') terminal.tell(`running ${app.metrics().tasks} StreamTasks here`)
}

function caughtUp({ inputRecords, droppedRecords }: ReturnType<StreamsApp['metrics']>): string {
  const leftOut = droppedRecords === 0 ? '' : `; ${droppedRecords} ${droppedRecords === 1 ? 'was' : 'were'} left out: late, without a key, or by an error policy`
  return `caught up after ${inputRecords} ${inputRecords === 1 ? 'record' : 'records'}${leftOut}`
}

/** From TypeScript sources there is nothing that a thread of Node 20 could begin with. */
function threadWorker(): Pick<StreamsConfig, 'threadWorker'> {
  return import.meta.url.endsWith('.ts') ? {} : { threadWorker: new URL(import.meta.resolve('#console-thread')) }
}

/** Those of the application that were given: it has defaults for the others. */
function settingsOf(options: RunCommandOptions): Partial<StreamsConfig> {
  const { onFailure, instanceId, onDeserializationError, onProcessingError, onSerializationError, guarantee, commitInterval, offsetReset, cacheMaxBytes, stateDirectory, stateSync, endpoint, threads, standbyReplicas, metricsRecordingLevel } = options
  const settings = { instanceId, onDeserializationError, onProcessingError, onSerializationError, guarantee, commitInterval, offsetReset, cacheMaxBytes, stateDirectory, stateSync, endpoint, threads, standbyReplicas, metricsRecordingLevel }
  return Object.fromEntries(Object.entries({ ...settings, onFailure: onFailure && (() => onFailure) }).filter(([, value]) => value !== undefined))
}

async function serving(app: StreamsApp, { httpPort, httpHost }: RunCommandOptions, terminal: Terminal): Promise<AppServer | null> {
  if (httpPort === undefined) return null
  const { serveApp } = await import('../streams/index.ts')
  const server = await serveApp(app, { port: httpPort, host: httpHost })
  terminal.tell(`metrics and stores at ${server.url}`)
  return server
}

function applicationIdOf(file: string): string {
  return basename(file).replace(/\.[^.]*$/, '')
}
