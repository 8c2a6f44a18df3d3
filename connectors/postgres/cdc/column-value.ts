/** What the text of a column becomes in a record. */
import { arrayItems } from './array-text.ts'
import { compositeItems, hstoreMembers } from './row-text.ts'

export type ScalarKind = 'boolean' | 'integer' | 'float' | 'bytes' | 'timestamptz' | 'timestamp' | 'point' | 'hstore' | 'text'

export type ColumnType =
  | { readonly kind: ScalarKind }
  | { readonly kind: 'array'; readonly element: ColumnType; readonly delimiter: string }
  | { readonly kind: 'composite'; readonly fields: readonly { readonly name: string; readonly type: ColumnType }[] }

export const textType: ColumnType = { kind: 'text' }

const kindsByOid: ReadonlyMap<number, ScalarKind> = new Map([
  [16, 'boolean'], [20, 'integer'], [21, 'integer'], [23, 'integer'], [26, 'integer'], [700, 'float'], [701, 'float'],
  [17, 'bytes'], [1184, 'timestamptz'], [1114, 'timestamp'], [600, 'point'],
])

/** By the object id of the type, or of the type that a domain is made of. */
export function kindOfType(oid: number): ScalarKind {
  return kindsByOid.get(oid) ?? 'text'
}

/** As `columnValue`, of text that stands in bytes. */
export function columnValueAt(bytes: Buffer, start: number, end: number, type: ColumnType): unknown {
  switch (type.kind) {
    case 'text':
      return bytes.toString('utf8', start, end)
    case 'integer':
      return integerAt(bytes, start, end) ?? columnValue(bytes.toString('latin1', start, end), type)
    case 'boolean':
      return bytes[start] === 0x74 /* t */
    case 'timestamptz':
      return momentAt(bytes, start, end) ?? columnValue(bytes.toString('latin1', start, end), type)
    default:
      return columnValue(bytes.toString('utf8', start, end), type)
  }
}

/** Undefined for what has more digits than a number surely holds. */
function integerAt(bytes: Buffer, start: number, end: number): number | undefined {
  const isNegative = bytes[start] === 0x2d /* - */
  if (end - start > 15) return undefined
  let value = 0
  for (let at = isNegative ? start + 1 : start; at < end; at++) value = value * 10 + bytes[at]! - 0x30
  return isNegative ? -value : value
}

/** Undefined for what is not of the usual form, `2026-11-21 07:00:00.5+00`. */
function momentAt(bytes: Buffer, start: number, end: number): string | undefined {
  const isUsual = end - start >= 22 && bytes[start + 4] === 0x2d && bytes[start + 10] === 0x20 && bytes[end - 3] === 0x2b && bytes[end - 2] === 0x30 && bytes[end - 1] === 0x30
  return isUsual ? `${bytes.toString('latin1', start, start + 10)}T${bytes.toString('latin1', start + 11, end - 3)}Z` : undefined
}

export function columnValue(text: string | null, type: ColumnType): unknown {
  if (text === null) return null
  switch (type.kind) {
    case 'text':
      return text
    case 'integer': {
      const value = Number(text)
      return Number.isSafeInteger(value) ? value : BigInt(text)
    }
    case 'boolean':
      return text === 't'
    case 'float': {
      const value = Number(text)
      return Number.isFinite(value) ? value : text // JSON has no NaN and no infinity
    }
    case 'bytes':
      return Buffer.from(text.slice(2), 'hex').toString('base64')
    case 'timestamptz':
      return isoMoment(text)
    case 'timestamp':
      return text.replace(' ', 'T').replace('T BC', ' BC')
    case 'point':
      return pointOf(text)
    case 'hstore':
      return hstoreMembers(text)
    case 'array':
      return arrayItems(text, (item) => columnValue(item, type.element), type.delimiter)
    case 'composite': {
      const items = compositeItems(text)
      return Object.fromEntries(type.fields.map((field, index) => [field.name, columnValue(items[index] ?? null, field.type)]))
    }
  }
}

/** `2026-11-21 07:00:00.5+00` → `2026-11-21T07:00:00.5Z`; infinity and years BC stay as PostgreSQL writes them. */
function isoMoment(text: string): string {
  const match = /^(\d{4,}-\d\d-\d\d) (\d\d:\d\d:\d\d(?:\.\d+)?)\+00$/.exec(text)
  return match ? `${match[1]}T${match[2]}Z` : text
}

/** `(1,2)` → `{ x: 1, y: 2 }`; with coordinates that JSON has no number for, the text. */
function pointOf(text: string): unknown {
  const [x, y] = text.slice(1, -1).split(',').map(Number)
  return Number.isFinite(x) && Number.isFinite(y) ? { x, y } : text
}
