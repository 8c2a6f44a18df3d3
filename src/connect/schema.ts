/**
 * The types of Connect's data, with Kafka Connect's names and meaning (org.apache.kafka.connect.data).
 *
 * | schema type | value in memory |
 * |---|---|
 * | int8 int16 int32 float32 float64 | number |
 * | int64 | number within ±(2^53−1), bigint outside |
 * | boolean, string, bytes | boolean, string, Uint8Array |
 * | array | array |
 * | map | Map |
 * | struct | Struct |
 * | Decimal (bytes), Date and Time (int32), Timestamp (int64) | Decimal; the others a JavaScript Date |
 *
 * Without a schema, data is what JSON gives: plain objects, arrays, strings, numbers, booleans, null; and Uint8Array, Date, Decimal, bigint, Map.
 * JavaScript has one number type, so the width of a schemaless number is not kept.
 */
import { dataError } from './errors.ts'

export const schemaTypes = [
  'int8', 'int16', 'int32', 'int64', 'float32', 'float64', 'boolean', 'string', 'bytes', 'array', 'map', 'struct',
] as const
export type SchemaType = (typeof schemaTypes)[number]

/** Frozen. Two schemas are the same if `schemaEquals` says so; identity means nothing. */
export interface Schema {
  readonly type: SchemaType
  /** True: null is a value. */
  readonly optional: boolean
  /** Stands in for null; absent: there is none. */
  readonly default?: unknown
  /** Full name; the logical types are recognised by it. */
  readonly name?: string
  readonly version?: number
  readonly doc?: string
  readonly parameters?: Readonly<Record<string, string>>
  /** Of a struct, in order. */
  readonly fields?: readonly Field[]
  /** Of a map. */
  readonly keySchema?: Schema
  /** Of a map or an array. */
  readonly valueSchema?: Schema
}

export interface Field {
  readonly name: string
  readonly index: number
  readonly schema: Schema
}

export interface SchemaOptions {
  readonly optional?: boolean
  readonly default?: unknown
  readonly name?: string
  readonly version?: number
  readonly doc?: string
  readonly parameters?: Readonly<Record<string, string>>
}

/** Upstream's names of the logical types. */
export const logicalNames = {
  decimal: 'org.apache.kafka.connect.data.Decimal',
  date: 'org.apache.kafka.connect.data.Date',
  time: 'org.apache.kafka.connect.data.Time',
  timestamp: 'org.apache.kafka.connect.data.Timestamp',
} as const
export type LogicalName = keyof typeof logicalNames

function primitive(type: SchemaType): (options?: SchemaOptions) => Schema {
  const plain: Schema = Object.freeze({ type, optional: false })
  return (options) => (options === undefined ? plain : build({ type }, options))
}

function build(shape: Omit<Schema, 'optional'>, { optional = false, ...options }: SchemaOptions): Schema {
  return Object.freeze({ ...shape, ...options, optional })
}

/** Makes schemas: `schema.struct({ id: schema.int64(), name: schema.string({ optional: true }) })`. */
export const schema = {
  int8: primitive('int8'),
  int16: primitive('int16'),
  int32: primitive('int32'),
  int64: primitive('int64'),
  float32: primitive('float32'),
  float64: primitive('float64'),
  boolean: primitive('boolean'),
  string: primitive('string'),
  bytes: primitive('bytes'),
  array: (valueSchema: Schema, options: SchemaOptions = {}): Schema => build({ type: 'array', valueSchema }, options),
  map: (keySchema: Schema, valueSchema: Schema, options: SchemaOptions = {}): Schema => build({ type: 'map', keySchema, valueSchema }, options),
  /** Fields keep the order of the object's members, or of the pairs where a name looks like a number. */
  struct(fields: Readonly<Record<string, Schema>> | readonly (readonly [string, Schema])[], options: SchemaOptions = {}): Schema {
    const pairs = Array.isArray(fields) ? (fields as readonly (readonly [string, Schema])[]) : Object.entries(fields)
    const seen = new Set<string>()
    const list = pairs.map(([name, fieldSchema], index): Field => {
      if (name === '') throw dataError('a field of a struct needs a name')
      if (seen.has(name)) throw dataError(`a struct cannot have two fields named "${name}"`)
      seen.add(name)
      return Object.freeze({ name, index, schema: fieldSchema })
    })
    return build({ type: 'struct', fields: Object.freeze(list) }, options)
  },
  /** `scale` digits after the point; kept as a parameter, as upstream does. */
  decimal: (scale: number, options: SchemaOptions = {}): Schema =>
    build({ type: 'bytes' }, { version: 1, ...options, name: logicalNames.decimal, parameters: { ...options.parameters, scale: String(scale) } }),
  date: (options: SchemaOptions = {}): Schema => build({ type: 'int32' }, { version: 1, ...options, name: logicalNames.date }),
  time: (options: SchemaOptions = {}): Schema => build({ type: 'int32' }, { version: 1, ...options, name: logicalNames.time }),
  timestamp: (options: SchemaOptions = {}): Schema => build({ type: 'int64' }, { version: 1, ...options, name: logicalNames.timestamp }),
} as const

