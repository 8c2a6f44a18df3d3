import fc from 'fast-check'
import type { Arbitrary } from 'fast-check'
import { StreamError } from '../../core/index.ts'

/** The part of JSON Schema (2020-12) that schemas of values are made of. */
export interface JsonSchema {
  readonly type?: string | readonly string[]
  readonly const?: unknown
  readonly enum?: readonly unknown[]
  readonly anyOf?: readonly JsonSchema[]
  readonly oneOf?: readonly JsonSchema[]
  readonly allOf?: readonly JsonSchema[]
  readonly properties?: Readonly<Record<string, JsonSchema>>
  readonly required?: readonly string[]
  readonly additionalProperties?: JsonSchema | boolean
  readonly propertyNames?: JsonSchema
  readonly items?: JsonSchema | boolean
  readonly prefixItems?: readonly JsonSchema[]
  readonly minItems?: number
  readonly maxItems?: number
  readonly minLength?: number
  readonly maxLength?: number
  readonly pattern?: string
  readonly format?: string
  readonly minimum?: number
  readonly maximum?: number
  readonly exclusiveMinimum?: number
  readonly exclusiveMaximum?: number
  readonly multipleOf?: number
  readonly $ref?: string
  readonly $defs?: Readonly<Record<string, JsonSchema>>
}

/** How deep values of schemas that contain themselves go. */
const maxDepth = 4
const maxItems = 8

/** Values that a JSON Schema allows; what it says beyond its structure (`not`, uniqueness …) the caller checks. @throws INVALID_ARGUMENT for what has no arbitrary */
export function jsonSchemaArbitrary(schema: JsonSchema): Arbitrary<unknown> {
  return new SchemaReader(schema).arbitraryOf(schema, 0)
}

class SchemaReader {
  readonly #root: JsonSchema

  constructor(root: JsonSchema) {
    this.#root = root
  }

  arbitraryOf(schema: JsonSchema, depth: number): Arbitrary<unknown> {
    if (schema.$ref !== undefined) return this.#referenced(schema.$ref, depth)
    if ('const' in schema) return fc.constant(schema.const)
    if (schema.enum !== undefined) return fc.constantFrom(...schema.enum)
    const choices = schema.anyOf ?? schema.oneOf
    if (choices !== undefined) return fc.oneof(...this.#withinDepth(choices, depth).map((choice) => this.arbitraryOf(choice, depth)))
    if (schema.allOf !== undefined) return this.#all(schema.allOf, depth)
    if (typeof schema.type === 'object') return fc.oneof(...schema.type.map((type) => this.arbitraryOf({ ...schema, type }, depth)))
    switch (schema.type) {
      case 'string': return stringOf(schema)
      case 'number': return numberOf(schema)
      case 'integer': return integerOf(schema)
      case 'boolean': return fc.boolean()
      case 'null': return fc.constant(null)
      case 'array': return this.#array(schema, depth)
      case 'object': return this.#object(schema, depth)
      case undefined: return fc.jsonValue()
      default: throw unknown(`the type ${schema.type}`)
    }
  }

  #referenced(reference: string, depth: number): Arbitrary<unknown> {
    const name = /^#\/\$defs\/(.+)$/.exec(reference)?.[1]
    const target = reference === '#' ? this.#root : this.#root.$defs?.[name ?? '']
    if (target === undefined) throw unknown(`the reference ${reference}`)
    return this.arbitraryOf(target, depth + 1)
  }

