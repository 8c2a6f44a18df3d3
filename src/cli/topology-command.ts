import type { Command } from 'commander'
import { StreamError } from '../core/index.ts'
import type { TopologyChange, TopologySummary } from '../streams/index.ts'
import { readTextFile } from './files.ts'
import type { Terminal } from './terminal.ts'
import { textTable } from './text-table.ts'

export function addTopologyCommand(program: Command, terminal: Terminal): void {
  program.command('topology').description('compare topologies before an upgrade')
    .command('diff')
    .description('say what becomes of the state of a deployed program when it goes on as another; fails when some would be lost or misread')
    .argument('<deployed>', 'what runs: a module, or the JSON that `millrace describe --format json` printed when it was deployed')
    .argument('<next>', 'what is to run')
    .option('--json', 'print the changes as JSON')
    .action((deployed: string, next: string, { json }: { readonly json?: boolean }) => diff(deployed, next, json === true, terminal))
}

async function diff(deployed: string, next: string, asJson: boolean, terminal: Terminal): Promise<void> {
  const { compareTopologies, losesState } = await import('../streams/index.ts')
  const changes = compareTopologies(await summaryIn(deployed), await summaryIn(next))
  await terminal.write(asJson ? `${JSON.stringify(changes, null, 2)}\n` : tableOf(changes))
  if (losesState(changes)) throw new StreamError('TOPOLOGY_INVALID', 'state would be lost or misread, as the lines above say; `millrace reset` starts anew instead')
}

async function summaryIn(path: string): Promise<TopologySummary> {
  const { parseSummary, summaryOf } = await import('../streams/index.ts')
  if (path.endsWith('.json')) return parseSummary(readTextFile(path))
  const { loadTopology } = await import('./load-topology.ts')
  return summaryOf(await loadTopology(path))
}

function tableOf(changes: readonly TopologyChange[]): string {
  if (changes.length === 0) return 'Neither topology has state or input.\n'
  return textTable(['CHANGE', 'WHAT', 'NAME', 'CONSEQUENCE'], changes.map(({ kind, what, name, consequence }) => [kind, what, name, consequence]))
}
