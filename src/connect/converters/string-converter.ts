import { configSpec, option } from '../config-spec.ts'
import type { ConfigOf } from '../config-spec.ts'
import { configError } from '../errors.ts'
import { javaText } from '../java-text.ts'
import { schema } from '../schema.ts'
import type { Converter } from './converter.ts'
import { charsetNamed } from './charset.ts'

export const stringConverterConfig = configSpec({
  'converter.type': option.string({ doc: 'Whether it converts keys, values or headers; set by the worker.', importance: 'low' }),
  'converter.encoding': option.string({ doc: 'The character set of the text.', default: 'UTF-8', importance: 'high', width: 'medium', displayName: 'Encoding' }),
})

const optionalString = schema.string({ optional: true })

/** Text of whatever the value is, as upstream's StringConverter: Java's `toString`; reading gives optional strings. */
export function stringConverter(config: ConfigOf<typeof stringConverterConfig>): Converter {
  const charset = charsetNamed(config['converter.encoding'])
  if (charset === undefined) throw configError(`Unsupported encoding ${config['converter.encoding']}`, { details: { key: 'converter.encoding' } })
  return {
    fromConnect: (_topic, of, value) => (value === null || value === undefined ? null : charset.encode(typeof value === 'string' ? value : javaText(of, value))),
    toConnect: (_topic, bytes) => ({ schema: optionalString, value: bytes === null ? null : charset.decode(bytes) }),
    passesThrough: (type) => type === 'string' && charset.name === 'utf8',
  }
}
