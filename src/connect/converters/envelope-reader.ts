/**
 * JsonConverter's envelope, `{"schema":…,"payload":…}`, of records that repeat their schema to the byte, as those of a topic do: the schema is
 * compared, not read, and the payload is read by what was learned from those before it.
 */
import { JsonShapes, notThisShape } from '../../core/index.ts'
import type { Schema } from '../schema.ts'
import { LearningBudget } from '../shape-table.ts'
import type { SchemaAndValue } from './converter.ts'
import { PlainStruct } from './plain-struct.ts'

/** Envelopes known at a time. */
const maxKnown = 8
/** A schema that is longer is read each time. */
const maxPrefixBytes = 64 * 1024
const openingBrace = 123
const closingBrace = 125

interface Envelope {
  /** Everything before the payload. */
  readonly prefix: Buffer
  readonly schema: Schema
  readonly struct: PlainStruct
  readonly shapes: JsonShapes
}

export class EnvelopeReader {
  readonly #budget = new LearningBudget()
  readonly #replaceNullWithDefault: boolean
  /** The oldest first. */
  readonly #known: Envelope[] = []

  constructor(replaceNullWithDefault: boolean) {
    this.#replaceNullWithDefault = replaceNullWithDefault
  }

  /** Undefined: json-reader.ts has to decide. */
  read(bytes: Uint8Array): SchemaAndValue | undefined {
    const envelope = this.#envelopeOf(bytes)
    const start = envelope?.prefix.length ?? 0
    const end = bytes.length - 1
    if (envelope === undefined || bytes[start] !== openingBrace || bytes[end] !== closingBrace) return undefined
    this.#budget.used()
    const { schema, struct, shapes } = envelope
    const known = shapes.read(bytes, start, end)
    const value = struct.read(known === notThisShape ? parsed(shapes, bytes, start, end) : known)
    return value === undefined ? undefined : { schema, value }
  }

  /** From a record that `read` did not know and that was read; `schemaOf` reads the schema's text. */
  learn(bytes: Uint8Array, text: string, schemaOf: (text: string) => Schema | null): void {
    if (this.#envelopeOf(bytes) !== undefined || !this.#budget.take()) return
    const parts = partsOf(text)
    const schema = parts === undefined ? null : schemaOf(parts.schema)
    const struct = schema === null ? undefined : PlainStruct.of(schema, this.#replaceNullWithDefault)
    if (parts === undefined || schema === null || struct === undefined) return
    const prefix = Buffer.from(parts.prefix)
    if (prefix.length > maxPrefixBytes || prefix.compare(bytes, 0, prefix.length) !== 0) return
    if (this.#known.length === maxKnown) this.#known.shift()
    this.#known.push({ prefix, schema, struct, shapes: new JsonShapes({ exactIntegers: true }) })
  }

  #envelopeOf(bytes: Uint8Array): Envelope | undefined {
    for (const envelope of this.#known) {
      const { prefix } = envelope
      if (bytes.length > prefix.length && prefix.compare(bytes, 0, prefix.length) === 0) return envelope
    }
    return undefined
  }
}

const utf8 = new TextDecoder('utf-8', { fatal: true })

/** Undefined for what is not JSON to the letter, and nothing else than one value. */
function parsed(shapes: JsonShapes, bytes: Uint8Array, start: number, end: number): unknown {
  try {
    const text = utf8.decode(bytes.subarray(start, end))
    if (/[eE][+-]?\d{10}/.test(text)) return undefined // more than upstream reads
    const value: unknown = JSON.parse(text)
    shapes.learn(bytes, start, end)
    return value
  } catch {
    return undefined
  }
}

function partsOf(text: string): { readonly prefix: string; readonly schema: string } | undefined {
  const head = /^\{\s*"schema"\s*:\s*(?=\{)/.exec(text)
  if (head === null) return undefined
  const schemaEnd = objectEnd(text, head[0].length)
  const between = /\s*,\s*"payload"\s*:\s*/y
  between.lastIndex = schemaEnd
  return between.test(text) ? { prefix: text.slice(0, between.lastIndex), schema: text.slice(head[0].length, schemaEnd) } : undefined
}

/** Behind the object that begins at `start`. */
function objectEnd(text: string, start: number): number {
  const marks = /"[^"\\]*(?:\\.[^"\\]*)*"|[{}]/gs
  marks.lastIndex = start
  let depth = 0
  for (let match = marks.exec(text); match !== null; match = marks.exec(text)) {
    if (match[0] === '{') depth++
    else if (match[0] === '}' && --depth === 0) return marks.lastIndex
  }
  return text.length
}
