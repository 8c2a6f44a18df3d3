import { Option } from 'commander'
import type { Command } from 'commander'
import type { DescriptionFormat } from '../streams/index.ts'
import type { Terminal } from './terminal.ts'

const formats: readonly DescriptionFormat[] = ['text', 'mermaid', 'dot', 'svg', 'json']

export function addDescribeCommand(program: Command, terminal: Terminal): void {
  program
    .command('describe')
    .description('print the topology of a program: its sub-topologies, operators, state stores and topics')
    .argument('<app>', 'a module, TypeScript or JavaScript, whose default export is a topology')
    .addOption(new Option('--format <format>', "text as Kafka Streams prints it, a Mermaid flowchart, Graphviz's DOT, an SVG picture, or the JSON that `millrace topology diff` compares").choices(formats).default('text'))
    .action(async (app: string, { format }: { readonly format: DescriptionFormat }) => {
      const { loadTopology } = await import('./load-topology.ts')
      await terminal.write((await loadTopology(app)).describe(format))
    })
}
