import type { Command } from 'commander'
import type { Broker } from '../core/index.ts'
import { addBackendOptions, withBroker } from './backend.ts'
import type { BackendOptions } from './backend.ts'
import type { Terminal } from './terminal.ts'
import { textTable } from './text-table.ts'

export function addClusterCommand(program: Command, terminal: Terminal): void {
  const cluster = program.command('cluster').description('look at the cluster')
  addBackendOptions(cluster.command('describe').description('print the brokers that are up, which of them is the active controller, and the id of the cluster'))
    .action((options: BackendOptions) => withBroker(options, (broker) => describe(broker, terminal)))
}

async function describe(broker: Broker, terminal: Terminal): Promise<void> {
  const { clusterId, controller, nodes } = await broker.describeCluster()
  const rows = nodes.map(({ nodeId, address, rack }) => [String(nodeId), address ?? none, rack ?? none])
  await terminal.write(`ClusterId: ${clusterId ?? none}\tController: ${controller}\tBrokers: ${nodes.length}\n${textTable(['NODE', 'ADDRESS', 'RACK'], rows)}`)
}

const none = '-'
