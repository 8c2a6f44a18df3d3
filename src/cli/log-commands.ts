import type { Command } from 'commander'
import { StreamError } from '../core/index.ts'
import type { Broker, OffsetQuery } from '../core/index.ts'
import { wholeNumber } from './arguments.ts'
import { addBackendOptions, withBroker } from './backend.ts'
import type { BackendOptions } from './backend.ts'
import type { Terminal } from './terminal.ts'
import { textTable } from './text-table.ts'

interface TopicOptions extends BackendOptions {
  readonly topic?: string
}

interface DeleteOptions extends BackendOptions {
  readonly topic: string
  readonly partition: number
  readonly beforeOffset?: number
}

/** What Kafka's `kafka-get-offsets`, `kafka-log-dirs` and `kafka-delete-records` do. */
export function addLogCommands(program: Command, terminal: Terminal): void {
  addBackendOptions(program.command('offsets').description('print the offset of each partition at a time'))
    .requiredOption('--topic <name>', 'the topic')
    .option('--time <time>', 'latest, earliest, or a time such as 2026-01-31T08:00:00Z', 'latest')
    .action((options: TopicOptions & { readonly topic: string; readonly time: string }) => withBroker(options, (broker) => printOffsets(broker, options.topic, placeOf(options.time), terminal)))
  addBackendOptions(program.command('log-dirs').description('print how much each partition takes on disk'))
    .option('--topic <name>', 'of this topic only')
    .action((options: TopicOptions) => withBroker(options, (broker) => printSizes(broker, options.topic, terminal)))
  addBackendOptions(program.command('delete-records').description('delete the records of a partition before an offset: its log begins there from then on'))
    .requiredOption('--topic <name>', 'the topic')
    .requiredOption('--partition <number>', 'the partition', wholeNumber)
    .option('--before-offset <offset>', 'the first offset that stays; without it everything goes', wholeNumber)
    .action((options: DeleteOptions) => withBroker(options, (broker) => deleteRecords(broker, options, terminal)))
}

async function printOffsets(broker: Broker, topic: string, at: OffsetQuery['at'], terminal: Terminal): Promise<void> {
  const [description] = await broker.topics.describe([topic])
  const answers = await broker.topics.listOffsets(description!.partitions.map(({ partition }) => ({ topic, partition, at })), { isolation: 'read-uncommitted' })
  await terminal.write(answers.map(({ partition, offset }) => `${topic}:${partition}:${offset < 0 ? '' : offset}\n`).join(''))
}

function placeOf(time: string): OffsetQuery['at'] {
  if (time === 'earliest' || time === 'latest') return time
  const timestamp = Date.parse(time)
  if (Number.isNaN(timestamp)) throw new StreamError('INVALID_ARGUMENT', `--time: ${JSON.stringify(time)} is neither latest, nor earliest, nor a time such as 2026-01-31T08:00:00Z`)
  return timestamp
}

async function printSizes(broker: Broker, only: string | undefined, terminal: Terminal): Promise<void> {
  const topics = only === undefined ? await broker.topics.list({ includeInternal: true }) : [only]
  const rows = (await broker.topics.describe(topics)).flatMap(({ topic, partitions }) =>
    partitions.map(({ partition, sizeBytes, logStartOffset, highWatermark }) => [topic, partition, sizeBytes < 0 ? '-' : sizeBytes, logStartOffset, highWatermark].map(String)))
  await terminal.write(textTable(['TOPIC', 'PARTITION', 'BYTES', 'LOG-START-OFFSET', 'HIGH-WATERMARK'], rows))
}

async function deleteRecords(broker: Broker, { topic, partition, beforeOffset = -1 }: DeleteOptions, terminal: Terminal): Promise<void> {
  const [answer] = await broker.topics.deleteRecords([{ topic, partition, beforeOffset }])
  await terminal.write(`partition: ${topic}-${partition}\tlow_watermark: ${answer!.logStartOffset}\n`)
}
