import type { Command } from 'commander'
import { readDeadLetter, readDeadLetterTopic, redrive, StreamError } from '../core/index.ts'
import type { Broker, RedriveFix } from '../core/index.ts'
import { wholeNumber } from './arguments.ts'
import { addBackendOptions, withBroker } from './backend.ts'
import type { BackendOptions } from './backend.ts'
import { requireFile } from './files.ts'
import type { Terminal } from './terminal.ts'

interface DlqOptions extends BackendOptions {
  readonly topic: string
  readonly partition?: number
  readonly offset?: number
  readonly to?: string
  readonly execute?: boolean
  readonly fix?: string
}

const longestMessage = 100

export function addDlqCommand(program: Command, terminal: Terminal): void {
  const dlq = program.command('dlq').description('look into dead-letter topics, and put their records back')
  const command = (name: string, description: string) => addBackendOptions(dlq.command(name).description(description)).requiredOption('--topic <name>', 'the dead-letter topic, which is <application id>-dead-letter where the application names no other')
  command('list', 'print a line for each dead letter: where it came from, why, and whether it went back already')
    .action((options: DlqOptions) => withBroker(options, (broker) => list(broker, options, terminal)))
  command('show', 'print dead letters in full')
    .option('--partition <number>', 'only this partition', wholeNumber)
    .option('--offset <number>', 'only the record at this offset', wholeNumber)
    .action((options: DlqOptions) => withBroker(options, (broker) => show(broker, options, terminal)))
  command('redrive', 'put what did not go back yet where it came from, each record once; shows how many unless --execute is given')
    .option('--to <topic>', 'put it into this topic instead, by key')
    .option('--fix <module>', 'a JavaScript or TypeScript module whose default export repairs each record: (record, why) => the record to put back, or null to leave it out for good')
    .option('--execute', 'do it')
    .action((options: DlqOptions) => withBroker(options, (broker) => redriveAll(broker, options, terminal)))
}

async function list(broker: Broker, { topic }: DlqOptions, terminal: Terminal): Promise<void> {
  // With the first lines, so that a topic that is not there has no empty table.
  let lines = `${['PARTITION', 'OFFSET', 'REDRIVEN', 'FROM', 'ERROR', 'MESSAGE'].join('\t')}\n`
  for await (const { partition, record, isRedriven } of readDeadLetterTopic(broker, topic)) {
    const { origin, error, message } = readDeadLetter(record)
    const from = origin === null ? '-' : `${origin.topic}-${origin.partition}@${origin.offset}`
    await terminal.write(`${lines}${[partition, record.offset, isRedriven ? 'yes' : 'no', from, error, shortened(message)].join('\t')}\n`)
    lines = ''
  }
  await terminal.write(lines)
}

/** @throws INVALID_ARGUMENT when none is where it was looked for */
async function show(broker: Broker, options: DlqOptions, terminal: Terminal): Promise<void> {
  let count = 0
  for await (const { partition, record, isRedriven } of readDeadLetterTopic(broker, options.topic)) {
    if (partition !== (options.partition ?? partition) || record.offset !== (options.offset ?? record.offset)) continue
    count++
    const lines = [
      `${options.topic}-${partition} at offset ${record.offset}, ${new Date(record.timestamp).toISOString()}${isRedriven ? ', redriven' : ''}`,
      ...record.headers.map(({ key, value }) => `  ${key}: ${text(value).replaceAll('\n', '\n    ')}`),
      `  key: ${text(record.key)}`,
      `  value: ${text(record.value)}`,
    ]
    await terminal.write(`${lines.join('\n')}\n`)
  }
  if (count > 0) return
  const place = [options.partition === undefined ? '' : ` in partition ${options.partition}`, options.offset === undefined ? '' : ` at offset ${options.offset}`].join('')
  throw new StreamError('INVALID_ARGUMENT', `${options.topic} has no dead letter${place}; millrace dlq list --topic ${options.topic} shows those it has`)
}

async function redriveAll(broker: Broker, { topic, to, execute, fix: fixModule }: DlqOptions, terminal: Terminal): Promise<void> {
  const fix = fixModule === undefined ? undefined : await loadFix(fixModule)
  if (execute === true) {
    const count = await redrive(broker, { deadLetterTopic: topic, signal: terminal.stop, ...(to !== undefined && { to }), ...(fix && { fix }) })
    await terminal.write(`Redrove ${records(count)}.\n`)
    return
  }
  let count = 0
  for await (const { isRedriven } of readDeadLetterTopic(broker, topic)) if (!isRedriven) count++
  terminal.tell('Nothing was done; add --execute to put these records back.')
  await terminal.write(`${records(count)} of ${topic} did not go back yet.\n`)
}

async function loadFix(path: string): Promise<RedriveFix> {
  const { loadDefaultExport } = await import('./load-topology.ts')
  const exported = await loadDefaultExport(path, requireFile(path), 'INVALID_ARGUMENT')
  if (typeof exported === 'function') return exported as RedriveFix
  throw new StreamError('INVALID_ARGUMENT', `${path} must export a function by default: (record, why) => the record to put back, or null to leave it out`, { details: { file: path } })
}

function records(count: number): string {
  return count === 1 ? '1 record' : `${count} records`
}

function text(bytes: Uint8Array | null): string {
  return bytes === null ? 'null' : Buffer.from(bytes).toString()
}

function shortened(message: string): string {
  const line = message.replaceAll(/\s+/g, ' ')
  return line.length > longestMessage ? `${line.slice(0, longestMessage - 1)}…` : line
}
