/** `millrace connect validate|explain|dry-run|schema`: what a connector's file means, before it runs. */
import type { Command } from 'commander'
import { StreamError } from '../core/index.ts'
import type { Broker } from '../core/index.ts'
import type { DryRecord, Inspection } from '../connect/index.ts'
import { wholeNumber } from './arguments.ts'
import { addBackendOptions, withBroker } from './backend.ts'
import type { BackendOptions } from './backend.ts'
import { isDirectory, readTextFile } from './files.ts'
import type { Terminal } from './terminal.ts'
import { textTable } from './text-table.ts'

interface WorkerOption {
  readonly worker?: string
}

interface DryRunOptions extends BackendOptions, WorkerOption {
  readonly maxRecords: number
  readonly timeoutMs: number
}

const file = 'the file of a connector, JSON or .properties'

export function addInspectCommands(connect: Command, terminal: Terminal): void {
  const withWorker = (command: Command) => command.option('--worker <file>', 'the configuration of the worker it is for; its plugins, converters and config providers count')
  withWorker(connect.command('validate').description('say everything that is wrong with the files of connectors; nothing is started')).argument('<files...>', file)
    .action((files: readonly string[], options: WorkerOption) => validate(files, options, terminal))
  withWorker(connect.command('explain').description('say what a connector\'s file means: every option, converter and transform that will be in effect')).argument('<file>', file)
    .action((path: string, options: WorkerOption) => explain(path, options, terminal))
  withWorker(connect.command('schema').description('print a JSON Schema of connector files, to be named by "$schema" in them, so that editors complete and check'))
    .action((options: WorkerOption) => printSchema(options, terminal))
  addBackendOptions(withWorker(connect.command('dry-run').description('print the first records as they would arrive; nothing is written, committed or handed to a sink')))
    .argument('<file>', file)
    .option('--max-records <number>', 'end after so many', wholeNumber, 10)
    .option('--timeout-ms <number>', 'end when nothing has come for so long', wholeNumber, 5000)
    .action((path: string, options: DryRunOptions) => printDryRun(path, options, terminal))
}

async function load(path: string, { worker }: WorkerOption) {
  // Loaded here, so that the other commands start faster.
  const connect = await import('../connect/index.ts')
  return {
    connect,
    named: connect.parseConnectorFile(path, readTextFile(path)),
    options: worker === undefined ? {} : { worker: connect.parseWorkerFile(worker, readTextFile(worker)) },
  }
}

async function validate(files: readonly string[], given: WorkerOption, terminal: Terminal): Promise<void> {
  let wrong = 0
  for (const path of files) {
    const { connect, named, options } = await load(path, given)
    const { complaints, hints, plugin } = await connect.inspectConnector(named, options)
    if (complaints.length === 0) await terminal.write(`${path}: ${named.name} is valid (${plugin?.class ?? 'unknown'})\n`)
    for (const complaint of complaints) terminal.tell(`${path}: ${complaint}`)
    for (const hint of hints) terminal.tell(`${path}: hint: ${hint}`)
    wrong += complaints.length
  }
  if (wrong > 0) throw new StreamError('INVALID_CONFIG', `${wrong} ${wrong === 1 ? 'error' : 'errors'}; a worker would refuse this`)
}

async function explain(path: string, given: WorkerOption, terminal: Terminal): Promise<void> {
  const { connect, named, options } = await load(path, given)
  const inspection = await connect.inspectConnector(named, options)
  await terminal.write(explanation(inspection))
  for (const complaint of inspection.complaints) terminal.tell(`${path}: ${complaint}`)
  if (inspection.plugin === null) throw new StreamError('INVALID_CONFIG', `${path}: there is nothing to explain`)
}

function explanation({ name, plugin, options, converters, transforms, hints }: Inspection): string {
  if (plugin === null) return ''
  const given = options.filter((each) => each.isGiven)
  const others = options.filter((each) => !each.isGiven && each.value !== null && each.value !== '')
  const table = (title: string, rows: typeof options) => (rows.length === 0 ? '' : `\n${textTable([title, 'VALUE', 'MEANING'], rows.map((each) => [each.name, each.value ?? '', each.doc]))}`)
  return [
    `${name} is a ${plugin.type}: ${plugin.class} ${plugin.version}${plugin.doc === undefined ? '' : `\n${plugin.doc}`}\n`,
    `\n${textTable(['CONVERTER', 'CLASS', 'FROM'], converters.map((each) => [each.role, each.class, each.from]))}`,
    transforms.length === 0 ? '' : `\n${textTable(['TRANSFORM', 'CLASS', 'APPLIES'], transforms.map((each) => [each.alias, each.class, each.when]))}`,
    table('SET HERE', given),
    table('BY DEFAULT', others),
    ...hints.map((hint) => `\nHint: ${hint}.\n`),
  ].join('')
}

async function printSchema({ worker }: WorkerOption, terminal: Terminal): Promise<void> {
  const { connectorFileSchema, parseWorkerFile, PluginRegistry } = await import('../connect/index.ts')
  const path = worker === undefined ? '' : (parseWorkerFile(worker, readTextFile(worker))['plugin.path'] ?? '')
  const registry = new PluginRegistry({ modules: path.split(',').map((each) => each.trim()).filter((each) => each !== '') })
  await terminal.write(`${JSON.stringify(await connectorFileSchema(registry), null, 2)}\n`)
}

async function printDryRun(path: string, given: DryRunOptions, terminal: Terminal): Promise<void> {
  const { connect, named, options } = await load(path, given)
  const connection = options.worker === undefined ? null : connect.clientProperties(options.worker)
  const run = async (broker: Broker | null) => {
    const waits = { maxRecords: given.maxRecords, maxWaitMs: given.timeoutMs, signal: terminal.stop }
    let count = 0
    for await (const record of connect.dryRun(named, { ...options, ...waits, broker })) await terminal.write(`${shown(record, ++count)}\n`)
    terminal.tell(`${count} ${count === 1 ? 'record' : 'records'}; nothing was written or committed.`)
  }
  const backend = { ...given, ...(connection !== null && { clientProperties: connection }) }
  const { plugin } = await connect.inspectConnector(named, options)
  // a source that never ran has no log yet: it begins at its beginning
  const isByItself = plugin?.type !== 'sink' && given.kafka === undefined && given.commandConfig === undefined && connection === null && !isDirectory(given.data)
  await (isByItself ? run(null) : withBroker(backend, run))
}

function shown({ from, outcome }: DryRecord, number: number): string {
  const head = `${number}. from ${from}`
  if (outcome.kind === 'dropped') return `${head}\n   a transform drops it`
  if (outcome.kind === 'refused') return `${head}\n   fails at ${outcome.stage}: ${outcome.reason}`
  const { topic, partition, timestamp, key, value, headers } = outcome
  return [
    head,
    `   topic ${topic}${partition === null ? '' : `, partition ${partition}`}${timestamp === null ? '' : `, ${new Date(timestamp).toISOString()}`}`,
    ...headers.map((header) => `   header ${header[0]}: ${header[1] ?? 'null'}`),
    `   key ${key ?? 'null'}`,
    `   value ${value ?? 'null'}`,
  ].join('\n')
}
