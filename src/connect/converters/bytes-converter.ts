import { configSpec, option } from '../config-spec.ts'
import { dataError } from '../errors.ts'
import { schema } from '../schema.ts'
import { describeValue } from '../validate.ts'
import type { Converter } from './converter.ts'

export const noConfig = configSpec({})

/** Of a converter that there is nothing to say to. */
export const typeOnlyConfig = configSpec({
  'converter.type': option.string({ doc: 'Whether it converts keys, values or headers; set by the worker.', importance: 'low' }),
})

const optionalBytes = schema.bytes({ optional: true })

/** Bytes as they are. */
export function byteArrayConverter(): Converter {
  return {
    fromConnect(_topic, of, value) {
      if (of !== null && of.type !== 'bytes') throw dataError(`Invalid schema type for ByteArrayConverter: ${of.type.toUpperCase()}`)
      if (value === null || value === undefined) return null
      if (!(value instanceof Uint8Array)) throw dataError(`ByteArrayConverter is not compatible with ${describeValue(value)}`)
      return value
    },
    toConnect: (_topic, bytes) => ({ schema: optionalBytes, value: bytes }),
    passesThrough: (type) => type === 'bytes',
  }
}
