/**
 * A test made from a zod schema of plain data: true only for values that the schema gives back just as they are. Then the
 * schema itself need not be asked, which takes as long as reading the value does. Anything else is the schema's to judge, so
 * what is refused, and with which words, does not change.
 */
import type { StandardSchema } from './serde.ts'

type Test = (value: unknown) => boolean

/** What zod says of a schema: its kind, and what more there is to hold. */
interface Definition {
  readonly type?: string
  readonly format?: string
  readonly coerce?: boolean
  readonly checks?: readonly unknown[]
  readonly shape?: Readonly<Record<string, Inner>>
  readonly element?: Inner
  readonly innerType?: Inner
}

interface Inner {
  readonly _zod?: { readonly def?: Definition }
}

const maxDepth = 8

/** null: not zod's, or with more to it than kinds of values: checks, transformations, defaults, other members than the named. */
export function plainTest(schema: StandardSchema): Test | null {
  try {
    return testOf(schema as Inner, 0)
  } catch {
    // A shape that names a schema which is not there yet, or anything else that is not as known here.
    return null
  }
}

/** Any text passes, unchanged. */
export function isPlainText(schema: StandardSchema): boolean {
  const definition = definitionOf(schema as Inner)
  return definition?.type === 'string' && isBare(definition)
}

function definitionOf(schema: Inner | undefined): Definition | undefined {
  return schema?._zod?.def
}

function isBare({ format, coerce, checks }: Definition): boolean {
  return format === undefined && coerce !== true && (checks === undefined || checks.length === 0)
}

function testOf(schema: Inner | undefined, depth: number): Test | null {
  const definition = definitionOf(schema)
  if (definition === undefined || depth > maxDepth) return null
  if (isWhole(definition)) return isWholeNumber
  if (!isBare(definition)) return null
  switch (definition.type) {
    case 'string': return isText
    case 'number': return isNumber
    case 'boolean': return isTruthValue
    case 'null': return isNull
    case 'nullable': return nullable(testOf(definition.innerType, depth + 1))
    case 'array': return arrayOf(testOf(definition.element, depth + 1))
    case 'object': return objectOf(definition.shape ?? {}, depth)
    default: return null
  }
}

/** `z.int()`, or `z.number()` with that as its only check. */
function isWhole({ type, format, coerce, checks = [] }: Definition): boolean {
  if (type !== 'number' || coerce === true) return false
  if (format !== undefined) return format === 'safeint' && checks.length === 0
  const only = checks.length === 1 ? definitionOf(checks[0] as Inner) : undefined
  return only !== undefined && only.type === 'number' && isWhole(only)
}

function isText(value: unknown): boolean {
  return typeof value === 'string'
}

function isNumber(value: unknown): boolean {
  return typeof value === 'number' && Number.isFinite(value)
}

function isWholeNumber(value: unknown): boolean {
  return Number.isSafeInteger(value)
}

function isTruthValue(value: unknown): boolean {
  return typeof value === 'boolean'
}

function isNull(value: unknown): boolean {
  return value === null
}

function nullable(inner: Test | null): Test | null {
  return inner && ((value) => value === null || inner(value))
}

function arrayOf(inner: Test | null): Test | null {
  return inner && ((value) => Array.isArray(value) && value.every(inner))
}

/** An object with just the members of the shape, in their order: with others, or in another order, the schema makes a new one. */
function objectOf(shape: Readonly<Record<string, Inner>>, depth: number): Test | null {
  const names = Object.keys(shape)
  const tests: Test[] = []
  const optional: boolean[] = []
  for (const name of names) {
    const definition = definitionOf(shape[name])
    const isOptional = definition?.type === 'optional' && isBare(definition)
    const test = testOf(isOptional ? definition.innerType : shape[name], depth + 1)
    if (test === null || name === '__proto__') return null
    tests.push(test)
    optional.push(isOptional)
  }
  return (value) => {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return false
    let index = 0
    for (const name in value) {
      while (name !== names[index] && optional[index] === true) index++
      if (name !== names[index] || !tests[index]!((value as Readonly<Record<string, unknown>>)[name])) return false
      index++
    }
    while (optional[index] === true) index++
    return index === names.length
  }
}
