/** Random cases in the notation of test/vectors/connect/FORMAT.md: recorded ones whose configuration and data were changed, and data made from nothing. */
import type { Random } from '../src/core/index.ts'
import { randomInteger } from '../src/core/index.ts'
import type { NotedSchema } from '../test/conformance/connect-values.ts'
import { readVectors } from '../test/kit/vectors.ts'

type Config = Record<string, string>

interface Side {
  schema: NotedSchema | null
  value: unknown
}

interface RecordNotes {
  key: Side
  value: Side
  timestamp?: number | null
  topic?: string
  headers?: (Side & { name: string })[]
}

export interface RandomCase {
  name: string
  transform?: string
  predicate?: string
  converter?: string
  direction?: 'fromConnect' | 'toConnect'
  config?: Config
  record?: RecordNotes
  sourceRecord?: RecordNotes
  schema?: NotedSchema | null
  value?: unknown
  text?: string
  bytes?: string | null
  parse?: string
  headerText?: string
  header?: Side
  project?: { source: NotedSchema; value: unknown; target: NotedSchema }
  expect?: unknown
}

const logicalPrefix = 'org.apache.kafka.connect.data.'
const logicalNames = ['Decimal', 'Date', 'Time', 'Timestamp']
const primitives = ['int8', 'int16', 'int32', 'int64', 'float32', 'float64', 'boolean', 'string', 'bytes'] as const
const fieldNames = ['id', 'name', 'amount', 'at', 'inner', 'a', 'b.c', 'tags', 'm', 'k', 'o', 'n', 'when', 'nest', 'x', 'y.z', 'deep', 'p']
const texts = [
  '', 'x', 'true', 'TRUE', 'false', '1', '-5', '3.7', '1e3', '2019-08-23', '0001-01-01', '2019-08-23T14:34:54.346Z', '14:34:54.346Z', 'null', 'a,b', 'héé', '{"a":1}', '[1,2]', '99999999999999999999', 'NaN', '0x10', ' 7 ', '\u0000',
]
const fragments = [
  '1', '-', '+', '0', '9', '12', '.', 'e', 'E', 'true', 'false', 'null', '"', '\\', '"a"', '[', ']', '{', '}', ':', ',', ' ', '2019-08-23', 'T', '14:34:54.346', 'Z', '2019-08-23T14:34:54.346Z', 'a', 'NaN', '127', '128', '32768',
  '2147483648', '9223372036854775808', '1.5', '1e400', 'é', '\t', '\n', '_', '\\"', "'",
]
const values: Readonly<Record<string, readonly unknown[]>> = {
  int8: [0, 1, -1, 127, -128], int16: [0, 300, -32768, 32767], int32: [0, -1, 2147483647, -2147483648, 65536],
  int64: [0, -5, 1700000000123, 253402300800000, { int64: '9223372036854775807' }, { int64: '9007199254740993' }],
  float32: [0.5, -2.5, 0, 1e10, 3.4e38, { float: 'NaN' }, 1.1], float64: [0.5, 0, 1e300, { float: '-Infinity' }, 0.1, 1e21], boolean: [true, false], string: texts,
  bytes: [{ bytes: '' }, { bytes: 'AAE=' }, { bytes: '/w==' }], Decimal: [{ decimal: '12.30' }, { decimal: '-0.07' }, { decimal: '0.00' }],
  Date: [{ date: 0 }, { date: 86_400_000 }, { date: -86_400_000 }, { date: 1566518400000 }], Time: [{ date: 0 }, { date: 1 }, { date: 86_399_999 }],
  Timestamp: [{ date: 0 }, { date: -1 }, { date: 1566570894346 }, { date: -62135596800000 }],
}

/** Cases of transforms, predicates, converters, header values, texts and projections. */
export class RandomConnectCases {
  readonly #random: Random
  readonly #recorded: ReadonlyMap<string, readonly RandomCase[]>
  /** Values of options that were recorded, by `class/option`. */
  readonly #options = new Map<string, string[]>()
  readonly #sides: readonly Side[]

