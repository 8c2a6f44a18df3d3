import { basename } from 'node:path'
import { Option } from 'commander'
import type { Command } from 'commander'
import { addBackendOptions, withNewBroker } from './backend.ts'
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
}

const policies: readonly Policy[] = ['fail', 'skip', 'dead-letter']

export function addRunCommand(program: Command, terminal: Terminal): void {
  addBackendOptions(program.command('run').description('run a topology, until Ctrl-C'))
    .argument('<app>', 'a module, TypeScript or JavaScript, whose default export is a topology')
    .option('--application-id <id>', 'names the consumer group and the internal topics (default: the name of the file)')
    .option('--instance-id <id>', 'names this instance among those of the application: started again under it, it takes up its work at once (default: random)')
    .addOption(new Option('--on-deserialization-error <policy>', 'for bytes that are no key or value of their topic (default: fail)').choices(policies))
    .addOption(new Option('--on-processing-error <policy>', 'for a function of the program that throws (default: fail)').choices(policies))
    .addOption(new Option('--on-serialization-error <policy>', 'for a result that has no bytes (default: fail)').choices(policies))
    .action((file: string, options: RunCommandOptions) => runApp(file, options, terminal))
}

async function runApp(file: string, options: RunCommandOptions, terminal: Terminal): Promise<void> {
  const { applicationId = applicationIdOf(file), instanceId, onDeserializationError = 'fail', onProcessingError = 'fail', onSerializationError = 'fail' } = options
  // Loaded here, so that the other commands start faster.
  const [{ loadTopology }, { StreamsApp }] = await Promise.all([import('./load-topology.ts'), import('../streams/index.ts')])
  const topology = await loadTopology(file)
  await withNewBroker(options, async (broker, place) => {
    const app = new StreamsApp(topology, { applicationId, broker, onDeserializationError, onProcessingError, onSerializationError, ...(instanceId !== undefined && { instanceId }) })
    await app.start()
    terminal.tell(`running ${applicationId} on ${place}; Ctrl-C stops it`)
    // A failure ends the run below, where it is told.
    app.caughtUp().then(() => terminal.tell(`caught up after ${app.metrics().inputRecords} records`), () => {})
    try {
      await Promise.race([app.finished(), stopped(terminal)])
    } finally {
      await app.close()
    }
  })
}

function applicationIdOf(file: string): string {
  return basename(file).replace(/\.[^.]*$/, '')
}