const logicalByName = new Map<string, LogicalName>(Object.entries(logicalNames).map(([key, name]) => [name, key as LogicalName]))

/** Which logical type the schema's name says it is. */
export function logicalOf(of: Schema): LogicalName | undefined {
  return of.name === undefined ? undefined : logicalByName.get(of.name)
}

const fieldIndexes = new WeakMap<Schema, ReadonlyMap<string, Field>>()

/** The field of a struct schema, found in constant time. @throws INVALID_DATA when the schema is not a struct */
export function fieldOf(struct: Schema, name: string): Field | undefined {
  if (struct.fields === undefined) throw dataError(`cannot look up field "${name}": the schema is ${struct.type}, not a struct`)
  let index = fieldIndexes.get(struct)
  if (index === undefined) {
    index = new Map(struct.fields.map((field) => [field.name, field]))
    fieldIndexes.set(struct, index)
  }
  return index.get(name)
}

/** True when types, names, versions, documentation, parameters, defaults and members in order are the same, as in upstream's ConnectSchema.equals. */
export function schemaEquals(a: Schema | null | undefined, b: Schema | null | undefined): boolean {
  if (a === b) return true
  if (!a || !b) return (a ?? null) === (b ?? null)
  return (
    a.type === b.type && a.optional === b.optional && a.name === b.name && a.version === b.version && a.doc === b.doc &&
    sameParameters(a.parameters, b.parameters) && dataEquals(a.default, b.default) &&
    schemaEquals(a.keySchema, b.keySchema) && schemaEquals(a.valueSchema, b.valueSchema) && sameFields(a.fields, b.fields)
  )
}

function sameParameters(a: Schema['parameters'] = {}, b: Schema['parameters'] = {}): boolean {
  const names = Object.keys(a)
  return names.length === Object.keys(b).length && names.every((name) => a[name] === b[name])
}

function sameFields(a: Schema['fields'] = [], b: Schema['fields'] = []): boolean {
  return a.length === b.length && a.every((field, i) => field.name === b[i]!.name && schemaEquals(field.schema, b[i]!.schema))
}

/** Deep equality of Connect data, by value. */
export function dataEquals(a: unknown, b: unknown): boolean {
  if (Object.is(a, b)) return true
  if (a instanceof Uint8Array && b instanceof Uint8Array) return Buffer.compare(a, b) === 0
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null || Object.getPrototypeOf(a) !== Object.getPrototypeOf(b)) return false
  if (a instanceof Date) return a.getTime() === (b as Date).getTime()
  if (a instanceof Decimal) return a.unscaled === (b as Decimal).unscaled && a.scale === (b as Decimal).scale
  if (a instanceof Struct) return a.equals(b as Struct)
  if (a instanceof Map) return sameMap(a, b as Map<unknown, unknown>)
  const names = Object.keys(a)
  return names.length === Object.keys(b).length && names.every((name) => Object.hasOwn(b, name) && dataEquals((a as Members)[name], (b as Members)[name]))
}

type Members = Record<string, unknown>

function sameMap(a: ReadonlyMap<unknown, unknown>, b: ReadonlyMap<unknown, unknown>): boolean {
  return a.size === b.size && [...a].every(([key, value]) => [...b].some(([other, otherValue]) => dataEquals(key, other) && dataEquals(value, otherValue)))
}

/** An exact decimal number: `unscaled × 10^−scale`. `1.20` and `1.2` differ, as upstream's BigDecimal. */
export class Decimal {
  readonly unscaled: bigint
  readonly scale: number

  constructor(unscaled: bigint, scale: number) {
    this.unscaled = unscaled
    this.scale = scale
  }

