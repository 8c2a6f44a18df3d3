/**
 * A reader made for JSON of one shape: the same members in the same order with values of the same kinds, as the records of a
 * topic mostly are. It compares every character between the values with those of the sample, reads the values in place, and
 * gives up (`notThisShape`) at the first difference: then JSON.parse decides, so what it reads is always what JSON.parse gives.
 * ```
 *   sample   {"user":"ann","ms":12}
 *   shape    {"user":"   string   ","ms":   number   }
 * ```
 */

import { compileFunction } from 'node:vm'
import { latin1Of, plainJsonCharacters } from './text-bytes.ts'

/**
 * Reads bytes[start, end), all of them, or gives `notThisShape`. `text`, if it is there, has a character for each byte from `from` on;
 * `view` shows the same bytes, so that strings are looked at four bytes at a time.
 */
export type ShapeReader = (bytes: Uint8Array, start: number, end: number, text?: string | null, from?: number, view?: DataView | null) => unknown

/** What a reader gives for text of another shape; no JSON value is it. */
export const notThisShape: unique symbol = Symbol('another shape')

/** Strings that are read keep their text alive: it must not be large. */
export const maxShapeLength = 8_192
const maxValues = 100

export interface ShapeReaderOptions {
  /** Integers of more than 15 digits, which a JavaScript number may not hold, and zeros with a sign, which no integer has, are of another shape. Default false. */
  readonly exactIntegers?: boolean
}

const maxDepth = 8

/**
 * A reader for texts like `sample`, which JSON.parse has taken; null where none is to be had: arrays in it, a
 * member that needs care (escapes, `__proto__`), too large, or no code may be made at run time.
 */
export function shapeReader(sample: string, { exactIntegers = false }: ShapeReaderOptions = {}): ShapeReader | null {
  if (sample.length > maxShapeLength) return null
  const source = new ShapeSource(sample, reading).build()
  // The source holds nothing of the sample but character codes, and member names as JSON writes them.
  const make = source === null ? null : runTimeCode(source, ['notThisShape', 'textOf', 'readNumber', 'numberOf', 'plain'])
  return make === null ? null : (make(notThisShape, latin1Of, numberEnd, exactIntegers ? exactNumber : Number, plainJsonCharacters) as ShapeReader)
}

/**
 * True: bytes[start, end) are JSON of that shape, so that `ShapeReader` and JSON.parse take them; false says nothing. For values that nobody looks at: no
 * object, no string and no number is made. `view` shows the same bytes.
 */
export type ShapeTest = (bytes: Uint8Array, start: number, end: number, view: DataView) => boolean

/** As `shapeReader`, of a sample for which that was not null; null too for one that is null as a whole, which is no value. */
export function shapeTest(sample: string): ShapeTest | null {
  const source = sample.trim() === 'null' ? null : new ShapeSource(sample, testing).build()
  const make = source === null ? null : runTimeCode(source, ['numberEndIn', 'plain'])
  return make === null ? null : (make(numberEndIn, plainJsonCharacters) as ShapeTest)
}

/** The number that a member has in JSON of that shape, if it is a whole one of at most 15 digits without a sign; else -1. Nothing else is made. */
export type ShapeNumber = (bytes: Uint8Array, start: number, end: number, view: DataView) => number

/** As `shapeTest`; null too where the sample is no object with a number of that name. */
export function shapeNumber(sample: string, name: string): ShapeNumber | null {
  const source = new ShapeSource(sample, findingNumber(name)).build()
  const make = source === null ? null : runTimeCode(source, ['numberEndIn', 'plain'])
  return make === null ? null : (make(numberEndIn, plainJsonCharacters) as ShapeNumber | null)
}

type RunTimeCode = (...args: readonly unknown[]) => unknown

/** The newest last. */
const codeByText = new Map<string, RunTimeCode>()
const maxKeptCode = 256
const maxKeptLength = 16_384

/**
 * A function made of source text, for what is called once for each record; null where no code may be made at run time. The same text gives the same function, with what
 * the compiler has learnt of it: programs that are built anew in a process, as tests do with each case, go on with it. `user` keeps apart what should not be learnt together.
 */
export function runTimeCode(source: string, parameters: readonly string[], user = ''): RunTimeCode | null {
  const text = [source, ...parameters, user].join('\0')
  const code = codeByText.get(text) ?? compiled(source, parameters)
  if (code === null || text.length > maxKeptLength) return code
  codeByText.delete(text)
  codeByText.set(text, code)
  if (codeByText.size > maxKeptCode) codeByText.delete(codeByText.keys().next().value!)
  return code
}

function compiled(source: string, parameters: readonly string[]): RunTimeCode | null {
  try {
    return compileFunction(source, parameters) as RunTimeCode
  } catch {
    return null
  }
}

