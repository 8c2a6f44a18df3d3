/** Debezium's change events made flat: what `after` holds becomes the record, under Debezium's own name and options. */
import { configSpec, option } from '../config-spec.ts'
import type { ConfigOf } from '../config-spec.ts'
import type { ConnectHeader, ConnectRecord } from '../connect-record.ts'
import type { TransformPlugin } from '../connector.ts'
import { schema as make, Struct } from '../schema.ts'
import type { Schema } from '../schema.ts'
import { memberOf } from './event-members.ts'
import type { Found } from './event-members.ts'
import { transformVersion } from './sides.ts'

const config = configSpec({
  'delete.tombstone.handling.mode': option.oneOf(['drop', 'tombstone', 'rewrite', 'rewrite-with-tombstone', 'delete-to-tombstone'], {
    doc: 'What becomes of a delete and of the tombstone behind it. drop: neither. tombstone: only the tombstone. rewrite: the row as it was with __deleted=true. rewrite-with-tombstone: both. delete-to-tombstone: the delete becomes a tombstone.',
    default: 'tombstone',
  }),
  'add.fields': option.list({ doc: 'Fields of the event to add to the row, such as op,table,source.ts_ms; name:new.name renames.', default: [] }),
  'add.fields.prefix': option.string({ doc: 'What their names begin with.', default: '__' }),
  'add.headers': option.list({ doc: 'Fields of the event to add as headers.', default: [] }),
  'add.headers.prefix': option.string({ doc: 'What their names begin with.', default: '__' }),
})

type Members = Readonly<Record<string, unknown>>

interface Row {
  readonly schema: Schema | null
  readonly value: Struct | Members
}

/** Debezium's table and schema, which stand in `source`. */
const inSource = ['table', 'lsn', 'file', 'pos', 'db', 'schema', 'ts_ms', 'snapshot', 'connector', 'version']

export const extractNewRecordState: TransformPlugin = {
  type: 'transformation', class: 'io.debezium.transforms.ExtractNewRecordState', version: transformVersion, config,
  create(parsed) {
    const settings = parsed as ConfigOf<typeof config>
    const [fields, headers] = [settings['add.fields'].map(addition), settings['add.headers'].map(addition)]
    return { apply: (record) => unwrap(record, settings, fields, headers) }
  },
}

interface Addition {
  readonly path: readonly string[]
  readonly name: string
}

/** `source.ts_ms` is called `source_ts_ms`, as Debezium. */
function addition(text: string): Addition {
  const [from = '', to] = text.split(':').map((part) => part.trim())
  return { path: from.split('.'), name: to ?? from.replaceAll('.', '_') }
}

function unwrap<R extends ConnectRecord>(record: R, settings: ConfigOf<typeof config>, fields: readonly Addition[], headers: readonly Addition[]): R | null {
  const mode = settings['delete.tombstone.handling.mode']
  const { value, valueSchema } = record
  if (value === null || value === undefined) return mode === 'drop' || mode === 'rewrite' || mode === 'delete-to-tombstone' ? null : record
  const [op, after, before] = (['op', 'after', 'before'] as const).map((name) => memberOf({ schema: valueSchema, value }, name))
  // what is no change event of a row, such as a heartbeat, goes on as it is
  if (typeof op?.value !== 'string' || after === undefined || op.value === 'm') return record
  const withHeaders = { ...record, headers: [...record.headers, ...headerAdditions(record, headers, settings['add.headers.prefix'])] }
  if (op.value === 't') return null
  if (after.value !== null) return { ...withHeaders, ...extended(after, record, fields, settings, mode.startsWith('rewrite') ? 'false' : null) }
  if (mode === 'delete-to-tombstone') return { ...withHeaders, valueSchema: null, value: null }
  if (!mode.startsWith('rewrite') || before === undefined || before.value === null) return null
  return { ...withHeaders, ...extended(before, record, fields, settings, 'true') }
}

/** Where an addition points to: in the event, or in its `source` for what Debezium keeps there. */
function found(record: ConnectRecord, { path }: Addition): Found | undefined {
  const event: Found = { schema: record.valueSchema, value: record.value }
  const walk = (names: readonly string[]) => names.reduce<Found | undefined>((at, name) => at && memberOf(at, name), event)
  return walk(path) ?? (path.length === 1 && inSource.includes(path[0]!) ? walk(['source', ...path]) : undefined)
}

function headerAdditions(record: ConnectRecord, additions: readonly Addition[], prefix: string): readonly ConnectHeader[] {
  return additions.flatMap((each) => {
    const member = found(record, each)
    return member === undefined ? [] : [{ key: prefix + each.name, schema: member.schema, value: member.value }]
  })
}

function extended({ schema, value }: Found, record: ConnectRecord, additions: readonly Addition[], settings: ConfigOf<typeof config>, deleted: 'true' | 'false' | null): { readonly valueSchema: Row['schema']; readonly value: Row['value'] } {
  const prefix = settings['add.fields.prefix']
  const extra = additions.map((each) => ({ name: prefix + each.name, ...(found(record, each) ?? { schema: make.string({ optional: true }), value: null }) }))
  if (deleted !== null) extra.push({ name: '__deleted', schema: make.string({ optional: true }), value: deleted })
  if (schema === null || !(value instanceof Struct)) return { valueSchema: null, value: { ...(value as Members), ...Object.fromEntries(extra.map((each) => [each.name, each.value])) } }
  const whole = make.struct([...schema.fields!.map((field) => [field.name, field.schema] as const), ...extra.map((each) => [each.name, each.schema ?? make.string({ optional: true })] as const)], { ...(schema.name !== undefined && { name: schema.name }), ...(schema.version !== undefined && { version: schema.version }) })
  const members = [...schema.fields!.map(({ name }) => [name, value.getWithoutDefault(name)] as const), ...extra.map((each) => [each.name, each.value] as const)]
  return { valueSchema: whole, value: new Struct(whole, Object.fromEntries(members)) }
}
