/** What one line, or several that belong together, says: the contract of every format. */
import type { Schema } from 'millrace/connect'

export interface ParsedLine {
  readonly value: unknown
  /** null: a plain JavaScript value. */
  readonly schema: Schema | null
}

export interface LineFormat {
  /**
   * @param header the first line of the file, for formats that ask for it
   * @returns null for a line that is no record, such as the header itself
   * @throws a data error that says what is wrong with the line
   */
  parse(text: string, header: string): ParsedLine | null
  /** The first line of a file describes the others. */
  readonly hasHeader?: boolean
  /** The text of a line is its value as JSON. */
  readonly isJson?: boolean
}

/** A format whose lines become plain objects. */
export function objectFormat(parse: (text: string) => Readonly<Record<string, unknown>>): LineFormat {
  return { parse: (text) => ({ value: parse(text), schema: null }) }
}
