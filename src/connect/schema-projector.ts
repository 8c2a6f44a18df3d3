import { dataError } from './errors.ts'
import { fieldOf, Struct } from './schema.ts'
import type { Schema, SchemaType } from './schema.ts'

const widening: readonly SchemaType[] = ['int8', 'int16', 'int32', 'int64', 'float32', 'float64']

/**
 * The value of one schema as a value of another, for sinks whose records change over time: numbers widen and never narrow,
 * fields that are new in the target get its default or null, fields that it does not have are left out. As upstream's SchemaProjector.
 * @throws INVALID_DATA naming the field, when the schemas do not go together
 */
export function projectValue(from: Schema, value: unknown, to: Schema): unknown {
  ensureCompatible(from, to)
  if (from.optional && !to.optional && (to.default ?? null) === null) throw dataError('Writer schema is optional, however, target schema does not provide a default value.')
  if (value === null || value === undefined) return from.optional && !to.optional ? to.default : null
  switch (to.type) {
    case 'struct': return projectStruct(from, value as Struct, to)
    case 'array': return (value as readonly unknown[]).map((each) => projectValue(from.valueSchema!, each, to.valueSchema!))
    case 'map': return projectMap(from, value as ReadonlyMap<unknown, unknown>, to)
    default: return projectPrimitive(from, value, to)
  }
}

function projectPrimitive(from: Schema, value: unknown, to: Schema): unknown {
  if (from.type === to.type || !isFloat(to)) return value
  return to.type === 'float32' ? Math.fround(Number(value)) : Number(value)
}

function isFloat({ type }: Schema): boolean {
  return type === 'float32' || type === 'float64'
}

function projectMap(from: Schema, map: ReadonlyMap<unknown, unknown>, to: Schema): ReadonlyMap<unknown, unknown> {
  return new Map([...map].map(([key, each]) => [projectValue(from.keySchema!, key, to.keySchema!), projectValue(from.valueSchema!, each, to.valueSchema!)]))
}

function projectStruct(from: Schema, struct: Struct, to: Schema): Struct {
  const projected = new Struct(to)
  for (const { name, schema } of to.fields!) {
    const source = fieldOf(from, name)
    if (source !== undefined) projected.set(name, projectField(source.schema, struct.get(name), schema, name))
    else if (!schema.optional) projected.set(name, defaultOf(schema, name))
  }
  return projected
}

function projectField(from: Schema, value: unknown, to: Schema, name: string): unknown {
  try {
    return projectValue(from, value, to)
  } catch (cause) {
    throw dataError(`Error projecting ${name}: ${(cause as Error).message}`, { cause })
  }
}

function defaultOf(schema: Schema, name: string): unknown {
  if ((schema.default ?? null) === null) throw dataError(`Required field \`${name}\` is missing from source schema`)
  return schema.default
}

function ensureCompatible(from: Schema, to: Schema): void {
  const [a, b] = [widening.indexOf(from.type), widening.indexOf(to.type)]
  const isWidening = a >= 0 && b >= a
  if (from.type !== to.type && !isWidening) throw dataError(`Schema type mismatch. source type: ${from.type.toUpperCase()} and target type: ${to.type.toUpperCase()}`)
  if (from.name !== to.name) throw dataError(`Schema name mismatch. source name: ${from.name ?? 'null'} and target name: ${to.name ?? 'null'}`)
  if (!sameParameters(from, to)) throw dataError('Schema parameters not equal')
}

function sameParameters({ parameters: a }: Schema, { parameters: b }: Schema): boolean {
  if (a === undefined || b === undefined) return a === b
  const names = Object.keys(a)
  return names.length === Object.keys(b).length && names.every((name) => a[name] === b[name])
}
