import type { Command } from 'commander'
import { checkDataDirectory, StreamError } from '../core/index.ts'
import { requireDirectory } from './files.ts'
import type { Terminal } from './terminal.ts'
import { textTable } from './text-table.ts'

/** `millrace check`: nothing is changed, and no process may have the directory open. */
export function addCheckCommand(program: Command, terminal: Terminal): void {
  program.command('check')
    .description('prove that an embedded log on disk is consistent, or say which file is damaged, and where; changes nothing')
    .option('--data <directory>', 'where the embedded log lies', './.millrace')
    .action(({ data }: { readonly data: string }) => check(data, terminal))
}

async function check(directory: string, terminal: Terminal): Promise<void> {
  requireDirectory(directory)
  const partitions = await checkDataDirectory({ directory })
  const rows = partitions.map(({ topic, partition, segments, batches, records, bytes, findings }) => [topic, ...[partition, segments, batches, records, bytes].map(String), findings.length === 0 ? 'ok' : `${findings.length} damaged`])
  await terminal.write(textTable(['TOPIC', 'PARTITION', 'SEGMENTS', 'BATCHES', 'RECORDS', 'BYTES', 'RESULT'], rows))
  const findings = partitions.flatMap((partition) => partition.findings)
  for (const { path, position, problem } of findings) terminal.tell(`${path}, position ${position}: ${problem}`)
  if (findings.length > 0) throw new StreamError('STORAGE_CORRUPT', `${directory} is damaged in ${findings.length} ${findings.length === 1 ? 'place' : 'places'}`, { details: { directory } })
}
