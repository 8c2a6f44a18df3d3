/** Lines that are passed on as they are: no object is made for one. */
import { isUtf8 } from 'node:buffer'
import type { ConnectHeader, SourceSpans } from 'millrace/connect'
import { offsetAfter } from '../tail/tailed-file.ts'
import type { LineBlock, OverlongLine, TailedFile } from '../tail/tailed-file.ts'
import { failureHeaders, fileHeaders, header } from './file-headers.ts'
import type { InvalidBytes } from './text-decoder.ts'

export interface LineSpansOptions {
  readonly topic: string
  readonly deadLetterTopic: string | null
  readonly valueType: SourceSpans['valueType']
  readonly invalidBytes: InvalidBytes
  readonly withFileHeaders: boolean
}

export class LineSpans {
  readonly #options: LineSpansOptions

  constructor(options: LineSpansOptions) {
    this.#options = options
  }

  ofBlock(block: LineBlock, nowMs: number): SourceSpans[] {
    const { valueType, invalidBytes } = this.#options
    const whole = valueType === 'string' ? withoutByteOrderMark(block) : block
    if (valueType === 'bytes' || invalidBytes === 'bytes' || isText(whole, 0, whole.recordCount)) return [this.#run(whole, 0, whole.recordCount, nowMs)]
    return this.#around(whole, nowMs)
  }

  /** The beginning of a line that is too long. */
  ofOverlong(line: OverlongLine, policy: 'truncate' | 'dead-letter', nowMs: number): SourceSpans {
    const { topic, deadLetterTopic, valueType, withFileHeaders } = this.#options
    const length = header('file.line.bytes', String(line.lineBytes))
    const place = policy === 'truncate' ? [header('file.position', String(line.start)), ...fileHeaders(line.file)] : failureHeaders(line.file, line.start, `the line has ${line.lineBytes} bytes`)
    return {
      ...lineSpans(line, line.bytes, nowMs),
      topic: policy === 'truncate' ? topic : deadLetterTopic!,
      valueType,
      headers: policy === 'truncate' && !withFileHeaders ? [length] : [length, ...place],
      sourceOffset: () => line.offset,
    }
  }

  /** Runs of text as they are, and between them each line that is none by itself. */
  #around(block: LineBlock, nowMs: number): SourceSpans[] {
    const runs: SourceSpans[] = []
    let from = 0
    for (let index = 0; index < block.recordCount; index++) {
      if (isText(block, index, index + 1)) continue
      if (index > from) runs.push(this.#run(block, from, index, nowMs))
      runs.push(this.#invalid(block, index, nowMs))
      from = index + 1
    }
    if (from < block.recordCount) runs.push(this.#run(block, from, block.recordCount, nowMs))
    return runs
  }

  #run(block: LineBlock, from: number, to: number, nowMs: number): SourceSpans {
    const { topic, valueType } = this.#options
    return { ...spansOfLines(block, from, to, nowMs), topic, valueType, headers: this.#headers(block.file) }
  }

  #invalid(block: LineBlock, index: number, nowMs: number): SourceSpans {
    const { topic, deadLetterTopic, invalidBytes } = this.#options
    const begin = block.spans[2 * index]!
    const bytes = block.bytes.subarray(begin, block.spans[2 * index + 1])
    const sourceOffset = () => offsetAfter(block, index)
    if (invalidBytes === 'replace') return { ...lineSpans(block, Buffer.from(bytes.toString()), nowMs), topic, valueType: 'string', headers: this.#headers(block.file), sourceOffset }
    const headers = failureHeaders(block.file, block.origin + begin, 'the line holds bytes that are no UTF-8')
    return { ...lineSpans(block, Buffer.from(bytes), nowMs), topic: deadLetterTopic!, valueType: 'bytes', headers, sourceOffset }
  }

  #headers(file: TailedFile): readonly ConnectHeader[] {
    return this.#options.withFileHeaders ? fileHeaders(file) : []
  }
}

/** Of lines that stand side by side, as they are. */
export function spansOfLines(block: LineBlock, from: number, to: number, nowMs: number): Omit<SourceSpans, 'topic' | 'valueType' | 'headers'> {
  return {
    sourcePartition: block.sourcePartition,
    bytes: block.bytes,
    spans: block.spans.subarray(2 * from, 2 * to),
    recordCount: to - from,
    timestamp: nowMs,
    sourceOffset: (index) => offsetAfter(block, from + index),
  }
}

function lineSpans({ sourcePartition }: LineBlock | OverlongLine, bytes: Buffer, nowMs: number) {
  return { sourcePartition, bytes, spans: Uint32Array.of(0, bytes.length), recordCount: 1, timestamp: nowMs }
}

function isText({ bytes, spans }: LineBlock, from: number, to: number): boolean {
  return isUtf8(bytes.subarray(spans[2 * from], spans[2 * to - 1]))
}

/** At the very beginning of a file it says how to read, and is no part of the first line. */
function withoutByteOrderMark(block: LineBlock): LineBlock {
  const { bytes, spans, origin } = block
  const begin = spans[0]!
  if (origin + begin !== 0 || bytes[begin] !== 0xef || bytes[begin + 1] !== 0xbb || bytes[begin + 2] !== 0xbf) return block
  const cut = Uint32Array.from(spans)
  cut[0] = begin + 3
  return { ...block, spans: cut }
}
