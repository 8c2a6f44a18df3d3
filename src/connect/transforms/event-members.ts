/** Members of change events, with schema or without. */
import { Struct } from '../schema.ts'
import type { Schema } from '../schema.ts'

export interface Found {
  readonly schema: Schema | null
  readonly value: unknown
}

/** undefined: there is no such member. */
export function memberOf({ schema, value }: Found, name: string): Found | undefined {
  if (value instanceof Struct) {
    const field = schema?.fields?.find((each) => each.name === name)
    return field === undefined ? undefined : { schema: field.schema, value: value.getWithoutDefault(name) ?? null }
  }
  if (typeof value !== 'object' || value === null || !Object.hasOwn(value, name)) return undefined
  return { schema: null, value: (value as Readonly<Record<string, unknown>>)[name] ?? null }
}
