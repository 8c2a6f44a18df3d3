/** Column types for the members of a JSON Schema, such as `z.toJSONSchema` makes of a zod schema. */

type Node = Readonly<Record<string, unknown>>

/** Column → type. @throws an error that says what is wrong with the text */
export function columnTypesOf(text: string): ReadonlyMap<string, string> {
  const root = objectOf(parsed(text))
  const node = root === undefined ? undefined : resolved(root, root)
  const properties = objectOf(node?.['properties'])
  if (root === undefined || properties === undefined) throw new Error('the schema must describe an object: {"type": "object", "properties": {…}}')
  return new Map(Object.entries(properties).map(([name, of]) => [name, typeOf(objectOf(of) ?? {}, root)]))
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (error) {
    throw new Error(`not JSON: ${(error as Error).message}`, { cause: error })
  }
}

function objectOf(value: unknown): Node | undefined {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Node) : undefined
}

/** Follows references inside the schema, such as `#/$defs/address`; what leads nowhere allows everything. */
function resolved(node: Node, root: Node): Node {
  let found = node
  for (let steps = 0; typeof found['$ref'] === 'string' && steps < 32; steps++) {
    const path = found['$ref'].startsWith('#/') ? found['$ref'].slice(2).split('/') : []
    let at: unknown = path.length === 0 ? undefined : root
    for (const step of path) at = objectOf(at)?.[step.replaceAll('~1', '/').replaceAll('~0', '~')]
    found = objectOf(at) ?? {}
  }
  return found
}

/** A schema may refer to itself. */
const mostLevels = 16

/** What may be null is the same column; what may be of several types is JSON. */
function typeOf(of: Node, root: Node, level = 0): string {
  if (level > mostLevels) return 'jsonb'
  const node = resolved(of, root)
  const choices = [node['anyOf'], node['oneOf']].find(Array.isArray) as readonly unknown[] | undefined
  if (choices !== undefined) {
    const types = new Set(choices.map((choice) => resolved(objectOf(choice) ?? {}, root)).filter((choice) => choice['type'] !== 'null').map((choice) => typeOf(choice, root, level + 1)))
    return types.size === 1 ? [...types][0]! : 'jsonb'
  }
  const names = namesOf(node).filter((name) => name !== 'null')
  if (names.length === 2 && names.includes('integer') && names.includes('number')) return 'double precision'
  return names.length === 1 ? typeOfName(names[0]!, node, root, level) : 'jsonb'
}

function namesOf(node: Node): readonly string[] {
  const { type } = node
  if (typeof type === 'string') return [type]
  if (Array.isArray(type)) return type.map(String)
  const values: readonly unknown[] = Array.isArray(node['enum']) ? node['enum'] : 'const' in node ? [node['const']] : []
  return [...new Set(values.map((value) => (value === null ? 'null' : typeof value)))]
}

const formats: Readonly<Record<string, string>> = { 'date-time': 'timestamptz', date: 'date', time: 'time', uuid: 'uuid' }
const largestInt32 = 2_147_483_647

function typeOfName(name: string, node: Node, root: Node, level: number): string {
  const { format, contentEncoding, minimum, maximum, items } = node
  switch (name) {
    case 'string':
      if (contentEncoding === 'base64') return 'bytea'
      return typeof format === 'string' && Object.hasOwn(formats, format) ? formats[format]! : 'text'
    case 'integer':
      return typeof minimum === 'number' && typeof maximum === 'number' && minimum >= -largestInt32 - 1 && maximum <= largestInt32 ? 'integer' : 'bigint'
    case 'number':
      return 'double precision'
    case 'boolean':
      return 'boolean'
    case 'array': {
      const item = objectOf(items)
      const of = item === undefined ? 'jsonb' : typeOf(item, root, level + 1)
      return of === 'jsonb' || of.endsWith('[]') ? 'jsonb' : `${of}[]`
    }
    default:
      return 'jsonb'
  }
}