/** The statements that a function has for the parts of a shape; `p` is where they begin, and where the next begins after them. */
interface ShapeStatements {
  readonly literal: (text: string) => string
  readonly string: (value: string) => string
  readonly boolean: (value: string) => string
  readonly number: (value: string) => string
  /** `value`: the expression that makes what was read; `members`: those of the outermost object. */
  readonly whole: (statements: string, value: string, members: ReadonlyMap<string, string>) => string
}

/** Writes the source of a function while it goes over the sample. */
class ShapeSource {
  readonly #sample: string
  readonly #statements: ShapeStatements
  #at = 0
  #values = 0
  /**
   * Statements that check and read; `p` is the position in `b`, `t` the text from `from` on, once a string was met. What is
   * beyond the end is other bytes, or undefined; that `p` comes out at the end says that none of them was taken.
   */
  readonly #lines: string[] = []
  /** Of the outermost object: the value of each. */
  readonly #members = new Map<string, string>()
  /** Characters since the last value, which every text must have there. */
  #literal = ''

  constructor(sample: string, statements: ShapeStatements) {
    this.#sample = sample
    this.#statements = statements
  }

  build(): string | null {
    this.#space()
    const value = this.#value(0)
    if (value === null) return null
    this.#space()
    this.#flushLiteral()
    return this.#statements.whole(this.#lines.join('\n'), value, this.#members)
  }

  /** The expression that makes the object, or null. */
  #object(depth: number): string | null {
    if (depth > maxDepth) return null
    this.#take()
    const members: string[] = []
    const names = new Set<string>()
    for (this.#space(); this.#sample[this.#at] !== '}'; this.#space()) {
      if (this.#sample[this.#at] === ',') {
        this.#take()
        this.#space()
      }
      const name = this.#name()
      // In a literal this name would be the prototype; the later of two equal names wins in JSON; numbers are moved to the front.
      if (name === null || name === '__proto__' || names.has(name) || /^\d+$/.test(name)) return null
      names.add(name)
      this.#space()
      this.#take() // the colon
      this.#space()
      const value = this.#value(depth)
      if (value === null) return null
      if (depth === 1) this.#members.set(name, value)
      members.push(`${JSON.stringify(name)}:${value}`)
    }
    this.#take()
    return `{${members.join(',')}}`
  }

  #name(): string | null {
    const end = this.#sample.indexOf('"', this.#at + 1)
    const name = this.#sample.slice(this.#at + 1, end)
    if (!/^[ !#-[\]-~]*$/.test(name)) return null
    while (this.#at <= end) this.#take()
    return name
  }

  #value(depth: number): string | null {
    const first = this.#sample[this.#at]!
    if (first === '{') return this.#object(depth + 1)
    if (first === '[' || ++this.#values > maxValues) return null
    const value = `v${this.#values}`
    if (first === '"') this.#string(value)
    else if (first === 't' || first === 'f') this.#boolean(value, first === 't')
    else if (first === 'n') {
      for (let count = 0; count < 4; count++) this.#take()
      return 'null'
    } else this.#number(value)
    return value
  }

  #string(value: string): void {
    this.#take()
    this.#flushLiteral()
    this.#lines.push(this.#statements.string(value))
    while (this.#sample[this.#at] !== '"') this.#at += this.#sample[this.#at] === '\\' ? 2 : 1
    this.#take()
  }

  #boolean(value: string, sample: boolean): void {
    this.#flushLiteral()
    this.#lines.push(this.#statements.boolean(value))
    this.#at += sample ? 4 : 5
  }

  #number(value: string): void {
    this.#flushLiteral()
    this.#lines.push(this.#statements.number(value))
    this.#at = numberEnd(this.#sample, this.#at)
  }

  #space(): void {
    while (this.#at < this.#sample.length && ' \t\n\r'.includes(this.#sample[this.#at]!)) this.#take()
  }

  #take(): void {
    this.#literal += this.#sample[this.#at++]!
  }

  #flushLiteral(): void {
    if (this.#literal.length === 0) return
    this.#lines.push(this.#statements.literal(this.#literal))
    this.#literal = ''
  }
}

function isText(text: string): string {
  return Array.from(text, (character, index) => `b[p + ${index}] === ${character.charCodeAt(0)}`).join(' && ')
}

/**
 * With an escape, a control character or one that is not ASCII the string is JSON.parse's. In a word of four bytes the highest bit
 * of one is set, or a subtraction sets it, at the first that is none of a plain string's: by the quotation mark at the latest.
 */
