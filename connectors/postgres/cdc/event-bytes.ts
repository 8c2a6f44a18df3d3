/** Records of rows as JSON in one piece of memory: what `recordsOf` makes of them as objects, for rows that nobody else looks at. */
import type { SourceOffset, SourceSpans } from 'millrace/connect'
import { sourceOf, topicOf } from './change-event.ts'
import type { EventOptions, EventSource } from './change-event.ts'
import type { ColumnType } from './column-value.ts'
import { JsonBytes } from './json-bytes.ts'
import { nullCell, unchangedCell } from './pgoutput.ts'

/** What stays the same from row to row. */
export interface TableJson {
  readonly schema: string
  readonly table: string
  readonly topic: string
  readonly members: readonly Member[]
  readonly types: readonly ColumnType[]
  /** Columns of the key, and where they are; below zero: the row does not have them. */
  readonly keys: readonly (readonly [member: Member, index: number])[]
}

/** A name with what stands around it. */
interface Member {
  /** `{"id":` */
  readonly first: Buffer
  /** The same behind the beginning of an envelope. */
  readonly firstAfter: Buffer
  /** `,"id":` */
  readonly next: Buffer
}

/** Cells of a row in its bytes, start and end of each, from the place `first` on. */
export interface Cells {
  readonly bytes: Buffer
  readonly cells: ArrayLike<number>
  readonly first: number
}

const nothingBefore = '{"before":null,"after":'

export function tableJson(options: Pick<EventOptions, 'topicPrefix'>, of: { readonly schema: string; readonly table: string; readonly names: readonly string[]; readonly types: readonly ColumnType[]; readonly keyNames: readonly string[] }): TableJson {
  const { schema, table, names, types, keyNames } = of
  const member = (name: string): Member => ({ first: Buffer.from(`{${JSON.stringify(name)}:`), firstAfter: Buffer.from(`${nothingBefore}{${JSON.stringify(name)}:`), next: Buffer.from(`,${JSON.stringify(name)}:`) })
  return { schema, table, topic: topicOf(options.topicPrefix, schema, table), members: names.map(member), types, keys: keyNames.map((name) => [member(name), names.indexOf(name)]) }
}

const ofEnvelope = { before: Buffer.from('{"before":'), nothingBefore: Buffer.from(nothingBefore), emptyAfter: Buffer.from(`${nothingBefore}{`), after: Buffer.from(',"after":'), nothingAfter: Buffer.from(',"after":null') }
const [open, close, nothing] = ['{', '}', 'null'].map((text) => Buffer.from(text)) as [Buffer, Buffer, Buffer]

export class EventBytes {
  readonly #options: EventOptions
  readonly #json = new JsonBytes()
  #keys: Uint32Array = new Uint32Array(2_048)
  #values: Uint32Array = new Uint32Array(2_048)
  #count = 0
  /** Of the row that is being written: where the JSON of each cell starts and ends. */
  readonly #cells: number[] = []
  /** Of the row that is being written. Ends before it begins: there is none. */
  #keyStart = 1
  #keyEnd = 0
  #tails: { readonly source: EventSource; readonly nowMs: number; readonly byOp: Map<string, Buffer> } | undefined

  constructor(options: EventOptions) {
    this.#options = options
  }

  get count(): number {
    return this.#count
  }

  get byteCount(): number {
    return this.#json.length
  }

  clear(): void {
    this.#json.clear()
    this.#count = 0
  }

