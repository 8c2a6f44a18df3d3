import { option } from '../config-spec.ts'
import { configError, dataError } from '../errors.ts'
import { Struct } from '../schema.ts'
import type { Schema } from '../schema.ts'
import { replaceNull } from './options.ts'
import { fieldReader, oncePerSchema, twoSided } from './sides.ts'

export const setSchemaMetadata = twoSided('SetSchemaMetadata', {
  'schema.name': option.string({ doc: 'The new name; absent: stays.', default: null, importance: 'high' }),
  'schema.version': option.int({ doc: 'The new version; absent: stays.', default: null, importance: 'high' }),
  'replace.null.with.default': replaceNull,
}, (config, side) => {
  const read = fieldReader(config['replace.null.with.default'])
  const [name, version] = [config['schema.name'], config['schema.version']]
  if (name === null && version === null) throw configError('Neither schema name nor version configured')
  const renamed = oncePerSchema((schema): Schema => {
    if (schema.fields === undefined) throw dataError('Cannot list fields on non-struct type')
    return Object.freeze({ ...schema, ...(name !== null && { name }), ...(version !== null && { version }) })
  })
  return {
    apply(record) {
      const [schema, value] = [side.schemaOf(record), side.valueOf(record)]
      if (value === null && schema === null) return record
      if (schema === null) throw dataError('Schema required for [updating schema metadata]')
      const to = renamed(schema)
      return side.with(record, to, value instanceof Struct ? new Struct(to, Object.fromEntries(to.fields!.map((field) => [field.name, read(value, field.name)]))) : value)
    },
  }
})