  constructor(random: Random) {
    this.#random = random
    this.#recorded = new Map([...readVectors('connect')].map(([group, files]) => [group, files.flatMap(({ content }) => (content as { cases?: RandomCase[] }).cases ?? [])]))
    for (const each of [...this.#recorded.values()].flat()) for (const [key, value] of Object.entries(each.config ?? {})) {
      const name = `${classOf(each)}/${key}`
      this.#options.set(name, [...(this.#options.get(name) ?? []), value])
    }
    const sides = this.#recorded.get('transforms')!.flatMap(({ record, sourceRecord }) => [(record ?? sourceRecord!).key, (record ?? sourceRecord!).value])
    // some recorded values are none of their schema, which Java's side of the notation cannot make
    this.#sides = sides.filter(({ schema, value }) => schema?.type !== 'boolean' || typeof value === 'boolean')
  }

  next(name: string): RandomCase {
    const kind = this.#random.next()
    const made = kind < 0.6 ? this.#transform() : kind < 0.8 ? this.#converter() : kind < 0.97 ? this.#value() : this.#predicate()
    return { ...made, name }
  }

  #pick<T>(of: readonly T[]): T {
    return of[randomInteger(this.#random, of.length)]!
  }

  #chance(of: number): boolean {
    return this.#random.next() < of
  }

  #some<T>(most: number, make: () => T): T[] {
    return Array.from({ length: randomInteger(this.#random, most + 1) }, make)
  }

  /** A recorded case without what it expects. */
  #case(group: string): RandomCase {
    return without(structuredClone(this.#pick(this.#recorded.get(group)!)), 'expect')
  }

  #transform(): RandomCase {
    const made = this.#case('transforms')
    const record = made.record ?? made.sourceRecord!
    const side = made.transform!.endsWith('$Key') ? 'key' : 'value'
    if (this.#chance(0.75)) record[side] = this.#side()
    if (this.#chance(0.15)) record[side === 'key' ? 'value' : 'key'] = this.#side()
    if (this.#chance(0.2)) record.timestamp = this.#pick([null, 0, 1700000000123, -62135596800000])
    if (this.#chance(0.2)) record.headers = this.#some(2, () => ({ name: this.#pick(['h1', 'h2', '']), ...this.#typed(1) }))
    return { ...made, config: this.#config(made, pathsOf(record[side])) }
  }

  #predicate(): RandomCase {
    const made = this.#case('predicates')
    const record = made.record ?? made.sourceRecord!
    record.topic = this.#pick(['t', 'ab', 'a-b-c', 'topic.1', ''])
    if (this.#chance(0.5)) record.headers = this.#some(2, () => ({ name: this.#pick(['h1', 'h2', '']), schema: { type: 'string' }, value: 'x' }))
    return { ...made, config: this.#config(made, []) }
  }

  #converter(): RandomCase {
    const made = without(this.#case('converters'), 'text', 'bytes')
    const config = this.#config(made, [])
    if (made.direction === 'fromConnect') return { ...made, config, ...this.#side() }
    return { ...made, config, text: made.converter === 'JsonConverter' && this.#chance(0.7) ? this.#envelope() : this.#text() }
  }

  #value(): RandomCase {
    const kind = this.#random.next()
    if (kind < 0.4) return { name: '', parse: this.#text() }
    if (kind < 0.55) return { name: '', headerText: this.#text() }
    if (kind < 0.75) return { name: '', header: this.#typed(2) }
    const { schema, value } = this.#typed(2)
    return { name: '', project: { source: schema!, value, target: this.#alike(schema!) } }
  }

  /** Options get values that others of the class have; those that name fields get fields of the record. */
  #config(made: RandomCase, paths: readonly string[]): Config {
    const config: Config = {}
    for (const [key, value] of Object.entries(made.config ?? {})) {
      const isField = paths.length > 0 && /^(?:field|fields|include|exclude|renames|spec)$|\.field$/.test(key) && this.#chance(0.5)
      if (!this.#chance(0.05)) config[key] = isField ? value.replace(/^[^:,]+/, this.#pick(paths)) : this.#chance(0.3) ? this.#pick(this.#options.get(`${classOf(made)}/${key}`)!) : value
    }
    return config
  }

  #side(): Side {
    if (this.#chance(0.4)) return structuredClone(this.#pick(this.#sides))
    return this.#chance(0.5) ? this.#typed(3) : { schema: null, value: this.#schemaless(3) }
  }

  #typed(depth: number): Side {
    const schema = this.#schema(depth)
    return { schema, value: this.#valueOf(schema) }
  }

  #schema(depth: number): NotedSchema {
    const basics = { ...(this.#chance(0.4) && { optional: true }), ...(this.#chance(0.1) && { doc: 'd' }) }
    const kind = depth === 0 ? 1 : this.#random.next()
    if (kind < 0.2) {
      const fields = [...new Set([this.#pick(fieldNames), ...this.#some(4, () => this.#pick(fieldNames))])].map((field) => ({ field, ...this.#schema(depth - 1) }))
      return { type: 'struct', fields, ...basics, ...(this.#chance(0.4) && { name: 'pkg.P', version: 1 + randomInteger(this.#random, 4) }) }
    }
    if (kind < 0.28) return { type: 'array', valueSchema: this.#schema(depth - 1), ...basics }
    if (kind < 0.36) return { type: 'map', keySchema: { type: this.#pick(['string', 'string', 'int32'] as const) }, valueSchema: this.#schema(depth - 1), ...basics }
    const scalar: NotedSchema = this.#chance(0.3) ? logicalSchema(this.#pick(logicalNames)) : { type: this.#pick(primitives) }
    return { ...scalar, ...basics, ...(this.#chance(0.2) && { default: this.#valueOf(scalar) }) }
  }

  #valueOf(schema: NotedSchema): unknown {
    if (schema.optional === true && this.#chance(0.3)) return null
    if (schema.type === 'struct') return Object.fromEntries(schema.fields!.map((field) => [field.field, this.#valueOf(field)]))
    if (schema.type === 'array') return this.#some(3, () => this.#valueOf(schema.valueSchema!))
    if (schema.type !== 'map') return this.#pick(values[schema.name?.replace(logicalPrefix, '') ?? schema.type] ?? values[schema.type]!)
    return { map: [...new Set(this.#some(2, () => this.#valueOf(schema.keySchema!)))].map((key) => [key, this.#valueOf(schema.valueSchema!)]) }
  }

  #schemaless(depth: number): unknown {
    const kind = this.#random.next()
    if (kind < 0.08) return null
    if (depth > 0 && kind < 0.35) return Object.fromEntries(['id', ...this.#some(4, () => this.#pick(fieldNames))].map((name) => [name, this.#schemaless(depth - 1)]))
    if (depth > 0 && kind < 0.45) return this.#some(3, () => this.#schemaless(depth - 1))
    return this.#pick([...values['int64']!, ...values['boolean']!, ...texts, ...values['bytes']!, { float64: '-2.5' }, { date: 1566570894346 }, { decimal: '12.30' }])
  }

  /** A schema that data of the other may be brought to. */
  #alike(schema: NotedSchema): NotedSchema {
    const isWider = schema.name === undefined && ['int8', 'int16', 'int32', 'int64', 'float32'].includes(schema.type) && this.#chance(0.3)
    return {
      ...(isWider ? without(schema, 'default') : schema), ...(isWider && { type: this.#pick(['int32', 'int64', 'float32', 'float64'] as const) }), ...(this.#chance(0.2) && { optional: true }), ...(this.#chance(0.1) && { version: 7 }),
      ...(schema.fields && { fields: schema.fields.filter(() => this.#chance(0.9)).map((field) => ({ field: field.field, ...this.#alike(field) })) }),
      ...(schema.valueSchema && { valueSchema: this.#alike(schema.valueSchema) }),
    }
  }

  #text(): string {
    return this.#pick(fragments) + this.#some(this.#chance(0.5) ? 3 : 9, () => this.#pick(fragments)).join('')
  }

  /** What JsonConverter writes, more or less. */
  #envelope(): string {
    const { schema, value } = this.#typed(2)
    const payload = this.#chance(0.1) ? this.#pick([null, 1, 'x', true, 1.5, [], {}]) : jsonOf(schema!, value)
    const text = JSON.stringify({ schema: jsonSchema(schema!), payload })
    if (!this.#chance(0.1)) return text
    const at = randomInteger(this.#random, text.length)
    return text.slice(0, at) + this.#pick(fragments) + text.slice(at)
  }
}

function without<T extends object, K extends keyof T>(object: T, ...names: readonly K[]): Omit<T, K> {
  const copy = { ...object }
  for (const name of names) delete copy[name]
  return copy
}

function classOf({ transform, predicate, converter }: RandomCase): string {
  return (transform ?? predicate ?? converter ?? '').replace(/\$.*/, '')
}

function logicalSchema(name: string): NotedSchema {
  const type = name === 'Decimal' ? 'bytes' : name === 'Timestamp' ? 'int64' : 'int32'
  return { type, name: logicalPrefix + name, version: 1, ...(name === 'Decimal' && { parameters: { scale: '2' } }) }
}

function pathsOf({ schema, value }: Side, prefix = ''): readonly string[] {
  const members = schema === null ? (typeof value === 'object' && value !== null && !Array.isArray(value) ? Object.entries(value) : []) : []
  const nested = [...members.map(([name, each]) => [name, { schema: null, value: each as unknown }] as const), ...(schema?.fields ?? []).map((field) => [field.field, { schema: field, value: null }] as const)]
  return nested.flatMap(([name, side]) => [prefix + name, ...pathsOf(side, `${prefix}${name}.`)])
}

function jsonSchema(schema: NotedSchema): Record<string, unknown> {
  const { type, keySchema, valueSchema, fields, ...rest } = without(schema, 'default')
  const inner = type === 'array' ? { items: jsonSchema(valueSchema!) } : type === 'map' ? { keys: jsonSchema(keySchema!), values: jsonSchema(valueSchema!) } : {}
  return { ...rest, type: type === 'float32' ? 'float' : type === 'float64' ? 'double' : type, ...inner, ...(fields && { fields: fields.map(jsonSchema as (field: NotedSchema) => unknown) }) }
}

function jsonOf(schema: NotedSchema, value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value
  if (schema.type === 'struct') return Object.fromEntries(schema.fields!.map((field) => [field.field, jsonOf(field, (value as Config)[field.field])]))
  if (Array.isArray(value)) return value.map((each) => jsonOf(schema.valueSchema!, each))
  const [inner] = Object.values(value) as [unknown]
  if (schema.type !== 'map') return inner
  const pairs = (inner as [unknown, unknown][]).map(([key, each]) => [key, jsonOf(schema.valueSchema!, each)])
  return schema.keySchema!.type === 'string' ? Object.fromEntries(pairs as [string, unknown][]) : pairs
}
