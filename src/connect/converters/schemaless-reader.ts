import { JsonShapes, notThisShape } from '../../core/index.ts'
import { decodeJsonText, hasOtherNumber, parseSchemaless, parsePlainNumbers, readSchemaless } from './json-text.ts'

/** Reads JSON into data without schema, and learns how the values look: those alike are read several times as fast. */
export class SchemalessReader {
  readonly #shapes = new JsonShapes({ exactIntegers: true })

  /** As upstream's JsonConverter. Undefined: there is no value. @throws INVALID_DATA */
  read(bytes: Uint8Array): unknown {
    const known = this.#shapes.read(bytes, 0, bytes.length)
    if (known !== notThisShape) return known
    const text = decodeJsonText(bytes)
    const value = parsePlainNumbers(text)
    if (value === undefined) return readSchemaless(text)
    if (Buffer.byteLength(text) === bytes.length) this.#shapes.learn(bytes, 0, bytes.length) // neither UTF-16 nor a byte order mark
    return value
  }

  /** Of bytes[start, end), which are UTF-8. Undefined: they are not JSON to the letter. */
  readStrictly(bytes: Uint8Array, start: number, end: number): unknown {
    const known = this.#shapes.read(bytes, start, end)
    if (known !== notThisShape) return known
    const text = Buffer.from(bytes.buffer, bytes.byteOffset + start, end - start).toString()
    try {
      const value: unknown = JSON.parse(text)
      if (hasOtherNumber(text)) return parseSchemaless(text)
      this.#shapes.learn(bytes, start, end)
      return value
    } catch {
      return undefined
    }
  }
}
