/** `level=info msg="two words" took=3ms cached`: pairs as many Go programs log them. */
import { dataError } from 'millrace/connect'
import { objectFormat } from './line-format.ts'

const pair = /\s*([^\s="]+)(?:=(?:"((?:[^"\\]|\\.)*)"|([^\s"]*)))?(?=\s|$)/suy
const escapes: Readonly<Record<string, string>> = { n: '\n', r: '\r', t: '\t' }

/** Values are text; a key without a value is true. */
export const logfmtFormat = objectFormat((text) => {
  const fields: Record<string, unknown> = {}
  const end = text.trimEnd().length
  pair.lastIndex = 0
  for (let at = 0; at < end; at = pair.lastIndex) {
    const match = pair.exec(text)
    if (match === null) throw dataError(`not logfmt at character ${at + 1}: key=value or key="some text" is expected`)
    const [, key, quotedValue, plainValue] = match
    const value = quotedValue === undefined ? (plainValue ?? true) : quotedValue.replace(/\\(.)/gsu, (_, character: string) => escapes[character] ?? character)
    Object.defineProperty(fields, key!, { value, enumerable: true, configurable: true, writable: true }) // also for a key such as __proto__
  }
  if (Object.keys(fields).length === 0) throw dataError('not logfmt: the line holds no key')
  return fields
})
