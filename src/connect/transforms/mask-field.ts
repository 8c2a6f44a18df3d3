import { option } from '../config-spec.ts'
import { dataError } from '../errors.ts'
import { int64Value } from '../int64.ts'
import { Decimal, Struct } from '../schema.ts'
import type { Schema } from '../schema.ts'
import { describeValue } from '../validate.ts'
import { MemberRewriter, overwriting } from './member-rewriter.ts'
import { integerBits, truncated } from './numbers.ts'
import { nonEmpty, realNames, replaceNull } from './options.ts'
import { memberReader, ownMember, requireMembers, requireStruct, twoSided } from './sides.ts'

export const maskField = twoSided('MaskField', {
  'fields': option.list({ doc: 'Fields to mask.', importance: 'high', rule: realNames }),
  'replacement': option.string({ doc: 'What numbers and texts become; absent: the zero of their type.', default: null, importance: 'low', check: nonEmpty }),
  'replace.null.with.default': replaceNull,
}, (config, side) => {
  const names = config.fields
  const fields = new Set(names)
  const rewriter = new MemberRewriter(overwriting(names))
  const read = memberReader(config['replace.null.with.default'])
  const { replacement } = config
  const mask = (schema: Schema | null, value: unknown) => (value === null ? null : replacement === null ? zeroOf(value) : replaced(schema, value, replacement))
  return {
    apply(record) {
      const [schema, value] = [side.schemaOf(record), side.valueOf(record)]
      if (schema === null) {
        const members = requireMembers(value, 'mask fields')
        return side.with(record, null, rewriter.apply(members, names.map((name) => mask(null, ownMember(members, name)))))
      }
      const struct = requireStruct(value, 'mask fields')
      return side.with(record, schema, new Struct(schema, schema.fields!.map((field) => (fields.has(field.name) ? mask(field.schema, read(struct, field)) : read(struct, field)))))
    },
  }
})

function zeroOf(value: unknown): unknown {
  switch (typeof value) {
    case 'boolean': return false
    case 'number': case 'bigint': return 0
    case 'string': return ''
    default: return zeroOfObject(value)
  }
}

function zeroOfObject(value: unknown): unknown {
  if (value instanceof Decimal) return new Decimal(0n, 0)
  if (value instanceof Date) return new Date(0)
  if (Array.isArray(value)) return []
  if (value instanceof Map) return new Map()
  if (value instanceof Uint8Array || value instanceof Struct) throw dataError(`Cannot mask value of type: ${describeValue(value)}`)
  return {}
}

/** The replacement as a number of the same kind: digits are cut, bits wrap, as Java does it. */
function replaced(schema: Schema | null, value: unknown, replacement: string): unknown {
  if (typeof value === 'string') return replacement
  const isNumber = typeof value === 'number' || typeof value === 'bigint' || value instanceof Decimal
  if (!isNumber) throw dataError(`Cannot mask value of ${describeValue(value)} with custom replacement.`)
  const decimal = numberOf(replacement)
  if (value instanceof Decimal) return decimal
  const type = schema?.type ?? (Number.isInteger(value) || typeof value === 'bigint' ? 'int64' : 'float64')
  if (type === 'float64') return Number(replacement)
  return type === 'float32' ? Math.fround(Number(replacement)) : int64Value(BigInt.asIntN(integerBits(type), truncated(decimal)))
}

function numberOf(replacement: string): Decimal {
  try {
    return Decimal.parse(replacement)
  } catch (cause) {
    throw dataError(`Unable to convert ${replacement} to a number`, { cause })
  }
}
