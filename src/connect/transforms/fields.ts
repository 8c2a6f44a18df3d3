/** Transforms that take, add, drop, rename and nest fields. */
import { option } from '../config-spec.ts'
import type { ConnectRecord } from '../connect-record.ts'
import { configError, dataError } from '../errors.ts'
import { fieldOf, schema as make, Struct } from '../schema.ts'
import type { Schema } from '../schema.ts'
import { FieldPath } from './field-path.ts'
import { MemberRewriter } from './member-rewriter.ts'
import { complaintOf, realNames, replaceNull } from './options.ts'
import { basicsOf, fieldReader, keySide, memberOf, memberReader, oncePerSchema, requireMembers, requireStruct, structLike, twoSided, withDefault, withOptional } from './sides.ts'
import type { Members, NewField } from './sides.ts'

export const extractField = twoSided('ExtractField', {
  'field': option.string({ doc: 'The field to take out.', importance: 'medium' }),
  'field.syntax.version': option.oneOf(['V1', 'V2'], { doc: 'V1: the name as it is. V2: dots go into nested data.', default: 'V1', importance: 'high' }),
  'replace.null.with.default': replaceNull,
}, (config, side) => {
  const path = new FieldPath(config.field, config['field.syntax.version'])
  const read = fieldReader(config['replace.null.with.default'])
  return {
    apply(record) {
      const [schema, value] = [side.schemaOf(record), side.valueOf(record)]
      if (schema === null) return side.with(record, null, value === null ? null : path.inMembers(value, 'field extraction'))
      if (value !== null) requireStruct(value, 'field extraction')
      const field = path.fieldIn(schema)
      if (field === undefined) throw dataError(`Unknown field: ${path.text}`)
      return side.with(record, field.schema, value === null ? null : path.inStruct(value as Struct, read))
    },
  }
})

export const hoistField = twoSided('HoistField', {
  field: option.string({ doc: 'Name of the only field of the struct or map that is made.', importance: 'medium' }),
}, ({ field }, side) => {
  const hoisted = oncePerSchema((schema) => make.struct([[field, schema]]))
  return {
    apply(record) {
      const [schema, value] = [side.schemaOf(record), side.valueOf(record)]
      if (schema === null) return side.with(record, null, { [field]: value })
      const to = hoisted(schema)
      if (value === null && !schema.optional && schema.default === undefined) throw dataError(`Invalid value: null used for required field: "${field}"`)
      return side.with(record, to, new Struct(to, { [field]: value }))
    },
  }
})

function parseRenames(pairs: readonly string[]): ReadonlyMap<string, string> {
  return new Map(pairs.map((pair) => {
    const parts = pair.replace(/:+$/, '').split(':')
    if (parts.length !== 2 || parts[1] === undefined) throw configError(`Invalid value [${pairs.join(', ')}] for configuration renames: Invalid rename mapping: ${pair}`)
    return [parts[0]!.trim(), parts[1].trim()]
  }))
}

export const replaceField = twoSided('ReplaceField', {
  'exclude': option.list({ doc: 'Fields to drop; goes before include.', default: [] }),
  'include': option.list({ doc: 'Fields to keep; empty: all.', default: [] }),
  'renames': option.list({ doc: 'Pairs of old and new names: a:b,c:d.', default: [], rule: (pairs) => complaintOf(() => parseRenames(pairs ?? [])) }),
  'replace.null.with.default': replaceNull,
}, (config, side) => {
  const renames = parseRenames(config.renames)
  const read = memberReader(config['replace.null.with.default'])
  const [exclude, include] = [new Set(config.exclude), new Set(config.include)]
  const isKept = (name: string) => !exclude.has(name) && (include.size === 0 || include.has(name))
  const newName = (name: string) => renames.get(name) ?? name
  const rewriter = new MemberRewriter((names) => new Map(names.filter(isKept).map((name) => [newName(name), name])))
  const oldNames = new Map([...renames].map(([from, to]) => [to, from]))
  const plan = oncePerSchema((schema) => {
    const kept = schema.fields!.filter(({ name }) => isKept(name))
    const to = structLike(schema, kept.map((field) => ({ name: newName(field.name), schema: field.schema })))
    // as upstream looks it up: a field that has the new name of another one takes that one's value
    const sources = to.fields!.map(({ name }) => {
      const source = oldNames.get(name) ?? name
      const field = fieldOf(schema, source)
      if (field === undefined) throw dataError(`${source} is not a valid field name`)
      return field
    })
    return { sources, to }
  })
  return {
    apply(record) {
      const [schema, value] = [side.schemaOf(record), side.valueOf(record)]
      if (value === null) return record
      if (schema === null) {
        const members = requireMembers(value, 'field replacement')
        return side.with(record, null, rewriter.apply(members))
      }
      const struct = requireStruct(value, 'field replacement')
      const { sources, to } = plan(schema)
      return side.with(record, to, new Struct(to, sources.map((field) => read(struct, field))))
    },
  }
})

