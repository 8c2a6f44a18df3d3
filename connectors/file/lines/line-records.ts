/** Lines → entries → records, for everything that is more than passing bytes on. */
import { dataError, schema } from 'millrace/connect'
import type { ConnectHeader, SourcePosition, SourceSpans } from 'millrace/connect'
import { withTypes } from '../formats/field-types.ts'
import type { FieldTypes } from '../formats/field-types.ts'
import type { LineFormat, ParsedLine } from '../formats/line-format.ts'
import { offsetAfter } from '../tail/tailed-file.ts'
import type { LineBlock, OverlongLine, TailedFile } from '../tail/tailed-file.ts'
import { EntryAssembler } from './entry-assembler.ts'
import type { AssemblerLimits, Entry, PlacedLine } from './entry-assembler.ts'
import type { EntryRule } from './entry-rule.ts'
import { badLineRecord, fileHeaders, header } from './file-headers.ts'
import { JsonSpans } from './json-spans.ts'
import { LineRecord } from './line-record.ts'
import { decodeText } from './text-decoder.ts'
import type { FileEncoding, InvalidBytes } from './text-decoder.ts'

export interface LineRecordsOptions {
  readonly topic: string
  readonly deadLetterTopic: string | null
  readonly encoding: FileEncoding
  readonly invalidBytes: InvalidBytes
  /** null: the entry's text is the value. */
  readonly format: LineFormat | null
  readonly fieldTypes: FieldTypes
  /** The field with the time of the record; null: when it was read. */
  readonly timestampField: string | null
  /** null: each line is an entry. */
  readonly entryRule: EntryRule | null
  readonly limits: AssemblerLimits
  readonly maxLineBytes: number
  readonly badLine: 'fail' | 'skip' | 'dead-letter'
  readonly withFileHeaders: boolean
  readonly withPosition: boolean
  readonly withLine: boolean
  readonly warn: (text: string) => void
}

/** A line that gives no record still moves the position. */
export type LineItem = LineRecord | SourcePosition

const textSchema = schema.string()
const bytesSchema = schema.bytes()

export class LineRecords {
  readonly #options: LineRecordsOptions
  readonly #assembler: EntryAssembler | undefined
  readonly #json: JsonSpans | undefined
  #toldOfLetters = false
  readonly #headers = new WeakMap<TailedFile, { readonly fingerprint: string | undefined; readonly text: string }>()

  constructor(options: LineRecordsOptions) {
    this.#options = options
    this.#assembler = options.entryRule === null ? undefined : new EntryAssembler(options.entryRule, options.limits)
    const { topic, format, entryRule, encoding, fieldTypes, timestampField, withFileHeaders, withPosition, withLine } = options
    const passesJson = format?.isJson === true && entryRule === null && encoding === 'utf-8' && fieldTypes.size === 0 && timestampField === null && !withPosition && !withLine
    this.#json = passesJson ? new JsonSpans({ topic, headersOf: (file) => (withFileHeaders ? fileHeaders(file) : []) }) : undefined
  }

  /** Entries wait for lines that may never come: ask `flush` from time to time. */
  get isWaiting(): boolean {
    return this.#assembler?.isEmpty === false
  }

