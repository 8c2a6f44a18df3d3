import { Decimal, Struct } from 'millrace/connect'

/** JSON as the database reads it and writes it: whole numbers of any size stay numbers. */
export function jsonText(value: unknown): string {
  if (value === null || value === undefined) return 'null'
  if (typeof value === 'bigint') return String(value)
  if (value instanceof Decimal) return value.toPlainString()
  if (value instanceof Date) return JSON.stringify(value)
  if (value instanceof Uint8Array) return JSON.stringify(Buffer.from(value).toString('base64'))
  if (value instanceof Struct) return membersText((value.schema.fields ?? []).map(({ name }) => [name, value.get(name)]))
  if (value instanceof Map) return membersText([...value].map(([name, member]) => [String(name), member]))
  if (Array.isArray(value)) return `[${value.map(jsonText).join(',')}]`
  if (typeof value === 'object') return membersText(Object.entries(value))
  return JSON.stringify(value)
}

function membersText(members: readonly (readonly [string, unknown])[]): string {
  return `{${members.map(([name, member]) => `${JSON.stringify(name)}:${jsonText(member)}`).join(',')}}`
}
