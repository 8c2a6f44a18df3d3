/** Values that tell of a change in another database: Debezium's envelopes, and its flat rows with `__op` or `__deleted`. */
import { Struct } from 'millrace/connect'

export interface ChangeValue {
  /** `none`: nothing that a table could show, such as a logical message. */
  readonly effect: 'write' | 'delete' | 'truncate' | 'none'
  /** The row, for `write`. */
  readonly row: unknown
}

const envelopeEffects: Readonly<Record<string, ChangeValue['effect']>> = { c: 'write', r: 'write', u: 'write', d: 'delete', t: 'truncate', m: 'none' }

/** Undefined for a value that is just a row. */
export function changeOf(value: unknown): ChangeValue | undefined {
  if (!mayBeChange(value)) return undefined
  const op = memberOf(value, 'op')
  if (typeof op === 'string' && memberOf(value, 'source') !== undefined && Object.hasOwn(envelopeEffects, op)) {
    const row = memberOf(value, 'after') ?? null
    const effect = envelopeEffects[op]!
    return { effect: effect === 'write' && row === null ? 'none' : effect, row }
  }
  const flat = memberOf(value, '__op')
  if (flat === 't') return { effect: 'truncate', row: null }
  if (flat === 'd' || memberOf(value, '__deleted') === 'true') return { effect: 'delete', row: null }
  return flat === undefined ? undefined : { effect: 'write', row: value }
}

/** Most values are rows: this is all that is asked of them. */
function mayBeChange(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false
  return value instanceof Struct || 'op' in value || '__op' in value || '__deleted' in value
}

/** What Debezium, and the source here when told so, put where a large value did not change: text, its bytes, base64 of it, or a list of one of these. */
export function isPlaceholder(value: unknown, placeholder: string, base64: string): boolean {
  if (value instanceof Uint8Array) return value.length === Buffer.byteLength(placeholder) && Buffer.from(value).toString() === placeholder
  return value === placeholder || value === base64 || (Array.isArray(value) && value.length === 1 && isPlaceholder(value[0], placeholder, base64))
}

/** Undefined where there is none. */
function memberOf(value: unknown, name: string): unknown {
  if (value instanceof Struct) return value.schema.fields?.some((field) => field.name === name) === true ? value.get(name) : undefined
  if (typeof value !== 'object' || value === null || !Object.hasOwn(value, name)) return undefined
  return (value as Record<string, unknown>)[name]
}