  /** At least one item for a block of JSON lines; what it gives for these has to be gone through before the next poll. */
  ofBlock(block: LineBlock, nowMs: number, monotonicMs: number): Iterable<SourceSpans | LineItem> {
    const records: LineItem[] = []
    if (this.#json !== undefined) {
      return this.#json.ofBlock(block, nowMs, (index) => {
        const items: LineItem[] = []
        this.#addLineAt(items, block, index, nowMs, monotonicMs)
        return items
      })
    }
    for (let index = 0; index < block.recordCount; index++) this.#addLineAt(records, block, index, nowMs, monotonicMs)
    return records
  }

  #addLineAt(records: LineItem[], block: LineBlock, index: number, nowMs: number, monotonicMs: number): void {
    const begin = block.spans[2 * index]!
    const bytes = block.bytes.subarray(begin, block.spans[2 * index + 1])
    this.#addLine(records, this.#placed({ file: block.file, sourcePartition: block.sourcePartition, bytes, start: block.origin + begin, line: numbered(block, index), offset: () => offsetAfter(block, index) }), nowMs, monotonicMs)
  }

  /** The beginning of a line that is too long, as a line of its own. */
  ofTruncated(line: OverlongLine, nowMs: number, monotonicMs: number): LineItem[] {
    const records: LineItem[] = []
    this.#addLine(records, this.#placed({ ...line, line: numbered(line, 0), offset: () => line.offset }), nowMs, monotonicMs)
    return records
  }

  /** What has waited long enough for a line that goes on with it. */
  flush(nowMs: number, monotonicMs: number): LineItem[] {
    return (this.#assembler?.flush(monotonicMs) ?? []).flatMap((entry) => this.#recordOf(entry, nowMs))
  }

  /** Nothing of a line that is too long, behind what its file still owes. */
  ofSkipped(line: OverlongLine, nowMs: number): LineItem[] {
    return [...this.#owed(line.file, nowMs), { sourcePartition: line.sourcePartition, sourceOffset: line.offset }]
  }

  /** The beginning of a line that is too long, as a dead letter, behind what its file still owes. */
  ofDeadLetter(line: OverlongLine, nowMs: number): LineItem[] {
    const entry: Entry = { file: line.file, sourcePartition: line.sourcePartition, text: line.bytes.toString('latin1'), start: line.start, bytes: line.lineBytes, line: undefined, offset: () => line.offset, lineCount: 1 }
    const letter = badLineRecord({ topic: this.#options.deadLetterTopic!, entry, bytes: line.bytes, reason: `the line has ${line.lineBytes} bytes`, nowMs })
    return [...this.#owed(line.file, nowMs), letter]
  }

  #owed(file: TailedFile, nowMs: number): LineItem[] {
    const open = this.#assembler?.take(file)
    return open === undefined ? [] : this.#recordOf(open, nowMs)
  }

  #addLine(records: LineItem[], line: PlacedLine, nowMs: number, monotonicMs: number): void {
    if (line.start === 0 && this.#options.format?.hasHeader === true) {
      records.push(positionOf(line))
      return
    }
    if (this.#assembler !== undefined) {
      for (const entry of this.#assembler.add(line, monotonicMs)) records.push(...this.#recordOf(entry, nowMs))
      return
    }
    const { file, sourcePartition, text, start, bytes, error, offset, line: number } = line
    for (const item of this.#recordOf({ file, sourcePartition, text, start, bytes, error, offset, line: number, lineCount: 1 }, nowMs)) records.push(item)
  }

  #placed({ file, sourcePartition, bytes, start, line, offset }: Pick<PlacedLine, 'file' | 'sourcePartition' | 'start' | 'line' | 'offset'> & { readonly bytes: Buffer }): PlacedLine {
    try {
      return { file, sourcePartition, start, bytes: bytes.length, line, offset, text: decodeText(bytes, file.encoding, this.#options.invalidBytes, start === 0), error: undefined }
    } catch (error) {
      return { file, sourcePartition, start, bytes: bytes.length, line, offset, text: bytes.toString('latin1'), error }
    }
  }

  #recordOf(entry: Entry, nowMs: number): LineItem[] {
    try {
      if (entry.error !== undefined) throw entry.error
      const parsed = this.#parsed(entry)
      return [parsed === null ? positionOf(entry) : this.#record(entry, parsed, nowMs)]
    } catch (error) {
      return this.#bad(entry, error as Error, nowMs)
    }
  }

  #parsed(entry: Entry): ParsedLine | null {
    const { format, encoding, fieldTypes } = this.#options
    if (format === null) return encoding === 'bytes' ? { value: Buffer.from(entry.text, 'latin1'), schema: bytesSchema } : { value: entry.text, schema: textSchema }
    const parsed = format.parse(entry.text, format.hasHeader === true ? this.#headerOf(entry.file) : '')
    return parsed === null || fieldTypes.size === 0 ? parsed : { ...parsed, value: withTypes(parsed.value, fieldTypes) }
  }

  #record(entry: Entry, { value, schema: valueSchema }: ParsedLine, nowMs: number): LineRecord {
    const { topic, withFileHeaders, withPosition, withLine } = this.#options
    const headers: ConnectHeader[] = withFileHeaders ? [...fileHeaders(entry.file)] : []
    if (withPosition) headers.push(header('file.position', String(entry.start)))
    if (withLine) headers.push(header('file.line', String(entry.line)))
    return new LineRecord({ topic, value, valueSchema, timestamp: this.#timestamp(value) ?? nowMs, headers }, entry)
  }

  #timestamp(value: unknown): number | undefined {
    const { timestampField: name } = this.#options
    if (name === null) return undefined
    const found = (value as Readonly<Record<string, unknown>> | null)?.[name]
    const time = typeof found === 'string' ? Date.parse(found) : Number(found ?? Number.NaN)
    if (Number.isInteger(time) && time >= 0) return time
    throw dataError(`the field ${name} holds ${JSON.stringify(found) ?? 'nothing'}, which is no time: milliseconds since the epoch or ISO 8601 is expected`)
  }

  #bad(entry: Entry, error: Error, nowMs: number): LineItem[] {
    const { badLine, warn, deadLetterTopic } = this.#options
    const where = `${entry.file.path}, byte ${entry.start}`
    if (badLine === 'fail') throw dataError(`${where}: ${error.message}. Set bad.line to skip or dead-letter to go on without such lines`, { cause: error })
    if (badLine === 'skip') {
      warn(`${where}: passed over: ${error.message}`)
      return [positionOf(entry)]
    }
    if (!this.#toldOfLetters) warn(`${where}: ${error.message}; such lines go to the topic ${deadLetterTopic}, and that is told once`)
    this.#toldOfLetters = true
    const bytes = entry.error === undefined ? undefined : Buffer.from(entry.text, 'latin1')
    return [badLineRecord({ topic: deadLetterTopic!, entry, bytes, reason: error.message, nowMs })]
  }

  #headerOf(file: TailedFile): string {
    const known = this.#headers.get(file)
    if (known !== undefined && known.fingerprint === file.fingerprint) return known.text
    const text = decodeText(file.firstLine(this.#options.maxLineBytes), file.encoding, 'replace', true)
    this.#headers.set(file, { fingerprint: file.fingerprint, text })
    return text
  }
}

function numbered({ linesBefore }: LineBlock | OverlongLine, index: number): number | undefined {
  return linesBefore === undefined ? undefined : linesBefore + index + 1
}

function positionOf({ sourcePartition, offset }: Pick<Entry, 'sourcePartition' | 'offset'>): SourcePosition {
  return { sourcePartition, sourceOffset: offset() }
}