export const valueToKey = twoSidedKey()

function twoSidedKey() {
  const [plugin] = twoSided('ValueToKey', {
    'fields': option.list({ doc: 'Fields of the value that make the key.', importance: 'high', rule: realNames }),
    'replace.null.with.default': replaceNull,
  }, (config) => {
    const fields = [...new Set(config.fields)]
    const read = fieldReader(config['replace.null.with.default'])
    const keySchemaOf = oncePerSchema((schema) => make.struct(fields.map((name) => {
      const field = fieldOf(schema, name)
      if (field === undefined) throw dataError(`Field does not exist: ${name}`)
      return [name, field.schema] as const
    })))
    return {
      apply<R extends ConnectRecord>(record: R): R {
        if ((record.valueSchema ?? null) === null) {
          return keySide.with(record, null, Object.fromEntries(fields.map((name) => [name, memberOf(record.value, name, 'copying fields from value to key')])))
        }
        const struct = requireStruct(record.value, 'copying fields from value to key')
        const keySchema = keySchemaOf(struct.schema)
        return keySide.with(record, keySchema, new Struct(keySchema, fields.map((name) => read(struct, name))))
      },
    }
  })
  return { ...plugin!, class: 'org.apache.kafka.connect.transforms.ValueToKey' }
}

export const flatten = twoSided('Flatten', {
  'delimiter': option.string({ doc: 'Stands between the names of a nested field.', default: '.' }),
  'replace.null.with.default': replaceNull,
}, (config, side) => {
  const { delimiter } = config
  const read = fieldReader(config['replace.null.with.default'])
  const nested = (prefix: string, name: string) => (prefix === '' ? name : prefix + delimiter + name)
  const flatFields = (schema: Schema, prefix: string, isOptional: boolean, parent: Struct | null): readonly NewField[] => schema.fields!.flatMap((field) => {
    const name = nested(prefix, field.name)
    const optional = isOptional || field.schema.optional
    const standIn = field.schema.default ?? parent?.get(field.name) ?? null
    if (field.schema.type === 'struct') return flatFields(field.schema, name, optional, standIn as Struct | null)
    if (field.schema.type === 'map') throw dataError(`Flatten transformation does not support MAP for record with schemas (for field ${name}).`)
    const flat = withOptional(basicsOf(field.schema), optional)
    return [{ name, schema: standIn === null ? flat : withDefault(flat, standIn) }]
  })
  const flatSchema = oncePerSchema((schema) => structLike(schema, flatFields(schema, '', schema.optional, (schema.default as Struct | undefined) ?? null)))
  const copy = (from: Struct, prefix: string, to: Struct) => {
    for (const { name, schema } of from.schema.fields!) {
      if (schema.type !== 'struct') {
        to.set(nested(prefix, name), read(from, name))
        continue
      }
      const inner = from.getWithoutDefault(name)
      if (inner !== null) copy(inner as Struct, nested(prefix, name), to)
    }
  }
  return {
    apply(record) {
      const [schema, value] = [side.schemaOf(record), side.valueOf(record)]
      if (value === null) return record
      if (schema === null) return side.with(record, null, Object.fromEntries(flatMembers(requireMembers(value, 'flattening'), '', nested)))
      const from = requireStruct(value, 'flattening')
      const to = flatSchema(schema)
      const struct = new Struct(to)
      copy(from, '', struct)
      return side.with(record, to, struct)
    },
  }
})

function flatMembers(members: Members, prefix: string, nested: (prefix: string, name: string) => string): readonly (readonly [string, unknown])[] {
  return Object.entries(members).flatMap(([own, value]) => {
    const name = nested(prefix, own)
    const isLeaf = value === null || typeof value !== 'object' || Array.isArray(value) || value instanceof Uint8Array
    if (isLeaf) return [[name, value] as const]
    if (value instanceof Struct || value instanceof Date || (!(value instanceof Map) && Object.getPrototypeOf(value) !== Object.prototype)) {
      throw dataError(`Flatten transformation does not support this kind of value for record without schemas (for field ${name}).`)
    }
    return flatMembers(requireMembers(value, 'flattening'), name, nested)
  })
}
