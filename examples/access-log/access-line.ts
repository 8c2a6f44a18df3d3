/**
 * One line of a web server's access log, in the common or the combined format:
 * `203.0.113.7 - - [10/Oct/2026:13:55:36 +0000] "GET /cart?id=7 HTTP/1.1" 200 2326`, and what follows it.
 */
import type { Serde } from 'millrace'

export interface Hit {
  /** Without the query. */
  readonly path: string
  readonly method: string
  readonly status: number
  /** Milliseconds since the epoch. */
  readonly at: number
}

const lineFormat = /^\S+ \S+ .+? \[(\d\d)\/(\w{3})\/(\d{4}):(\d\d:\d\d:\d\d) ([+-]\d\d)(\d\d)\] "([A-Z]+) ([^\s"?]+)[^"]*" (\d{3}) (?:\d+|-)(?: |$)/

const months = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec']

/** @throws Error that quotes the line when it has neither format */
export function parseAccessLine(line: string): Hit {
  const [, day, month = '', year, time, hours, minutes, method = '', path = '', status] = lineFormat.exec(line) ?? []
  const monthNumber = String(months.indexOf(month) + 1).padStart(2, '0')
  const at = Date.parse(`${year}-${monthNumber}-${day}T${time}${hours}:${minutes}`)
  if (Number.isNaN(at)) throw new Error(`not a line of an access log in common or combined format: ${JSON.stringify(line.slice(0, 120))}`)
  return { path, method, status: Number(status), at }
}

const decoder = new TextDecoder()
const encoder = new TextEncoder()

/** The topic holds the lines as they were written; the topology sees hits. A line that cannot be read is a bad record. */
export const accessLine: Serde<Hit> = {
  serialize: (hit) => encoder.encode(formatAccessLine(hit)),
  deserialize: (bytes) => parseAccessLine(decoder.decode(bytes)),
}

export function formatAccessLine({ path, method, status, at }: Hit, address = '-', sizeBytes = 0): string {
  const [date = '', time = ''] = new Date(at).toISOString().split(/[T.]/)
  const [year, month, day] = date.split('-')
  return `${address} - - [${day}/${months[Number(month) - 1]}/${year}:${time} +0000] "${method} ${path} HTTP/1.1" ${status} ${sizeBytes}`
}
