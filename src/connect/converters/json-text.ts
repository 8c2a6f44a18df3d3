/**
 * Reads JSON as upstream's parser does: numbers exactly, text after the first value ignored, leading zeros allowed, UTF-16
 * recognised. Where JSON.parse gives the same it does the work.
 */
import { dataError } from '../errors.ts'

/** A number that a JavaScript number cannot stand for, or that was not written as an integer. */
export class JsonNumber {
  readonly text: string
  /** No point and no exponent. */
  readonly integral: boolean

  constructor(text: string) {
    this.text = text
    this.integral = !/[.eE]/.test(text)
  }
}

export type JsonNode = null | boolean | string | number | JsonNumber | readonly JsonNode[] | { readonly [name: string]: JsonNode }

const maxDepth = 1000
const maxNumberLength = 1000

const fatal = { fatal: true }
const decoders = { 'utf-8': new TextDecoder('utf-8', fatal), 'utf-16be': new TextDecoder('utf-16be', fatal), 'utf-16le': new TextDecoder('utf-16le', fatal) }

/** @throws INVALID_DATA when the bytes are no text */
export function decodeJsonText(bytes: Uint8Array): string {
  const label = bytes.length >= 2 ? utf16Label(bytes) : undefined
  try {
    return decoders[label ?? 'utf-8'].decode(bytes)
  } catch (cause) {
    throw unreadable('the bytes are not UTF-8 text', cause)
  }
}

function utf16Label(bytes: Uint8Array): 'utf-16be' | 'utf-16le' | undefined {
  const [a, b] = [bytes[0]!, bytes[1]!]
  if (bytes.length >= 4 && a === 0xfe && b === 0xff) return 'utf-16be'
  if (bytes.length >= 4 && a === 0xff && b === 0xfe) return 'utf-16le'
  if (a === 0 && b !== 0) return 'utf-16be'
  return a !== 0 && b === 0 ? 'utf-16le' : undefined
}

/** Without regard for how numbers were written, except that integers are 64 bits wide and wrap. Undefined: there is no value. */
export function parseSchemaless(text: string): unknown {
  const value = parsePlainNumbers(text)
  return value === undefined ? readSchemaless(text) : value
}

/** Undefined for what JSON.parse would not read, or not as it must be read. */
export function parsePlainNumbers(text: string): unknown {
  if (hasOtherNumber(text)) return undefined
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/** So many digits may be more than a JavaScript number can hold; so large an exponent is more than upstream reads; a zero has no sign there. */
export function hasOtherNumber(text: string): boolean {
  return /\d{16}|[eE][+-]?\d{10}|-0(?:\.0+)?(?:[eE,\]}\s]|$)/.test(text)
}

/** As `parseSchemaless`: accepts more than JSON.parse, and says where it stops. */
export function readSchemaless(text: string): unknown {
  const node = readJson(text)
  return node === undefined ? undefined : plain(node)
}

/** As written. Undefined: there is no value. */
export function parseNode(text: string): JsonNode | undefined {
  if (!/\d{16}|\d[.eE]/.test(text)) {
    try {
      return JSON.parse(text) as JsonNode
    } catch {
      // as above
    }
  }
  return readJson(text)
}

/** What data without schema is made of the node. */
export function plain(node: JsonNode): unknown {
  if (node instanceof JsonNumber) return plainNumber(node)
  if (typeof node === 'number') return node + 0 // -0 is 0
  if (Array.isArray(node)) return (node as readonly JsonNode[]).map(plain)
  return typeof node === 'object' && node !== null ? Object.fromEntries(Object.entries(node).map(([name, each]) => [name, plain(each)])) : node
}

function plainNumber(number: JsonNumber): number | bigint {
  if (!number.integral) return Number(number.text) + 0
  const wrapped = BigInt.asIntN(64, BigInt(number.text))
  return Number.isSafeInteger(Number(wrapped)) ? Number(wrapped) : wrapped
}

function unreadable(why: string, cause?: unknown) {
  return dataError(`Converting byte[] to Kafka Connect data failed due to serialization error: ${why}`, { cause })
}

