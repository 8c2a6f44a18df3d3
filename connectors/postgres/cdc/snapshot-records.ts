import type { SourceOffset, SourceSpans } from 'millrace/connect'
import type { EventOptions } from './change-event.ts'
import { EventBytes, tableJson } from './event-bytes.ts'
import type { TableJson } from './event-bytes.ts'
import type { SnapshotRows, TableForm } from './snapshot.ts'

/** Makes records of rows that were read. */
export class SnapshotRecords {
  readonly #options: EventOptions
  readonly #events: EventBytes
  #form: TableForm | undefined
  #table: TableJson | undefined

  constructor(options: EventOptions) {
    this.#options = options
    this.#events = new EventBytes(options)
  }

  /** Good until the next call. */
  of({ form, block }: SnapshotRows, at: { readonly lsn: bigint; readonly nowMs: number }, offsetBehind: (row: number) => SourceOffset): SourceSpans {
    const { schema, table } = form.table
    if (this.#form !== form) this.#table = tableJson(this.#options, { schema, table, names: form.names, types: form.types, keyNames: form.table.keyColumns.map(({ name }) => name) })
    this.#form = form
    const { bytes, rowCount } = block
    const source = { schema, table, lsn: at.lsn, xid: null, commitMs: at.nowMs, snapshot: 'true' } as const
    this.#events.clear()
    for (let row = 0; row < rowCount; row++) this.#events.addCopied(this.#table!, bytes, block.startOf(row), block.endOf(row), source, at.nowMs)
    return this.#events.spans(this.#table!, at.nowMs, offsetBehind)
  }
}
