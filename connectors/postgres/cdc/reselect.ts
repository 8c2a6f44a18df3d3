import { failureOf } from '../failures.ts'
import { cellText } from '../sink/cell-text.ts'
import { quoteName } from '../sink/sql-text.ts'
import { quotedTable } from './catalog.ts'
import type { Change } from './change-event.ts'
import { columnValue } from './column-value.ts'
import type { Session } from './session.ts'

/**
 * The change with the values of the columns that are `wanted`, which the log lacks, as the table holds them now: it may have changed again since, and then another change follows. Where the row or a column is gone, or there is no key to
 * find the row by, they stay out.
 */
export async function reselected({ client, types, tables }: Pick<Session, 'client' | 'types' | 'tables'>, change: Change, wanted: readonly string[]): Promise<Change> {
  const { schema, table, unavailable, after } = change
  const known = tables.find((each) => each.schema === schema && each.table === table)
  if (known === undefined || known.keyColumns.length === 0 || after === null) return change
  const condition = known.keyColumns.map(({ name, type }, index) => `${quoteName(name)} = $${index + 1}::${type}`).join(' and ')
  const answer = await client.query<(string | null)[]>({
    text: `select ${wanted.map(quoteName).join(', ')} from ${quotedTable(known)} where ${condition}`,
    values: known.keyColumns.map(({ name, type }) => cellText(after[name], type === 'bytea' ? 'bytea' : 'other')),
    rowMode: 'array',
    types: { getTypeParser: () => (text: string) => text },
  }).catch((error: unknown) => {
    if (failureOf(error) === 'table') return undefined // a column, or the table, was dropped since
    throw error
  })
  const cells = answer?.rows[0]
  if (answer === undefined || cells === undefined) return change
  const columnTypes = await types.typesOf(client, answer.fields.map(({ dataTypeID }) => dataTypeID))
  const found = wanted.map((name, index) => [name, columnValue(cells[index] ?? null, columnTypes[index]!)] as const)
  return { ...change, after: { ...after, ...Object.fromEntries(found) }, unavailable: unavailable.filter((name) => !wanted.includes(name)) }
}