  /** Reads `-12.50`, `1e-3`; the scale is what was written. @throws INVALID_DATA */
  static parse(text: string): Decimal {
    const match = /^([+-]?)(\d*)(?:\.(\d*))?(?:[eE]([+-]?\d{1,9}))?$/.exec(text)
    const digits = `${match?.[2] ?? ''}${match?.[3] ?? ''}`
    if (!match || digits === '') throw dataError(`"${text}" is not a decimal number`)
    const magnitude = BigInt(digits)
    return new Decimal(match[1] === '-' ? -magnitude : magnitude, (match[3]?.length ?? 0) - Number(match[4] ?? 0))
  }

  /** Two's complement, big-endian, as short as it can be: the bytes of the Decimal logical type. */
  static fromBytes(bytes: Uint8Array, scale: number): Decimal {
    if (bytes.length === 0) throw dataError('a decimal needs at least one byte')
    return new Decimal(BigInt.asIntN(bytes.length * 8, BigInt(`0x${Buffer.from(bytes).toString('hex')}`)), scale)
  }

  toBytes(): Uint8Array {
    let length = 1
    while (BigInt.asIntN(length * 8, this.unscaled) !== this.unscaled) length++
    return Buffer.from(BigInt.asUintN(length * 8, this.unscaled).toString(16).padStart(length * 2, '0'), 'hex')
  }

  toNumber(): number {
    return Number(`${this.unscaled}e${-this.scale}`)
  }

  /** As Java's BigDecimal.toString: plain notation, or scientific where the scale is negative or the number very small. */
  toString(): string {
    const sign = this.unscaled < 0n ? '-' : ''
    const digits = String(this.unscaled < 0n ? -this.unscaled : this.unscaled)
    const exponent = digits.length - 1 - this.scale
    if (this.scale < 0 || exponent < -6) {
      const fraction = digits.length > 1 ? `.${digits.slice(1)}` : ''
      return `${sign}${digits[0]}${fraction}${exponent === 0 ? '' : `E${exponent > 0 ? '+' : ''}${exponent}`}`
    }
    return sign + withPoint(digits, this.scale)
  }

  /** Never scientific. */
  toPlainString(): string {
    const sign = this.unscaled < 0n ? '-' : ''
    const digits = String(this.unscaled < 0n ? -this.unscaled : this.unscaled)
    if (this.scale < 0) return this.unscaled === 0n ? '0' : `${sign}${digits}${'0'.repeat(-this.scale)}`
    return sign + withPoint(digits, this.scale)
  }
}

function withPoint(digits: string, scale: number): string {
  if (scale === 0) return digits
  const padded = digits.padStart(scale + 1, '0')
  return `${padded.slice(0, -scale)}.${padded.slice(-scale)}`
}

/** A value of a struct schema: one slot a field, in the order of the schema. A slot that was never set is null. */
export class Struct {
  readonly schema: Schema
  readonly #values: unknown[]

  /**
   * Of values by name, or of all values in the order of the schema's fields: such an array is kept, not copied.
   * @throws INVALID_DATA when the schema is not a struct, a value is for a field that it does not have, or the array is of another length
   */
  constructor(of: Schema, values: Readonly<Record<string, unknown>> | unknown[] = {}) {
    if (of.fields === undefined) throw dataError(`a Struct needs a struct schema, not ${of.type}`)
    this.schema = of
    if (Array.isArray(values)) {
      if (values.length !== of.fields.length) throw dataError(`a Struct of ${of.fields.length} fields cannot be made of ${values.length} values`)
      this.#values = values
      return
    }
    this.#values = Array.from({ length: of.fields.length }, () => null)
    for (const name of Object.keys(values)) this.set(name, values[name])
  }

  /** The value of the field with this place in the schema, as it was set. */
  valueAt(index: number): unknown {
    return this.#values[index] ?? null
  }

  /** The value, or the field's default in place of null. @throws INVALID_DATA for a field that the schema does not have */
  get(name: string): unknown {
    const field = this.#field(name)
    return this.#values[field.index] ?? field.schema.default ?? null
  }

  /** The value as it was set. */
  getWithoutDefault(name: string): unknown {
    return this.#values[this.#field(name).index]
  }

  /** @throws INVALID_DATA for a field that the schema does not have; the value is checked by `validateValue` */
  set(name: string, value: unknown): this {
    this.#values[this.#field(name).index] = value ?? null
    return this
  }

  equals(other: Struct): boolean {
    return schemaEquals(this.schema, other.schema) && this.#values.every((value, index) => dataEquals(value, other.#values[index]))
  }

  #field(name: string): Field {
    const field = fieldOf(this.schema, name)
    if (field === undefined) throw dataError(`${name} is not a valid field name`)
    return field
  }
}
