import type { Command } from 'commander'
import { repairDataDirectory } from '../core/index.ts'
import type { LostRange } from '../core/index.ts'
import { requireDirectory } from './files.ts'
import type { Terminal } from './terminal.ts'

interface RepairOptions {
  readonly data: string
  readonly yes?: boolean
}

/** `millrace repair`: no process may have the directory open. */
export function addRepairCommand(program: Command, terminal: Terminal): void {
  program.command('repair')
    .description('say what of a damaged embedded log is lost, and with --yes cut it out, so that the rest can be read and appended to again')
    .option('--data <directory>', 'where the embedded log lies', './.millrace')
    .option('--yes', 'do it; the damaged files are kept beside the repaired ones, as *.log.damaged')
    .action((options: RepairOptions) => repair(options, terminal))
}

async function repair({ data, yes = false }: RepairOptions, terminal: Terminal): Promise<void> {
  requireDirectory(data)
  const partitions = await repairDataDirectory({ directory: data }, yes ? 'cut' : 'none')
  const damaged = partitions.filter(({ lost }) => lost.length > 0)
  for (const { topic, partition, lost } of damaged) {
    for (const range of lost) await terminal.write(`${topic}-${partition}: ${describe(range)}\n`)
  }
  if (damaged.length === 0) await terminal.write(`nothing in ${data} is damaged\n`)
  else if (yes) await terminal.write('This was cut out. The damaged files are kept beside the repaired ones, as *.log.damaged.\n')
  else await terminal.write('Nothing was changed. Run again with --yes to cut this out, after a backup.\n')
}

function describe({ path, position, bytes, firstOffset, lastOffset }: LostRange): string {
  return `${offsets(firstOffset, lastOffset)} lost: ${bytes} bytes at position ${position} of ${path}`
}

function offsets(first: number, last: number | null): string {
  if (last === null) return `offset ${first} and what followed it are`
  if (last < first) return 'no record is'
  return first === last ? `offset ${first} is` : `offsets ${first} to ${last} are`
}
