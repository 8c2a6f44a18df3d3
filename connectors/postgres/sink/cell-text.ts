import { Decimal, dataError } from 'millrace/connect'
import { jsonText } from '../json-text.ts'
import { momentText } from './moment-text.ts'
import { arrayItem } from './sql-text.ts'

/** How a column wants its values written. */
export type ColumnKind = 'json' | 'timestamptz' | 'timestamp' | 'date' | 'time' | 'bytea' | 'array' | 'point' | 'hstore' | 'composite' | 'other'

/** How a column of an array type wants its items written. */
export interface ArrayForm {
  readonly item: ColumnKind
  readonly delimiter: string
}

const plainArray: ArrayForm = { item: 'other', delimiter: ',' }

/**
 * The text that PostgreSQL reads as the value, for a column of that kind; null stays null. `isDatabaseText`: texts are as a database wrote
 * them, so that what goes into a JSON column is JSON already. @throws a data error
 */
export function cellText(value: unknown, kind: ColumnKind, array: ArrayForm = plainArray, isDatabaseText = false): string | null {
  if (value === null || value === undefined) return null
  if (isDatabaseText && typeof value === 'string' && kind === 'json') return scalarText(value)
  if (kind === 'json') return jsonText(value)
  if (kind === 'composite') return jsonText(isDatabaseText ? parsedMembers(value) : value)
  if (isMembers(value)) {
    if (kind === 'hstore') return hstoreText(value)
    if (kind === 'point' && 'x' in value && 'y' in value) return `(${scalarText(value['x'])},${scalarText(value['y'])})`
  }
  if (kind === 'array' && Array.isArray(value)) return arrayText(value, array, isDatabaseText)
  if (kind === 'bytea' && typeof value === 'string') return byteaText(value)
  if (value instanceof Date) return dateText(value.getTime(), kind)
  if (typeof value === 'number' && isMoment(kind)) return dateText(value, kind)
  return scalarText(value)
}

/** With schemas, composite values travel as JSON. */
function parsedMembers(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(parsedMembers)
  if (typeof value !== 'string' || !value.startsWith('{')) return value
  try {
    return JSON.parse(value)
  } catch (cause) {
    throw dataError(`a composite value is no JSON: ${value.slice(0, 100)}`, { cause })
  }
}

function isMoment(kind: ColumnKind): boolean {
  return kind === 'timestamptz' || kind === 'timestamp' || kind === 'date' || kind === 'time'
}

/** Bytes in JSON are base64. What is none is PostgreSQL's own form: hexadecimal behind \x, or the text itself. */
function byteaText(text: string): string {
  const bytes = Buffer.from(text, 'base64')
  return bytes.toString('base64') === text ? `\\x${bytes.toString('hex')}` : scalarText(text)
}

function isMembers(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && Object.getPrototypeOf(value) === Object.prototype
}

function hstoreText(members: Readonly<Record<string, unknown>>): string {
  const quoted = (text: string) => `"${text.replace(/["\\]/g, String.raw`\$&`)}"`
  return Object.entries(members).map(([name, value]) => `${quoted(name)}=>${value === null || value === undefined ? 'NULL' : quoted(scalarText(value))}`).join(',')
}

/** @throws a data error */
export function storableText(text: string): string {
  if (text.includes('\0')) throw dataError('PostgreSQL cannot store a text that holds the character NUL')
  return text
}

function scalarText(value: unknown): string {
  switch (typeof value) {
    case 'string':
      return storableText(value)
    case 'number':
      return Object.is(value, -0) ? '-0' : String(value)
    case 'bigint':
    case 'boolean':
      return String(value)
    default:
  }
  if (value instanceof Decimal) return value.toPlainString()
  if (value instanceof Date) return dateText(value.getTime(), 'timestamptz')
  if (value instanceof Uint8Array) return `\\x${Buffer.from(value).toString('hex')}`
  return jsonText(value)
}

/** Dates are moments: what has no time zone in the database gets the time in UTC. */
function dateText(ms: number, kind: ColumnKind): string {
  const usual = kind === 'timestamptz' ? momentText(ms) : undefined
  if (usual !== undefined) return usual
  const moment = new Date(ms)
  if (Number.isNaN(moment.getTime())) throw dataError('the number is outside the range of dates')
  const dayAndTime = moment.toISOString().slice(-20) // -MM-DDTHH:mm:ss.sssZ
  if (kind === 'time') return dayAndTime.slice(7, -1)
  const year = moment.getUTCFullYear()
  const text = String(year > 0 ? year : 1 - year).padStart(4, '0') + dayAndTime
  const cut = kind === 'date' ? text.slice(0, -14) : kind === 'timestamp' ? text.slice(0, -1) : text
  return year > 0 ? cut : `${cut} BC`
}

function arrayText(items: readonly unknown[], form: ArrayForm, isDatabaseText: boolean): string {
  const parts = items.map((item) => (Array.isArray(item) ? arrayText(item, form, isDatabaseText) : item === null || item === undefined ? 'NULL' : arrayItem(cellText(item, form.item, form, isDatabaseText)!)))
  return `{${parts.join(form.delimiter)}}`
}