const wordsOfString = 'for (; e + 4 <= end; e += 4) { c = w.getInt32(e, true); if (((c | (c - 0x20202020) | ((c ^ 0x22222222) - 0x01010101) | ((c ^ 0x5c5c5c5c) - 0x01010101)) & 0x80808080) !== 0) break }'
const digits = '(c = b[e]) >= 48 && c <= 57'
/** A sign, a fraction, an exponent, a leading zero, or too long to be exact: by the grammar. */
const isNoShortInteger = 'e === p || e - p > 15 || c === 46 || c === 69 || c === 101 || (e - p > 1 && b[p] === 48)'

const reading: ShapeStatements = {
  literal: (text) => `if (!(${isText(text)})) return notThisShape; p += ${text.length}`,
  string: (value) => `e = p; if (w) ${wordsOfString}
for (; plain[b[e]] === 1; e++);
if (b[e] !== 34 || e >= end) return notThisShape; ${withText}; const ${value} = t.substring(p - from, e - from); p = e`,
  boolean: (value) => `const ${value} = b[p] === 116; if (!(${value} ? ${isText('true')} : ${isText('false')})) return notThisShape; p += ${value} ? 4 : 5`,
  number: (value) => `let ${value} = 0; for (e = p; ${digits}; e++) ${value} = ${value} * 10 + (c - 48)
if (${isNoShortInteger}) {
${withText}; e = readNumber(t, p - from); if (e < 0) return notThisShape; ${value} = numberOf(t.substring(p - from, e)); if (${value} !== ${value}) return notThisShape; e += from }
p = e`,
  whole: (statements, value) => `return (b, start, end, t, from, w) => {\nlet p = start, e = 0, c = 0\n${statements}\nreturn p === end ? ${value} : notThisShape\n}`,
}

/** As `reading`, with nothing made. */
const testing: ShapeStatements = {
  literal: (text) => `if (p + ${text.length} > end || !(${isTextByWords(text)})) return none; p += ${text.length}`,
  string: () => `e = p; ${wordsOfString}
for (; plain[b[e]] === 1; e++);
if (b[e] !== 34 || e >= end) return none; p = e`,
  boolean: () => `if (${isText('true')}) p += 4; else if (${isText('false')}) p += 5; else return none`,
  number: () => `for (e = p; ${digits}; e++);
if (${isNoShortInteger}) { e = numberEndIn(b, p, end); if (e < 0) return none }
p = e`,
  whole: (statements) => `return (b, start, end, w) => {\nconst none = false\nlet p = start, e = 0, c = 0\n${statements}\nreturn p === end\n}`,
}

/** As `testing`, with the numbers. */
function findingNumber(name: string): ShapeStatements {
  const numbers = new Set<string>()
  return {
    ...testing,
    number: (value) => {
      numbers.add(value)
      return `let ${value} = 0; for (e = p; ${digits}; e++) ${value} = ${value} * 10 + (c - 48)
if (${isNoShortInteger}) { e = numberEndIn(b, p, end); if (e < 0) return none; ${value} = none }
p = e`
    },
    whole: (statements, _value, members) => {
      const found = members.get(name)
      if (found === undefined || !numbers.has(found)) return 'return null'
      return `return (b, start, end, w) => {\nconst none = -1\nlet p = start, e = 0, c = 0\n${statements}\nreturn p === end ? ${found} : none\n}`
    },
  }
}

/** Four bytes at a time, which are there. */
function isTextByWords(text: string): string {
  const whole = text.length & ~3
  const codeAt = (index: number) => text.charCodeAt(index)
  const words = Array.from({ length: whole >> 2 }, (_, word) => `w.getInt32(p + ${4 * word}, true) === ${codeAt(4 * word) | (codeAt(4 * word + 1) << 8) | (codeAt(4 * word + 2) << 16) | (codeAt(4 * word + 3) << 24)}`)
  const others = Array.from(text.slice(whole), (character, index) => `b[p + ${whole + index}] === ${character.charCodeAt(0)}`)
  return [...words, ...others].join(' && ')
}

const withText = 'if (!t) { t = textOf(b, start, end); from = start }'

/** Where the JSON number that begins at `at` ends, or -1 when none does. */
function numberEnd(text: string, at: number): number {
  numberPattern.lastIndex = at
  return numberPattern.test(text) ? numberPattern.lastIndex : -1
}

const numberPattern = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y

/** As `numberEnd`, of bytes before `end`. */
function numberEndIn(bytes: Uint8Array, at: number, end: number): number {
  const length = numberEnd(latin1Of(bytes, at, Math.min(end, at + longestNumber)), 0)
  return length < 0 || length === longestNumber ? -1 : at + length
}

/** Characters of a number that are looked at. */
const longestNumber = 64

/** NaN, which no JSON number is, for integers that may be inexact, and for -0. */
function exactNumber(text: string): number {
  const value = Number(text)
  return Object.is(value, -0) || /^-?\d{16,}$/.test(text) ? Number.NaN : value
}
