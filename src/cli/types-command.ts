import type { Command } from 'commander'
import type { Terminal } from './terminal.ts'

/** `millrace types`: a module, to the standard output. */
export function addTypesCommand(program: Command, terminal: Terminal): void {
  program.command('types <url>')
    .description('print TypeScript for the topics of a PostgreSQL change-data source: zod schemas and topics, from the catalog')
    .option('--tables <patterns...>', 'tables that are captured, as schema.table; * stands for any text', [])
    .requiredOption('--prefix <prefix>', "the connector's topic.prefix")
    .action(async (url: string, options: { readonly tables: readonly string[]; readonly prefix: string }) => {
      const { postgresTypes } = await import('millrace/connectors/postgres')
      await terminal.write(await postgresTypes(url, options))
    })
}