/** The first value of the text; undefined when there is none. */
function readJson(text: string): JsonNode | undefined {
  return new Reader(text.startsWith('\ufeff') ? text.slice(1) : text).read()
}

const literals = new Map<string, boolean | null>([['true', true], ['false', false], ['null', null]])

class Reader {
  readonly #text: string
  #at = 0

  constructor(text: string) {
    this.#text = text
  }

  read(): JsonNode | undefined {
    this.#skipBlanks()
    if (this.#at === this.#text.length) return undefined
    const value = this.#value(0)
    const end = this.#at
    this.#skipBlanks()
    const isNumber = typeof value === 'number' || value instanceof JsonNumber
    if (isNumber && this.#at === end && end < this.#text.length) throw this.#error('a number must be followed by a blank, or by nothing')
    return value
  }

  #value(depth: number): JsonNode {
    if (depth > maxDepth) throw this.#error(`nested deeper than ${maxDepth}`)
    const first = this.#text[this.#at]
    if (first === '{') return this.#object(depth)
    if (first === '[') return this.#array(depth)
    if (first === '"') return this.#string()
    return first !== undefined && /[-0-9]/.test(first) ? this.#number() : this.#literal()
  }

  #object(depth: number): JsonNode {
    const members: [string, JsonNode][] = []
    this.#at++
    if (this.#take('}')) return {}
    do {
      this.#skipBlanks()
      const name = this.#text[this.#at] === '"' ? this.#string() : this.#fail('a member name in double quotes is missing')
      if (!this.#take(':')) this.#fail('":" is missing')
      this.#skipBlanks()
      members.push([name, this.#value(depth + 1)])
    } while (this.#take(','))
    if (!this.#take('}')) this.#fail('"," or "}" is missing')
    return Object.fromEntries(members)
  }

  #array(depth: number): JsonNode {
    const items: JsonNode[] = []
    this.#at++
    if (this.#take(']')) return items
    do {
      this.#skipBlanks()
      items.push(this.#value(depth + 1))
    } while (this.#take(','))
    if (!this.#take(']')) this.#fail('"," or "]" is missing')
    return items
  }

  #string(): string {
    const pattern = /"[^"\\]*(?:\\.[^"\\]*)*"/sy
    pattern.lastIndex = this.#at
    const match = pattern.exec(this.#text)
    if (match === null) throw this.#error('a string is not ended')
    try {
      const text = JSON.parse(match[0]) as string
      this.#at = pattern.lastIndex
      return text
    } catch {
      throw this.#error('a string holds a control character or a wrong escape')
    }
  }

  #number(): JsonNode {
    const pattern = /-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?(?![\w."'])/y
    pattern.lastIndex = this.#at
    const match = pattern.exec(this.#text)
    if (match === null) throw this.#error('this is not a number')
    if (match[0].length > maxNumberLength) throw this.#error(`a number is longer than ${maxNumberLength} digits`)
    const isShortInteger = /^-?\d{1,15}$/.test(match[0])
    if (!isShortInteger && Math.abs(Number(/[eE](.*)/.exec(match[0])?.[1] ?? 0)) >= 2 ** 31) throw this.#error('the exponent of a number does not fit 32 bits')
    this.#at = pattern.lastIndex
    return isShortInteger ? Number(match[0]) + 0 : new JsonNumber(match[0])
  }

  #literal(): boolean | null {
    const word = /[\p{L}\p{N}_$]*/uy
    word.lastIndex = this.#at
    const found = literals.get(word.exec(this.#text)![0])
    if (found === undefined) throw this.#error('a value is missing')
    this.#at = word.lastIndex
    return found
  }

  #take(mark: string): boolean {
    this.#skipBlanks()
    if (this.#text[this.#at] !== mark) return false
    this.#at++
    return true
  }

  #skipBlanks(): void {
    while (this.#at < this.#text.length && ' \t\r\n'.includes(this.#text[this.#at]!)) this.#at++
  }

  #fail(why: string): never {
    throw this.#error(why)
  }

  #error(why: string) {
    return unreadable(`${why}, at character ${this.#at + 1}`)
  }
}
