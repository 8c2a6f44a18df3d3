import { option } from '../config-spec.ts'
import { configError } from '../errors.ts'
import type { ConnectHeader, ConnectRecord } from '../connect-record.ts'
import type { TransformPlugin } from '../connector.ts'
import { dataError } from '../errors.ts'
import { fieldOf, Struct } from '../schema.ts'
import { parseValue } from '../values/value-parser.ts'
import { MemberRewriter } from './member-rewriter.ts'
import { exactly, present, realNames, replaceNull, someNames } from './options.ts'
import { fieldReader, memberOf, oncePerSchema, requireMembers, requireStruct, structLike, twoSided, wholeRecord, withHeaders } from './sides.ts'

export const dropHeaders: TransformPlugin = wholeRecord('DropHeaders', {
  headers: option.list({ doc: 'Names of the headers to remove.', importance: 'high', rule: realNames }),
}, ({ headers }) => ({ apply: (record) => withHeaders(record, record.headers.filter(({ key }) => !headers.includes(key))) }))

export const insertHeader: TransformPlugin = wholeRecord('InsertHeader', {
  'header': option.string({ doc: 'Name of the header.', importance: 'high', rule: present }),
  'value.literal': option.string({ doc: 'Its value, as text that is read as SimpleHeaderConverter reads it.', importance: 'high', rule: present }),
}, (config) => {
  const header: ConnectHeader = { key: config.header, ...parseValue(config['value.literal']) }
  return { apply: (record) => withHeaders(record, [...record.headers, header]) }
})

export const headerFrom = twoSided('HeaderFrom', {
  'fields': option.list({ doc: 'Fields whose values become headers.', importance: 'high', rule: someNames }),
  'headers': option.list({ doc: 'Names of the headers, one for each field.', importance: 'high', rule: someNames }),
  'operation': option.string({ doc: 'move: the field goes; copy: it stays.', importance: 'high', rule: exactly('move', 'copy') }),
  'replace.null.with.default': replaceNull,
}, (config, side) => {
  if (config.fields.length !== config.headers.length) throw configError("'fields' config must have the same number of elements as 'headers' config.")
  const pairs = config.fields.map((field, index) => [field, config.headers[index]!] as const)
  const moves = config.operation === 'move'
  const read = fieldReader(config['replace.null.with.default'])
  const purpose = `header ${config.operation}`
  const rest = new MemberRewriter((names) => new Map(names.filter((name) => !config.fields.includes(name)).map((name) => [name, name])))
  const moved = oncePerSchema((schema) => structLike(schema, schema.fields!.filter(({ name }) => !config.fields.includes(name))))
  const schemaless = <R extends ConnectRecord>(record: R): R => {
    const members = side.valueOf(record)
    const added = pairs.map(([field, key]): ConnectHeader => {
      const value = memberOf(members, field, purpose)
      return { key, schema: value instanceof Struct ? value.schema : null, value }
    })
    return side.with(withHeaders(record, [...record.headers, ...added]), null, moves ? rest.apply(requireMembers(members, purpose)) : members)
  }
  return {
    apply(record) {
      const schema = side.schemaOf(record)
      if (schema === null) return schemaless(record)
      const struct = requireStruct(side.valueOf(record), purpose)
      const added = pairs.map(([field, key]): ConnectHeader => {
        const found = fieldOf(schema, field)
        if (found === undefined) throw dataError(`Unknown field: ${field}`)
        return { key, schema: found.schema, value: read(struct, field) }
      })
      const headed = withHeaders(record, [...record.headers, ...added])
      if (!moves) return headed
      const to = moved(schema)
      return side.with(headed, to, new Struct(to, Object.fromEntries(to.fields!.map(({ name }) => [name, read(struct, name)]))))
    },
  }
})
