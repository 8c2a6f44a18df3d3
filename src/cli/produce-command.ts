import type { Command } from 'commander'
import type { Broker, Producer } from '../core/index.ts'
import { collectPair } from './arguments.ts'
import { addBackendOptions, withBroker } from './backend.ts'
import type { BackendOptions } from './backend.ts'
import { lineFormat, lineToRecord } from './line-record.ts'
import { readLines } from './lines.ts'
import type { Terminal } from './terminal.ts'

interface ProduceOptions extends BackendOptions {
  readonly topic: string
  readonly property?: Readonly<Record<string, string>>
  readonly readerProperty?: Readonly<Record<string, string>>
}

export function addProduceCommand(program: Command, terminal: Terminal): void {
  addBackendOptions(program.command('produce').description('append each line of the standard input to a topic, as a record'))
    .requiredOption('--topic <name>', 'the topic; it must exist')
    .option(
      '--property <name=value>',
      'parse.key=true, key.separator (a tab unless given), parse.headers=true, headers.delimiter, headers.separator, headers.key.separator, null.marker, ignore.error; may be repeated',
      collectPair,
    )
    .option('--reader-property <name=value>', 'the same, as newer tools of Kafka call it', collectPair)
    .action((options: ProduceOptions) => withBroker(options, (broker) => produceLines(broker, options, terminal)))
}

async function produceLines(broker: Broker, options: ProduceOptions, terminal: Terminal): Promise<void> {
  const format = lineFormat({ ...options.property, ...options.readerProperty })
  await broker.topics.describe([options.topic])
  const producer = await broker.openProducer()
  const prompt = () => (terminal.isInteractive() ? terminal.write('> ') : Promise.resolve())
  let lineNumber = 0
  try {
    await prompt()
    for await (const lines of readLines(terminal.input())) {
      // After Ctrl-C the last line may be half of one.
      if (terminal.stop.aborted) break
      await appendAll(producer, lines.map((line) => lineToRecord(options.topic, line, ++lineNumber, format)))
      await prompt()
    }
  } finally {
    await producer.close()
  }
}

/** The lines of one piece of input share their batches and one wait for the disk. */
async function appendAll(producer: Producer, records: readonly Parameters<Producer['append']>[0][]): Promise<void> {
  await Promise.all(records.map((record) => producer.append(record)))
}
