import type { Command } from 'commander'
import { InvalidArgumentError, Option } from 'commander'
import { StreamError, systemClock } from '../core/index.ts'
import type { Broker, Isolation, PartitionRecords, ReadResult } from '../core/index.ts'
import { collectPair, positiveNumber, wholeNumber } from './arguments.ts'
import { addBackendOptions, withBroker } from './backend.ts'
import type { BackendOptions } from './backend.ts'
import { formatRecord, recordFormat } from './record-format.ts'
import type { RecordFormat } from './record-format.ts'
import type { Terminal } from './terminal.ts'

interface ConsumeOptions extends BackendOptions {
  readonly topic?: string
  readonly include?: string
  readonly fromBeginning?: boolean
  readonly group?: string
  readonly partition?: number
  readonly offset?: StartOffset
  readonly maxMessages?: number
  readonly timeoutMs?: number
  readonly isolationLevel: 'read_committed' | 'read_uncommitted'
  readonly property?: Readonly<Record<string, string>>
  readonly formatterProperty?: Readonly<Record<string, string>>
}

type StartOffset = number | 'earliest' | 'latest'

/** Where records come from: partitions that the user chose, or what a consumer group assigns. */
interface Source {
  read(signal: AbortSignal, maxWaitMs: number): Promise<ReadResult>
  /** These records are printed; `nextOffset` is the next one to read. */
  printed(partition: PartitionRecords, nextOffset: number): Promise<void>
  close(): Promise<void>
}

const pollMs = 500

export function addConsumeCommand(program: Command, terminal: Terminal): void {
  addBackendOptions(program.command('consume').description('print the records of a topic, until Ctrl-C or a limit'))
    .option('--topic <name>', 'the topic')
    .option('--include <pattern>', 'instead of --topic: every topic whose whole name matches this regular expression')
    .option('--from-beginning', 'start with the earliest record (with --group: where the group has committed nothing)')
    .option('--group <id>', 'read as a member of this consumer group, and commit what was printed')
    .option('--partition <number>', 'only this partition', wholeNumber)
    .option('--offset <offset>', 'where to start in --partition: a number, earliest or latest', startOffset)
    .option('--max-messages <number>', 'end after so many records', positiveNumber)
    .option('--timeout-ms <number>', 'end when no record came for so long', positiveNumber)
    .addOption(new Option('--isolation-level <level>', 'read_uncommitted shows records of open and aborted transactions too').choices(['read_committed', 'read_uncommitted']).default('read_committed'))
    .option(
      '--property <name=value>',
      'print.key, print.value, print.timestamp, print.partition, print.offset, print.headers (true or false), key.separator, line.separator, null.literal, key.deserializer and value.deserializer (string, long, integer, double); may be repeated',
      collectPair,
    )
    .option('--formatter-property <name=value>', 'the same, as newer tools of Kafka call it', collectPair)
    .action((options: ConsumeOptions) => withBroker(options, (broker) => consume(broker, options, terminal)))
}

async function consume(broker: Broker, options: ConsumeOptions, terminal: Terminal): Promise<void> {
  const format = recordFormat({ ...options.property, ...options.formatterProperty })
  const topics = await topicsToRead(broker, options)
  const source = options.group === undefined ? await readPartitions(broker, options, topics) : await readAsMember(broker, options, topics, options.group)
  try {
    const printed = await printUntilDone(source, options, format, terminal)
    terminal.tell(`Processed a total of ${printed} records`)
  } finally {
    await source.close()
  }
}

async function printUntilDone(source: Source, options: ConsumeOptions, format: RecordFormat, terminal: Terminal): Promise<number> {
  const limit = options.maxMessages ?? Infinity
  let printed = 0
  let lastNews = systemClock.monotonic()
  while (!terminal.stop.aborted && printed < limit) {
    const { partitions } = await source.read(terminal.stop, Math.min(pollMs, options.timeoutMs ?? pollMs))
    for (const partition of partitions) printed += await printPartition(source, partition, limit - printed, format, terminal)
    const now = systemClock.monotonic()
    // Also where only markers and aborted records were passed: there may be more behind them.
    if (partitions.length > 0) lastNews = now
    if (options.timeoutMs !== undefined && now - lastNews >= options.timeoutMs) break
  }
  return printed
}

