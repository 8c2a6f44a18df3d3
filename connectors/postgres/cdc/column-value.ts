/** What the text of a column becomes in a record. */
import { arrayItems } from './array-text.ts'

export type ValueKind = 'boolean' | 'integer' | 'float' | 'bytes' | 'timestamptz' | 'timestamp' | 'text'

export interface ColumnType {
  readonly kind: ValueKind
  readonly isArray: boolean
}

const kindsByOid: ReadonlyMap<number, ValueKind> = new Map([
  [16, 'boolean'], [20, 'integer'], [21, 'integer'], [23, 'integer'], [26, 'integer'], [700, 'float'], [701, 'float'],
  [17, 'bytes'], [1184, 'timestamptz'], [1114, 'timestamp'],
])

/** By the object id of the type, or of the type that a domain is made of. */
export function kindOfType(oid: number): ValueKind {
  return kindsByOid.get(oid) ?? 'text'
}

export function columnValue(text: string | null, { kind, isArray }: ColumnType): unknown {
  if (text === null) return null
  return isArray ? arrayItems(text, (item) => scalar(item, kind)) : scalar(text, kind)
}

function scalar(text: string, kind: ValueKind): unknown {
  switch (kind) {
    case 'boolean':
      return text === 't'
    case 'integer': {
      const value = Number(text)
      return Number.isSafeInteger(value) ? value : BigInt(text)
    }
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
    case 'text':
      return text
  }
}

/** `2026-11-21 07:00:00.5+00` → `2026-11-21T07:00:00.5Z`; infinity and years BC stay as PostgreSQL writes them. */
function isoMoment(text: string): string {
  const match = /^(\d{4,}-\d\d-\d\d) (\d\d:\d\d:\d\d(?:\.\d+)?)\+00$/.exec(text)
  return match ? `${match[1]}T${match[2]}Z` : text
}
