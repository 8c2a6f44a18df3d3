/** `status:int,took:float,ok:boolean,at:timestamp,extra:json`: what the text of a field stands for. */
import { dataError } from 'millrace/connect'

const readers = {
  string: (text: string) => text,
  int: (text: string) => {
    const value = /^\s*[+-]?\d+\s*$/u.test(text) ? Number(text) : Number.NaN
    return Number.isNaN(value) || Number.isSafeInteger(value) ? value : BigInt(text.trim())
  },
  float: (text: string) => (text.trim() === '' ? Number.NaN : Number(text)),
  boolean: (text: string) => ({ true: true, false: false, '1': true, '0': false, yes: true, no: false })[text.trim().toLowerCase()],
  /** Milliseconds since the epoch, from ISO 8601. */
  timestamp: (text: string) => Date.parse(text),
  json: (text: string): unknown => {
    try {
      return JSON.parse(text)
    } catch {
      return undefined
    }
  },
} as const

export type FieldType = keyof typeof readers
export type FieldTypes = ReadonlyMap<string, FieldType>

/** @throws an Error with what is wrong, for the check of a config */
export function parseFieldTypes(items: readonly string[]): FieldTypes {
  return new Map(items.map((item) => {
    const colon = item.lastIndexOf(':')
    const type = item.slice(colon + 1)
    if (colon <= 0 || !Object.hasOwn(readers, type)) throw new Error(`${item} is no name:type; types are ${Object.keys(readers).join(', ')}`)
    return [item.slice(0, colon), type as FieldType]
  }))
}

/** The object with its text fields read as the types say; empty text is null for all but strings. @throws a data error */
export function withTypes(value: unknown, types: FieldTypes): unknown {
  if (types.size === 0 || typeof value !== 'object' || value === null) return value
  const typed: Record<string, unknown> = { ...(value as Record<string, unknown>) }
  for (const [name, type] of types) {
    const text = typed[name]
    if (typeof text === 'string') typed[name] = text === '' && type !== 'string' ? null : read(name, type, text)
  }
  return typed
}

function read(name: string, type: FieldType, text: string): unknown {
  const value = readers[type](text)
  if (value === undefined || Number.isNaN(value)) throw dataError(`the field ${name} holds ${JSON.stringify(text.slice(0, 100))}, which is no ${type}`)
  return value
}