  /** A choice that leads back into the schema is left out where it would go on for ever. */
  #withinDepth(choices: readonly JsonSchema[], depth: number): readonly JsonSchema[] {
    if (depth < maxDepth) return choices
    const ending = choices.filter((choice) => choice.type !== 'object' && choice.type !== 'array' && choice.$ref === undefined)
    return ending.length === 0 ? choices : ending
  }

  #all(parts: readonly JsonSchema[], depth: number): Arbitrary<unknown> {
    return fc.tuple(...parts.map((part) => this.arbitraryOf(part, depth))).map((values) => Object.assign({}, ...values) as unknown)
  }

  #array({ items, prefixItems, minItems = 0, maxItems: most }: JsonSchema, depth: number): Arbitrary<unknown> {
    if (prefixItems !== undefined) return fc.tuple(...prefixItems.map((item) => this.arbitraryOf(item, depth + 1)))
    const longest = Math.min(most ?? Infinity, depth >= maxDepth ? minItems : Math.max(maxItems, minItems))
    if (longest === 0) return fc.constant([])
    return fc.array(this.arbitraryOf(items === undefined || typeof items === 'boolean' ? {} : items, depth + 1), { minLength: minItems, maxLength: longest })
  }

  #object({ properties = {}, required = [], additionalProperties, propertyNames }: JsonSchema, depth: number): Arbitrary<unknown> {
    const isKept = (name: string) => required.includes(name) || depth < maxDepth
    const fields = Object.fromEntries(Object.entries(properties).filter(([name]) => isKept(name)).map(([name, field]) => [name, this.arbitraryOf(field, depth + 1)]))
    const known = fc.record(fields, { requiredKeys: Object.keys(fields).filter((name) => required.includes(name)), noNullPrototype: true })
    if (typeof additionalProperties !== 'object' || depth >= maxDepth) return known
    const names = propertyNames === undefined ? stringOf({}) : this.arbitraryOf(propertyNames, depth) as Arbitrary<string>
    const more = fc.dictionary(names.filter((name) => name !== '__proto__'), this.arbitraryOf(additionalProperties, depth + 1), { maxKeys: maxItems, noNullPrototype: true })
    return fc.tuple(more, known).map(([others, own]) => ({ ...others, ...own }))
  }
}

function stringOf({ minLength = 0, maxLength = Math.max(20, minLength), pattern, format }: JsonSchema): Arbitrary<string> {
  const formatted = formats[format ?? '']
  if (formatted !== undefined) return formatted()
  if (pattern !== undefined) return fc.stringMatching(new RegExp(pattern, 'u'))
  return fc.string({ minLength, maxLength })
}

const formats: Readonly<Record<string, () => Arbitrary<string>>> = {
  'email': () => fc.emailAddress(),
  'uuid': () => fc.uuid(),
  'uri': () => fc.webUrl(),
  'ipv4': () => fc.ipV4(),
  'ipv6': () => fc.ipV6(),
  'date': () => someDate().map((date) => date.toISOString().slice(0, 10)),
  'date-time': () => someDate().map((date) => date.toISOString()),
}

function someDate(): Arbitrary<Date> {
  return fc.date({ min: new Date('1970-01-01'), max: new Date('2100-01-01'), noInvalidDate: true })
}

function integerOf(schema: JsonSchema): Arbitrary<number> {
  const least = Math.max(schema.minimum ?? Number.MIN_SAFE_INTEGER, schema.exclusiveMinimum === undefined ? Number.MIN_SAFE_INTEGER : Math.floor(schema.exclusiveMinimum) + 1)
  const most = Math.min(schema.maximum ?? Number.MAX_SAFE_INTEGER, schema.exclusiveMaximum === undefined ? Number.MAX_SAFE_INTEGER : Math.ceil(schema.exclusiveMaximum) - 1)
  const step = schema.multipleOf ?? 1
  return fc.integer({ min: Math.ceil(least / step), max: Math.floor(most / step) }).map((number) => number * step)
}

function numberOf(schema: JsonSchema): Arbitrary<number> {
  if (schema.multipleOf !== undefined) return integerOf(schema)
  const { minimum, maximum, exclusiveMinimum, exclusiveMaximum } = schema
  return fc.double({
    noNaN: true,
    noDefaultInfinity: true,
    ...((exclusiveMinimum ?? minimum) !== undefined && { min: exclusiveMinimum ?? minimum!, minExcluded: exclusiveMinimum !== undefined }),
    ...((exclusiveMaximum ?? maximum) !== undefined && { max: exclusiveMaximum ?? maximum!, maxExcluded: exclusiveMaximum !== undefined }),
  }).map((number) => (Object.is(number, -0) ? 0 : number))
}

function unknown(what: string): StreamError {
  return new StreamError('INVALID_ARGUMENT', `no values can be made for ${what} of the schema; give an arbitrary of your own, as in arbitraryRecords(topic, { value: fc.record({ … }) })`)
}
