/** Names and values of a record, or of a part of it, as lists: records of one form share the list of their names. */
import { Decimal, Struct } from 'millrace/connect'
import type { Schema } from 'millrace/connect'
import { semanticColumn, semanticReader } from './semantic-type.ts'

export interface Fields {
  readonly names: readonly string[]
  /** By name. */
  readonly values: readonly unknown[]
  /** By name; null: there are none, and the values are what JSON gave. */
  readonly schemas: readonly (Schema | null)[] | null
  /** A text is as a database wrote it: one for a JSON column is JSON. */
  readonly isDatabaseText: boolean
}

export interface Cell {
  readonly value: unknown
  /** null: none; the value is what JSON gave. */
  readonly schema: Schema | null
}

export const noFields: Fields = { names: [], values: [], schemas: null, isDatabaseText: false }

export function* namedCells({ names, values, schemas }: Fields): Iterable<readonly [name: string, cell: Cell]> {
  for (const [index, name] of names.entries()) yield [name, { value: values[index], schema: schemas?.[index] ?? null }]
}

export function fieldsOfCells(cells: ReadonlyMap<string, Cell>): Fields {
  const all = [...cells.values()]
  return { names: [...cells.keys()], values: all.map(({ value }) => value), schemas: all.some(({ schema }) => schema !== null) ? all.map(({ schema }) => schema) : null, isDatabaseText: false }
}

/** Gives the same list for the same names. It is only ever faster to have the same one: nothing depends on it. */
export class NameLists {
  readonly #known = new Map<string, readonly string[]>()
  #last: readonly string[] = []

  /** What was given last. */
  get last(): readonly string[] {
    return this.#last
  }

  of(names: readonly string[]): readonly string[] {
    if (areSame(names, this.#last)) return this.#last
    const id = names.join('\0')
    const known = this.#known.get(id)
    if (known === undefined) {
      if (this.#known.size === mostLists) this.#known.clear()
      this.#known.set(id, names)
    }
    return (this.#last = known ?? names)
  }
}

/** Values may have a new name each: these are not kept for ever. */
const mostLists = 1_000

function areSame(names: readonly string[], others: readonly string[]): boolean {
  if (names.length !== others.length) return false
  for (let index = 0; index < names.length; index++) if (names[index] !== others[index]) return false
  return true
}

/** The members of an object, a struct or a map with text keys; undefined for anything else. */
export function fieldsOf(value: unknown, of: Schema | null, lists: NameLists): Fields | undefined {
  if (typeof value !== 'object' || value === null) return undefined
  if (Object.getPrototypeOf(value) !== Object.prototype) {
    if (value instanceof Struct) return fieldsOfStruct(value)
    if (value instanceof Map) {
      const schema = of?.valueSchema ?? null
      return { names: lists.of([...value.keys()].map(String)), values: [...value.values() as Iterable<unknown>], schemas: schema === null ? null : Array.from({ length: value.size }, () => schema), isDatabaseText: false }
    }
    if (Array.isArray(value) || value instanceof Uint8Array || value instanceof Date || value instanceof Decimal) return undefined
  }
  return membersOf(value as Readonly<Record<string, unknown>>, lists)
}

/** Objects that come one behind the other tend to have the same members. */
function membersOf(value: Readonly<Record<string, unknown>>, lists: NameLists): Fields {
  const names = lists.last
  const values: unknown[] = names.slice()
  let count = 0
  for (const name in value) {
    if (name !== names[count]) return { names: lists.of(Object.keys(value)), values: Object.values(value), schemas: null, isDatabaseText: false }
    values[count++] = value[name]
  }
  if (count < names.length) return { names: lists.of(Object.keys(value)), values: Object.values(value), schemas: null, isDatabaseText: false }
  return { names, values, schemas: null, isDatabaseText: false }
}

interface StructForm {
  readonly names: readonly string[]
  readonly schemas: readonly Schema[]
  /** By name; undefined: the value as it is. */
  readonly readers: readonly (((value: unknown) => unknown) | undefined)[]
  /** Some of the fields are as Debezium has what is in a database. */
  readonly isDatabaseText: boolean
}

const structForms = new WeakMap<Schema, StructForm>()

function fieldsOfStruct(struct: Struct): Fields {
  let form = structForms.get(struct.schema)
  if (form === undefined) {
    const fields = struct.schema.fields ?? []
    const schemas = fields.map(({ schema }) => schema)
    form = { names: fields.map(({ name }) => name), schemas, readers: schemas.map(semanticReader), isDatabaseText: schemas.some((schema) => semanticColumn(schema) !== undefined) }
    structForms.set(struct.schema, form)
  }
  const { names, schemas, readers, isDatabaseText } = form
  const values = names.map((name, index): unknown => {
    const value = struct.get(name)
    const reader = readers[index]
    return reader === undefined || value === null ? value : reader(value)
  })
  return { names, values, schemas, isDatabaseText }
}

/** Those of the fields whose place in the list is named. */
export function chosenFields({ values, schemas, isDatabaseText }: Fields, names: readonly string[], places: readonly number[]): Fields {
  return { names, values: places.map((place) => values[place]), schemas: schemas === null ? null : places.map((place) => schemas[place] ?? null), isDatabaseText }
}
