import { isStreamError } from '../../core/index.ts'
import { schema } from '../schema.ts'
import { parseValue } from '../values/value-parser.ts'
import { valueText } from '../values/value-text.ts'
import type { HeaderConverter } from './converter.ts'

/** Text of the value, without its schema; reading guesses the type. Upstream's default for headers; it does not round-trip. */
export function simpleHeaderConverter(): HeaderConverter {
  return {
    fromConnectHeader: (_topic, _key, of, value) => (value === null || value === undefined ? null : Buffer.from(valueText(of, value))),
    toConnectHeader(_topic, _key, bytes) {
      if (bytes === null) return { schema: null, value: null }
      try {
        return parseValue(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('utf8'))
      } catch (error) {
        if (!isStreamError(error, 'INVALID_DATA')) throw error
        return { schema: schema.bytes(), value: bytes }
      }
    },
  }
}
