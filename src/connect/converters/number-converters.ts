import { dataError } from '../errors.ts'
import { int64Value } from '../int64.ts'
import { schema } from '../schema.ts'
import type { Schema, SchemaType } from '../schema.ts'
import { describeValue, fits } from '../validate.ts'
import type { Converter } from './converter.ts'

interface FixedWidth {
  readonly name: string
  readonly schema: Schema
  readonly width: number
  readonly read: (bytes: Buffer) => unknown
  readonly write: (bytes: Buffer, value: never) => void
}

/**
 * Big-endian, of fixed width, as upstream's converters around Kafka's serialisers. The schema says which width a number has;
 * a number without one is taken when it fits.
 */
function fixedWidth({ name, schema: own, width, read, write }: FixedWidth): Converter {
  const optional: Schema = Object.freeze({ ...own, optional: true })
  return {
    fromConnect(_topic, of, value) {
      if (value === null || value === undefined) return null
      if ((of !== null && isNumeric(of.type) && of.type !== own.type) || !fits(own, value)) {
        throw dataError(`Failed to serialize to ${name} (was ${of === null ? describeValue(value) : of.type})`)
      }
      const bytes = Buffer.alloc(width)
      write(bytes, value as never)
      return bytes
    },
    toConnect(_topic, bytes) {
      if (bytes === null) return { schema: optional, value: null }
      if (bytes.length !== width) throw dataError(`Failed to deserialize ${name}: ${bytes.length} bytes, but ${width} are needed`)
      return { schema: optional, value: read(Buffer.from(bytes.buffer, bytes.byteOffset, width)) }
    },
  }
}

const numeric: readonly SchemaType[] = ['int8', 'int16', 'int32', 'int64', 'float32', 'float64']
const isNumeric = (type: SchemaType) => numeric.includes(type)

export const shortConverter = (): Converter =>
  fixedWidth({ name: 'short', schema: schema.int16(), width: 2, read: (b) => b.readInt16BE(), write: (b, v: number) => b.writeInt16BE(v) })

export const integerConverter = (): Converter =>
  fixedWidth({ name: 'integer', schema: schema.int32(), width: 4, read: (b) => b.readInt32BE(), write: (b, v: number) => b.writeInt32BE(v) })

export const longConverter = (): Converter =>
  fixedWidth({ name: 'long', schema: schema.int64(), width: 8, read: (b) => int64Value(b.readBigInt64BE()), write: (b, v: number | bigint) => b.writeBigInt64BE(BigInt(v)) })

export const floatConverter = (): Converter =>
  fixedWidth({ name: 'float', schema: schema.float32(), width: 4, read: (b) => b.readFloatBE(), write: (b, v: number) => b.writeFloatBE(v) })

export const doubleConverter = (): Converter =>
  fixedWidth({ name: 'double', schema: schema.float64(), width: 8, read: (b) => b.readDoubleBE(), write: (b, v: number) => b.writeDoubleBE(v) })

const optionalBoolean = schema.boolean({ optional: true })

/** One byte, 1 or 0. Unlike the numbers it refuses a schema of another type even for null. */
export function booleanConverter(): Converter {
  return {
    fromConnect(_topic, of, value) {
      if (of !== null && of.type !== 'boolean') throw dataError(`Invalid schema type for BooleanConverter: ${of.type.toUpperCase()}`)
      if (value === null || value === undefined) return null
      if (typeof value !== 'boolean') throw dataError(`BooleanConverter is not compatible with ${describeValue(value)}`)
      return Uint8Array.of(value ? 1 : 0)
    },
    toConnect(_topic, bytes) {
      if (bytes === null) return { schema: optionalBoolean, value: null }
      if (bytes.length !== 1 || bytes[0]! > 1) throw dataError('Failed to deserialize boolean: one byte, 0 or 1, is needed')
      return { schema: optionalBoolean, value: bytes[0] === 1 }
    },
  }
}
