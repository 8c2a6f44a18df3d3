import type { Command } from 'commander'
import { addBackendOptions, withNewBroker } from './backend.ts'
import type { BackendOptions } from './backend.ts'
import { readTextFile } from './files.ts'
import { stopped } from './terminal.ts'
import type { Terminal } from './terminal.ts'

export function addConnectCommand(program: Command, terminal: Terminal): void {
  const connect = program.command('connect').description('run connectors')
  addBackendOptions(connect.command('standalone').description('run connectors in this process, until Ctrl-C'))
    .argument('<worker>', 'the configuration of the worker, JSON or .properties; its bootstrap.servers take the place of --kafka')
    .argument('<connectors...>', 'a file for each connector: {"name": …, "config": {…}}, or .properties')
    .action((workerFile: string, connectorFiles: readonly string[], options: BackendOptions) => runConnectors(workerFile, connectorFiles, options, terminal))
}

async function runConnectors(workerFile: string, connectorFiles: readonly string[], options: BackendOptions, terminal: Terminal): Promise<void> {
  // Loaded here, so that the other commands start faster.
  const { clientProperties, parseConnectorFile, parseWorkerFile, runStandalone } = await import('../connect/index.ts')
  const workerConfig = parseWorkerFile(workerFile, readTextFile(workerFile))
  const connectors = connectorFiles.map((file) => parseConnectorFile(file, readTextFile(file)))
  const connection = clientProperties(workerConfig)
  await withNewBroker({ ...options, ...(connection !== null && { clientProperties: connection }) }, async (broker, place) => {
    const running = await runStandalone(workerConfig, connectors, { broker })
    try {
      terminal.tell(`running ${connectors.map(({ name }) => name).join(', ')} on ${place}; Ctrl-C stops it`)
      await Promise.race([running.failed, stopped(terminal)])
    } finally {
      await running.stop()
    }
  })
}
