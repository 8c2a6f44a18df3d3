/** Separated values: RFC 4180 and its cousins. A field in quotes may hold the delimiter, doubled quotes and line ends. */
import { parse } from 'csv-parse/sync'
import { dataError } from 'millrace/connect'
import type { LineFormat, ParsedLine } from './line-format.ts'

export interface CsvOptions {
  readonly delimiter: string
  readonly quote: string
  /** Names of the columns; undefined: the first line of each file has them. */
  readonly columns: readonly string[] | undefined
}

export function csvFormat(options: CsvOptions): LineFormat {
  let known: { readonly header: string; readonly columns: readonly string[] } | undefined
  const columnsOf = (header: string): readonly string[] => {
    if (options.columns !== undefined) return options.columns
    if (known?.header !== header) known = { header, columns: headerColumns(header, options) }
    return known.columns
  }
  return {
    hasHeader: options.columns === undefined,
    parse(text, header): ParsedLine | null {
      if (text === '') return null
      const columns = columnsOf(header)
      const fields = fieldsOf(text, options)
      if (fields.length !== columns.length) throw dataError(`the line has ${fields.length} fields where ${columns.length} columns are expected (${columns.join(', ')})`)
      return { value: Object.fromEntries(columns.map((name, index) => [name, fields[index]!])), schema: null }
    },
  }
}

/** A record is complete when its quotes are: an odd number so far means that the next line goes on with it. */
export function hasOpenQuote(text: string, quote: string): boolean {
  let open = false
  for (let at = text.indexOf(quote); at >= 0; at = text.indexOf(quote, at + 1)) open = !open
  return open
}

function headerColumns(header: string, options: CsvOptions): readonly string[] {
  const columns = fieldsOf(header, options)
  const repeated = columns.find((name, index) => columns.indexOf(name) !== index)
  if (repeated !== undefined) throw dataError(`the header names the column ${JSON.stringify(repeated)} twice; name the columns with csv.columns`)
  return columns
}

function fieldsOf(text: string, { delimiter, quote }: CsvOptions): readonly string[] {
  if (!text.includes(quote)) return text.split(delimiter)
  try {
    const [fields = []] = parse(text, { delimiter, quote, escape: quote, relax_column_count: true }) as string[][]
    return fields
  } catch (error) {
    throw dataError(`not a line of separated values: ${(error as Error).message}`, { cause: error })
  }
}