async function printPartition(source: Source, partition: PartitionRecords, limit: number, format: RecordFormat, terminal: Terminal): Promise<number> {
  const lines: Uint8Array[] = []
  let nextOffset = partition.nextOffset
  for (const batch of partition.batches) {
    for (const record of batch) {
      if (lines.length === limit) break
      lines.push(formatRecord(partition.partition, record, format))
      if (lines.length === limit) nextOffset = record.offset + 1
    }
  }
  if (lines.length > 0) await terminal.write(Buffer.concat(lines))
  if (limit > 0) await source.printed(partition, nextOffset)
  return lines.length
}

/** @throws INVALID_ARGUMENT, UNKNOWN_TOPIC_OR_PARTITION */
async function topicsToRead(broker: Broker, { topic, include, partition }: ConsumeOptions): Promise<readonly string[]> {
  if ((topic === undefined) === (include === undefined)) throw new StreamError('INVALID_ARGUMENT', 'give the topic by --topic, or several by --include')
  if (include === undefined) return [topic!]
  if (partition !== undefined) throw new StreamError('INVALID_ARGUMENT', '--partition is of one topic; give it by --topic')
  const pattern = wholeName(include)
  const matching = (await broker.topics.list()).filter((name) => pattern.test(name))
  if (matching.length === 0) throw new StreamError('UNKNOWN_TOPIC_OR_PARTITION', `there is no topic whose whole name matches ${include}`)
  return matching
}

function wholeName(pattern: string): RegExp {
  try {
    return new RegExp(`^(?:${pattern})$`)
  } catch (cause) {
    throw new StreamError('INVALID_ARGUMENT', `--include: ${JSON.stringify(pattern)} is not a regular expression`, { cause })
  }
}

async function readPartitions(broker: Broker, options: ConsumeOptions, topics: readonly string[]): Promise<Source> {
  const all = (await broker.topics.describe(topics)).flatMap(({ topic, partitions }) => partitions.map(({ partition }) => ({ topic, partition })))
  if (options.partition === undefined && options.offset !== undefined) throw new StreamError('INVALID_ARGUMENT', '--offset needs --partition')
  const chosen = options.partition === undefined ? all : all.filter(({ partition }) => partition === options.partition)
  if (chosen.length === 0) throw new StreamError('UNKNOWN_TOPIC_OR_PARTITION', `topic ${options.topic} has no partition ${options.partition}; it has ${all.length}, counted from 0`)
  const at = options.offset ?? (options.fromBeginning === true ? 'earliest' : 'latest')
  const isolation = isolationOf(options)
  const reader = await broker.openReader()
  reader.assign(typeof at === 'number' ? chosen.map((target) => ({ ...target, offset: at })) : await broker.topics.listOffsets(chosen.map((target) => ({ ...target, at })), { isolation }))
  return {
    read: (signal, maxWaitMs) => reader.read({ signal, maxWaitMs, isolation }),
    printed: async () => {},
    close: () => reader.close(),
  }
}

async function readAsMember(broker: Broker, options: ConsumeOptions, topics: readonly string[], groupId: string): Promise<Source> {
  if (options.partition !== undefined || options.offset !== undefined) throw new StreamError('INVALID_ARGUMENT', '--group cannot be combined with --partition and --offset: a group has its own positions')
  await broker.topics.describe(topics)
  const member = await broker.joinGroup({ groupId, topics, offsetReset: options.fromBeginning === true ? 'earliest' : 'latest', clientId: 'millrace-consume' })
  const isolation = isolationOf(options)
  return {
    read: (signal, maxWaitMs) => member.read({ signal, maxWaitMs, isolation }),
    printed: ({ topic, partition }, nextOffset) => member.commit([{ topic, partition, offset: nextOffset }]),
    close: () => member.leave(),
  }
}

function isolationOf({ isolationLevel }: ConsumeOptions): Isolation {
  return isolationLevel === 'read_committed' ? 'read-committed' : 'read-uncommitted'
}

function startOffset(text: string): StartOffset {
  if (text === 'earliest' || text === 'latest') return text
  if (/^\d+$/.test(text)) return wholeNumber(text)
  throw new InvalidArgumentError('It must be a number, earliest or latest.')
}
