import type { Command } from 'commander'
import { addBackendOptions, withNewBroker } from './backend.ts'
import type { BackendOptions } from './backend.ts'
import { readTextFile } from './files.ts'
import { addInspectCommands } from './inspect-commands.ts'
import { stopped } from './terminal.ts'
import type { Terminal } from './terminal.ts'

export function addConnectCommand(program: Command, terminal: Terminal): void {
  const connect = program.command('connect').description('run connectors')
  const worker = 'the configuration of the worker, JSON or .properties; its bootstrap.servers take the place of --kafka'
  addBackendOptions(connect.command('standalone').description('run connectors in this process, until Ctrl-C'))
    .argument('<worker>', worker)
    .argument('[connectors...]', 'a file for each connector: {"name": …, "config": {…}}, or .properties; more can be made with the REST API')
    .action((workerFile: string, connectorFiles: readonly string[], options: BackendOptions) => runConnectors(workerFile, connectorFiles, options, terminal))
  addBackendOptions(connect.command('distributed').description('run a worker of a cluster, which keeps its connectors in topics, until Ctrl-C'))
    .argument('<worker>', worker)
    .action((workerFile: string, options: BackendOptions) => runWorker(workerFile, options, terminal))
  addInspectCommands(connect, terminal)
}

async function runConnectors(workerFile: string, connectorFiles: readonly string[], options: BackendOptions, terminal: Terminal): Promise<void> {
  // Loaded here, so that the other commands start faster.
  const { clientProperties, openStandaloneRestApi, parseConnectorFile, parseWorkerFile, runStandalone } = await import('../connect/index.ts')
  const workerConfig = parseWorkerFile(workerFile, readTextFile(workerFile))
  const connectors = connectorFiles.map((file) => parseConnectorFile(file, readTextFile(file)))
  const connection = clientProperties(workerConfig)
  await withNewBroker({ ...options, ...(connection !== null && { clientProperties: connection }) }, async (broker, place) => {
    const running = await runStandalone(workerConfig, connectors, { broker })
    try {
      const api = await openStandaloneRestApi(running.worker, { isAskedFor: workerConfig['listeners'] !== undefined || connectors.length === 0 })
      try {
        terminal.tell(`running ${connectors.map(({ name }) => name).join(', ') || 'no connector yet'} on ${place}; Ctrl-C stops it`)
        await Promise.race([running.failed, stopped(terminal)])
      } finally {
        await api?.close()
      }
    } finally {
      await running.stop()
    }
  })
}

async function runWorker(workerFile: string, options: BackendOptions, terminal: Terminal): Promise<void> {
  const { clientProperties, openDistributedWorker, parseWorkerFile } = await import('../connect/index.ts')
  const config = parseWorkerFile(workerFile, readTextFile(workerFile))
  const connection = clientProperties(config)
  await withNewBroker({ ...options, ...(connection !== null && { clientProperties: connection }) }, async (broker, place) => {
    const worker = await openDistributedWorker({ broker, config })
    try {
      terminal.tell(`running a worker of the cluster ${config['group.id'] ?? 'connect'} at ${worker.url} on ${place}; Ctrl-C stops it`)
      await stopped(terminal)
    } finally {
      await worker.stop()
    }
  })
}
