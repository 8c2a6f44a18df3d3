import { option } from '../config-spec.ts'
import type { ConnectRecord } from '../connect-record.ts'
import { configError, dataError } from '../errors.ts'
import { schema as make, Struct } from '../schema.ts'
import type { Schema } from '../schema.ts'
import { MemberRewriter, overwriting } from './member-rewriter.ts'
import { replaceNull } from './options.ts'
import { isSinkRecord, memberReader, oncePerSchema, requireMembers, requireStruct, structLike, twoSided, withOptional } from './sides.ts'
import type { Members } from './sides.ts'

const fieldName = (what: string) =>
  option.string({ doc: `Name of the field for ${what}; ! at its end makes it required, ? optional, which it is by default.`, default: null })

interface Insertion {
  readonly name: string
  readonly schema: Schema
  /** null: not there, and nothing is inserted. */
  readonly valueOf: (record: ConnectRecord, withSchema: boolean) => unknown
}

type Source = readonly [spec: string | null, schema: Schema, valueOf: Insertion['valueOf']]

function insertionOf([spec, schema, valueOf]: Source): readonly Insertion[] {
  if (spec === null) return []
  const isRequired = spec.endsWith('!')
  return [{ name: /[!?]$/.test(spec) ? spec.slice(0, -1) : spec, schema: withOptional(schema, !isRequired), valueOf }]
}

function offsetOf(record: ConnectRecord): unknown {
  if (isSinkRecord(record)) return record.offset
  throw dataError('Only SinkRecord is supported for [field insertion]: a source record has no offset yet')
}

export const insertField = twoSided('InsertField', {
  'topic.field': fieldName('the topic'),
  'partition.field': fieldName('the partition'),
  'offset.field': fieldName('the offset, of sink records only'),
  'timestamp.field': fieldName('the timestamp'),
  'static.field': fieldName('static.value'),
  'static.value': option.string({ doc: 'The value of static.field.', default: null }),
  'replace.null.with.default': replaceNull,
}, (config, side) => {
  const sources: readonly Source[] = [
    [config['topic.field'], make.string(), ({ topic }) => topic],
    [config['partition.field'], make.int32(), ({ partition }) => partition ?? null],
    [config['offset.field'], make.int64(), offsetOf],
    [config['timestamp.field'], make.timestamp(), ({ timestamp }, withSchema) => (timestamp === null || timestamp === undefined ? null : withSchema ? new Date(timestamp) : timestamp)],
    [config['static.field'], make.string(), () => config['static.value']],
  ]
  const insertions = sources.flatMap(insertionOf)
  if (insertions.length === 0) throw configError('No field insertion configured')
  if (config['static.field'] !== null && config['static.value'] === null) {
    throw configError(`Invalid value null for configuration static.value: No value specified for static field: ${config['static.field']}`)
  }
  const read = memberReader(config['replace.null.with.default'])
  const extendMembers = memberExtender(insertions)
  const extended = oncePerSchema((schema) => structLike(schema, [...schema.fields!, ...insertions]))
  return {
    apply(record) {
      const [schema, value] = [side.schemaOf(record), side.valueOf(record)]
      if (value === null) return record
      if (schema === null) {
        const members = requireMembers(value, 'field insertion')
        return side.with(record, null, extendMembers(members, record))
      }
      const struct = requireStruct(value, 'field insertion')
      const values = schema.fields!.map((field) => read(struct, field))
      for (const { valueOf } of insertions) values.push(valueOf(record, true))
      const to = extended(schema)
      return side.with(record, to, new Struct(to, values))
    },
  }
})

/** What is null is not inserted. */
function memberExtender(insertions: readonly Insertion[]): (members: Members, record: ConnectRecord) => Members {
  const rewriters = new Map<string, MemberRewriter>()
  const all = new MemberRewriter(overwriting(insertions.map(({ name }) => name)))
  const some = (members: Members, values: readonly unknown[]) => {
    const present = values.flatMap((value, index) => (value === null ? [] : [index]))
    const key = present.join()
    let rewriter = rewriters.get(key)
    if (rewriter === undefined) {
      rewriter = new MemberRewriter(overwriting(present.map((index) => insertions[index]!.name)))
      rewriters.set(key, rewriter)
    }
    return rewriter.apply(members, present.map((index) => values[index]))
  }
  const values: unknown[] = insertions.map(() => null) // the same for each record, which is done with it before the next one comes
  return (members, record) => {
    let hasNull = false
    for (let index = 0; index < insertions.length; index++) {
      const value = insertions[index]!.valueOf(record, false)
      values[index] = value
      hasNull ||= value === null
    }
    return hasNull ? some(members, values) : all.apply(members, values)
  }
}
