/**
 * Lines of JSON that are passed on as they are: each is parsed once, to know that it is JSON and for those who look into it, and no object
 * is made around it.
 */
import { isAscii, isUtf8 } from 'node:buffer'
import { parseSchemaless } from 'millrace/connect'
import type { ConnectHeader, SourceSpans } from 'millrace/connect'
import type { LineBlock, TailedFile } from '../tail/tailed-file.ts'
import { spansOfLines } from './line-spans.ts'

export interface JsonSpansOptions {
  readonly topic: string
  readonly headersOf: (file: TailedFile) => readonly ConnectHeader[]
}

/** Numbers of so many digits may be more than a JavaScript number can hold. */
const longNumber = /\d{16}/

export class JsonSpans {
  readonly #options: JsonSpansOptions

  constructor(options: JsonSpansOptions) {
    this.#options = options
  }

  /** Runs of lines that hold a value, and between them what `others` makes of those that do not: empty, null, or no JSON. */
  ofBlock<T>(block: LineBlock, nowMs: number, others: (index: number) => readonly T[]): (SourceSpans | T)[] {
    const items: (SourceSpans | T)[] = []
    const textOf = textsOf(block)
    let values: unknown[] = []
    let from = 0
    const endRun = (to: number) => {
      if (values.length > 0) items.push(this.#run(block, from, to, values, nowMs))
      values = []
      from = to + 1
    }
    for (let index = 0; index < block.recordCount; index++) {
      const value = textOf === undefined ? undefined : valueOf(textOf(index))
      if (value !== undefined && value !== null) {
        values.push(value)
        continue
      }
      endRun(index)
      for (const each of others(index)) items.push(each)
    }
    endRun(block.recordCount)
    return items
  }

  #run(block: LineBlock, from: number, to: number, values: readonly unknown[], nowMs: number): SourceSpans {
    const { topic, headersOf } = this.#options
    return { ...spansOfLines(block, from, to, nowMs), topic, valueType: 'json', values, headers: headersOf(block.file) }
  }
}

/** The text of line `index`; undefined when not all of the block is text. Parts of one text are made faster than texts of parts. */
function textsOf({ bytes, spans, recordCount }: LineBlock): ((index: number) => string) | undefined {
  const begin = spans[0]!
  const whole = bytes.subarray(begin, spans[2 * recordCount - 1])
  if (isAscii(whole)) {
    const text = whole.toString('latin1')
    return (index) => text.slice(spans[2 * index]! - begin, spans[2 * index + 1]! - begin)
  }
  return isUtf8(whole) ? (index) => bytes.toString('utf8', spans[2 * index], spans[2 * index + 1]) : undefined
}

/** Undefined for what is no JSON. */
function valueOf(text: string): unknown {
  try {
    const value: unknown = JSON.parse(text)
    return longNumber.test(text) ? parseSchemaless(text) : value
  } catch {
    return undefined
  }
}
