import { dataError, parseSchemaless } from 'millrace/connect'
import type { LineFormat } from './line-format.ts'

/** A JSON value a line; whole numbers beyond 2^53 are bigints, so that no digit is lost. Empty lines are passed over. */
export const jsonFormat: LineFormat = {
  isJson: true,
  parse(text) {
    if (text.trim() === '') return null
    try {
      const value: unknown = JSON.parse(text)
      return { value: /\d{16}/.test(text) ? parseSchemaless(text) : value, schema: null }
    } catch (error) {
      throw dataError(`not JSON: ${(error as Error).message}`, { cause: error })
    }
  },
}
