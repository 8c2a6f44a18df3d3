/**
 * Lines of JSON that are passed on as they are: each is parsed once, to know that it is JSON and for those who look into it, and no object
 * is made around it.
 */
import { isUtf8 } from 'node:buffer'
import { SchemalessReader } from 'millrace/connect'
import type { ConnectHeader, SourceSpans } from 'millrace/connect'
import type { LineBlock, TailedFile } from '../tail/tailed-file.ts'
import { spansOfLines } from './line-spans.ts'

export interface JsonSpansOptions {
  readonly topic: string
  readonly headersOf: (file: TailedFile) => readonly ConnectHeader[]
}

/** Values that are there at the same time. */
const runLines = 256

export class JsonSpans {
  readonly #options: JsonSpansOptions
  readonly #reader = new SchemalessReader()

  constructor(options: JsonSpansOptions) {
    this.#options = options
  }

  /**
   * Runs of lines that hold a value, and between them what `others` makes of those that do not: empty, null, or no JSON. Made when
   * their turn comes: the values of one run are garbage before those of the next are there.
   */
  *ofBlock<T>(block: LineBlock, nowMs: number, others: (index: number) => readonly T[]): Generator<SourceSpans | T, void> {
    const { spans, recordCount } = block
    const isText = isUtf8(block.bytes.subarray(spans[0], spans[2 * recordCount - 1]))
    const bytes = plainBytes(block.bytes)
    let values: unknown[] = []
    for (let index = 0; index < recordCount; index++) {
      const value = isText ? this.#reader.readStrictly(bytes, spans[2 * index]!, spans[2 * index + 1]!) : undefined
      if (value !== undefined && value !== null) {
        values.push(value)
        if (values.length < runLines) continue
        yield this.#run(block, index + 1, values, nowMs)
      } else {
        if (values.length > 0) yield this.#run(block, index, values, nowMs)
        yield* others(index)
      }
      values = []
    }
    if (values.length > 0) yield this.#run(block, recordCount, values, nowMs)
  }

  /** Of the lines before line `to`. */
  #run(block: LineBlock, to: number, values: readonly unknown[], nowMs: number): SourceSpans {
    const { topic, headersOf } = this.#options
    return { ...spansOfLines(block, to - values.length, to, nowMs), topic, valueType: 'json', values, headers: headersOf(block.file) }
  }
}

/** A Buffer is read more slowly. */
function plainBytes({ buffer, byteOffset, length }: Uint8Array): Uint8Array {
  return new Uint8Array(buffer, byteOffset, length)
}