  /** A row that was read, as COPY writes it between the two places. */
  addCopied(table: TableJson, row: Buffer, start: number, end: number, source: EventSource, nowMs: number): void {
    const json = this.#json
    const { members, types } = table
    const isFlat = this.#options.format === 'flat'
    const valueStart = json.length
    for (let index = 0, at = start; index < members.length; index++) {
      const member = members[index]!
      json.add(index > 0 ? member.next : isFlat ? member.first : member.firstAfter)
      this.#cells[2 * index] = json.length
      at = json.addCopied(row, at, end, types[index]!) + 1
      this.#cells[2 * index + 1] = json.length
    }
    if (members.length === 0) json.add(isFlat ? open : ofEnvelope.emptyAfter)
    if (isFlat) json.addText(`${members.length > 0 ? ',' : ''}"__op":"r"}`)
    else json.add(this.#tailOf('r', source, nowMs))
    const valueEnd = json.length
    this.#addKey(table, null)
    this.#addRecord(valueStart, valueEnd)
  }

  /** A row that is there now; `before`: as it was, where that is known. */
  addPresent(op: 'c' | 'u', table: TableJson, before: Cells | null, after: Cells, source: EventSource, nowMs: number): void {
    const json = this.#json
    this.#addKey(table, after)
    const start = json.length
    if (this.#options.format === 'flat') this.#addFlat(op, table, after)
    else {
      if (before === null) json.add(ofEnvelope.nothingBefore)
      else {
        json.add(ofEnvelope.before)
        this.#addRow(table, before)
        json.add(ofEnvelope.after)
      }
      this.#addRow(table, after)
      json.add(this.#tailOf(op, source, nowMs))
    }
    this.#addRecord(start, json.length)
  }

  /** A row that is gone. */
  addGone(table: TableJson, before: Cells, source: EventSource, nowMs: number): void {
    const json = this.#json
    const { format, tombstones } = this.#options
    this.#addKey(table, before)
    const hasTombstone = tombstones && table.keys.length > 0
    const start = json.length
    if (format === 'debezium') {
      json.add(ofEnvelope.before)
      this.#addRow(table, before)
      json.add(ofEnvelope.nothingAfter)
      json.add(this.#tailOf('d', source, nowMs))
    } else if (!hasTombstone) this.#addFlat('d', table, before)
    if (format === 'debezium' || !hasTombstone) this.#addRecord(start, json.length)
    if (hasTombstone) this.#addRecord(1, 0)
  }

  /** Records from `first` on, all of them of one table. Good until `clear`. */
  spans(table: TableJson, nowMs: number, sourceOffset: (index: number) => SourceOffset, first = 0): SourceSpans {
    return {
      topic: table.topic, sourcePartition: this.#options.partition, bytes: this.#json.bytes.subarray(0, this.#json.length), spans: this.#values.subarray(2 * first, 2 * this.#count),
      keySpans: this.#keys.subarray(2 * first, 2 * this.#count), recordCount: this.#count - first, valueType: 'json', timestamp: nowMs, sourceOffset,
    }
  }

  /** With the key that was written last. A value that ends before it begins is none. */
  #addRecord(start: number, end: number): void {
    const at = 2 * this.#count++
    if (at === this.#keys.length) [this.#keys, this.#values] = [doubled(this.#keys), doubled(this.#values)]
    this.#keys[at] = this.#keyStart
    this.#keys[at + 1] = this.#keyEnd
    this.#values[at] = start
    this.#values[at + 1] = end
  }

  /** `row` null: from the cells that `addCopied` has written. */
  #addKey({ keys, types }: TableJson, row: Cells | null): void {
    const json = this.#json
    this.#keyStart = keys.length === 0 ? 1 : json.length
    this.#keyEnd = 0
    if (keys.length === 0) return
    for (let place = 0; place < keys.length; place++) {
      const [{ first, next }, index] = keys[place]!
      json.add(place === 0 ? first : next)
      if (row !== null) this.#addCell(types, row, index)
      else if (index < 0) json.add(nothing)
      else json.addPart(json.bytes, this.#cells[2 * index]!, this.#cells[2 * index + 1]!)
    }
    json.add(close)
    this.#keyEnd = json.length
  }

  #addRow(table: TableJson, row: Cells): void {
    this.#addMembers(table, row)
    this.#json.add(close)
  }

  #addFlat(op: string, table: TableJson, row: Cells): void {
    this.#json.addText(`${this.#addMembers(table, row) ? ',' : ''}"__op":"${op}"}`)
  }

  /** With the brace before them. @returns whether there are any */
  #addMembers({ members, types }: TableJson, row: Cells): boolean {
    let isFirst = true
    for (let index = 0; index < members.length; index++) {
      if (row.cells[row.first + 2 * index] === unchangedCell) continue
      const member = members[index]!
      this.#json.add(isFirst ? member.first : member.next)
      this.#addCell(types, row, index)
      isFirst = false
    }
    if (isFirst) this.#json.add(open)
    return !isFirst
  }

  #addCell(types: readonly ColumnType[], { bytes, cells, first }: Cells, index: number): void {
    const start = index < 0 ? nullCell : (cells[first + 2 * index] ?? nullCell)
    if (start < 0) this.#json.add(nothing)
    else this.#json.addCell(bytes, start, cells[first + 2 * index + 1]!, types[index]!)
  }

  /** What follows the rows of an envelope, with the brace behind a row that was read: the same for all changes of a kind in a transaction. */
  #tailOf(op: string, source: EventSource, nowMs: number): Buffer {
    if (this.#tails?.source !== source || this.#tails.nowMs !== nowMs) this.#tails = { source, nowMs, byOp: new Map() }
    const known = this.#tails.byOp.get(op)
    if (known !== undefined) return known
    const bytes = Buffer.from(`${op === 'r' ? '}' : ''},"source":${JSON.stringify(sourceOf(source, this.#options))},"op":"${op}","ts_ms":${nowMs}}`)
    this.#tails.byOp.set(op, bytes)
    return bytes
  }
}

function doubled(spans: Uint32Array): Uint32Array {
  const larger = new Uint32Array(2 * spans.length)
  larger.set(spans)
  return larger
}
