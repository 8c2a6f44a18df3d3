import type { Command } from 'commander'
import type { Terminal } from './terminal.ts'

export function addDescribeCommand(program: Command, terminal: Terminal): void {
  program
    .command('describe')
    .description('print the topology of a program: its sub-topologies, operators, state stores and topics')
    .argument('<app>', 'a module, TypeScript or JavaScript, whose default export is a topology')
    .action(async (app: string) => {
      const { loadTopology } = await import('./load-topology.ts')
      await terminal.write((await loadTopology(app)).describe())
    })
}
