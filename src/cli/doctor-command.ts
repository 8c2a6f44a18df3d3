import type { Command } from 'commander'
import { StreamError } from '../core/index.ts'
import type { Terminal } from './terminal.ts'

interface DoctorOptions {
  readonly tables: readonly string[]
  readonly publication: string
  readonly slot: string
}

const marks = { ok: 'ok     ', warning: 'WARNING', error: 'ERROR  ' } as const

/** `millrace doctor`: changes nothing in the database. */
export function addDoctorCommand(program: Command, terminal: Terminal): void {
  program.command('doctor <url>')
    .description('say whether a PostgreSQL database can be captured, what will hurt later, and the SQL that cures it; changes nothing')
    .option('--tables <patterns...>', 'tables to capture, as schema.table; * stands for any text', [])
    .option('--publication <name>', 'the publication that the connector reads', 'millrace')
    .option('--slot <name>', 'the slot that the connector reads', 'millrace')
    .action((url: string, options: DoctorOptions) => doctor(url, options, terminal))
}

async function doctor(url: string, options: DoctorOptions, terminal: Terminal): Promise<void> {
  const { diagnosePostgres } = await import('millrace/connectors/postgres')
  const findings = await diagnosePostgres(url, options)
  for (const { level, subject, text, sql } of findings) await terminal.write(`${marks[level]} ${subject}: ${text}\n${sql === undefined ? '' : `          ${sql};\n`}`)
  const errors = findings.filter(({ level }) => level === 'error').length
  if (errors > 0) throw new StreamError('CONNECTOR_FAILED', `${errors} ${errors === 1 ? 'thing keeps' : 'things keep'} changes from being captured`)
}
