import { KeysAhead } from '../../core/index.ts'
import type { ByteRows, RowsAhead } from './byte-rows.ts'
import type { CachingOptions } from './caching-byte-store.ts'
import type { WriteReporter } from './changelog-byte-store.ts'
import { FlushedRow } from './flushed-row.ts'
import { WaitingRows, noRows } from './waiting-rows.ts'
import type { WriteBackRows } from './write-back-rows.ts'

/** What a store does at a flush beside what every store does. */
export interface FlushSteps {
  /** The row goes to the changelog and downstream next. */
  leaves(owner: WriteBackRows, row: number): void
  /** All that waited are gone. */
  ended(): void
}

/**
 * The rows of a store that wait for a flush (a commit, or the budget is used up), in the order in which they began to wait; they lie in one table or
 * several. What waits is what others see of a row, the changelog and the operator that sends it on: only the last of several updates of a key.
 * The budget counts rows that wait, since letting others go would free nothing.
 */
export class FlushList {
  readonly noteOrigin: CachingOptions['noteOrigin']
  /** Of the changelog; null: there is none. */
  readonly #reporter: WriteReporter | null
  readonly #options: CachingOptions
  readonly #steps: FlushSteps | null
  #waiting = new WaitingRows()
  /** The list that is filled while the other one is flushed. */
  #spare = new WaitingRows()
  #flushing = false
  /** Those that waited when the store was sealed, or committed: where what a flush leads to comes back to its own store. */
  #sealedWaiting = noRows
  #committedWaiting = noRows
  #usedBytes = 0
  #onFlush: { readonly listener: (row: FlushedRow) => void; readonly withOldValues: boolean; readonly ahead: ((rows: RowsAhead) => void) | null } | null = null
  #flushed: FlushedRow | null = null

  constructor(reporter: WriteReporter | null, options: CachingOptions, steps: FlushSteps | null = null) {
    this.#reporter = reporter
    this.#options = options
    this.noteOrigin = options.noteOrigin
    this.#steps = steps
  }

  onFlush(listener: (row: FlushedRow) => void, withOldValues: boolean, ahead?: (rows: RowsAhead) => void): void {
    this.#onFlush = { listener, withOldValues, ahead: ahead ?? null }
  }

  get count(): number {
    return this.#waiting.count
  }

  get mustFlush(): boolean {
    return !this.#flushing && this.#options.budget.exceeded
  }

  /** False: a row of so many bytes that waits, too, would have to be flushed at once. */
  hasRoom(bytes: number): boolean {
    return this.#options.budget.hasRoom(bytes)
  }

  /** A row with a value is about to be changed that does not wait yet. */
  keepValue({ table }: WriteBackRows, row: number): void {
    if (this.#onFlush?.withOldValues === true) this.#waiting.keepValue(table, row)
  }

  /** A row waits from now on. `before`: the length of its value until now; below 0: it had none. */
  add(owner: WriteBackRows, row: number, before: number): void {
    this.#waiting.add(owner, row, before)
    this.use(owner.sizeOf(row))
  }

  /** Bytes that rows which wait have more than before. */
  use(bytes: number): void {
    this.#usedBytes += bytes
    this.#options.budget.usedBytes += bytes
  }

  flush(): void {
    // What this leads to may write here again, which is for the next time.
    if (this.#flushing || this.#waiting.count === 0) return
    const rows = this.#waiting
    const { currentRecord, enter, enterRow } = this.#options
    const before = currentRecord()
    this.#waiting = this.#spare
    this.#flushing = true
    let index = 0
    try {
      for (; index < rows.count; index++) {
        const owner = rows.owner(index)
        const row = rows.row(index)
        if (index % KeysAhead.groupSize === 0) this.#lookAhead(owner.table, rows, index)
        this.use(-owner.sizeOf(row))
        owner.leave(row)
        enterRow(owner.origins, row)
        this.#flushRow(owner, row, rows, index)
      }
    } finally {
      for (index++; index < rows.count; index++) rows.owner(index).leave(rows.row(index))
      rows.clear()
      this.#spare = rows
      this.#flushing = false
      enter(before)
    }
    this.#steps?.ended()
  }

  /** The store was sealed: what waits now, waits after a rollback to here. */
  sealed(): void {
    this.#sealedWaiting = this.#waiting.entries().filter(({ owner }) => owner.below === null)
    for (const { owner, row } of this.#sealedWaiting) owner.store.touch(row)
  }

  committed(): void {
    this.#committedWaiting = this.#sealedWaiting
    this.#sealedWaiting = noRows
  }

  /** After the tables. */
  rolledBack(): void {
    for (let index = 0; index < this.#waiting.count; index++) this.#waiting.owner(index).leave(this.#waiting.row(index))
    this.#waiting.clear()
    this.use(-this.#usedBytes)
    this.#sealedWaiting = noRows
    for (const { owner, row } of this.#committedWaiting) owner.waitAgain(row)
  }

  #lookAhead(table: ByteRows, rows: WaitingRows, index: number): void {
    const ahead = this.#onFlush?.ahead ?? null
    if (ahead !== null) ahead({ table, rows: rowsAhead, count: rows.rowsIn(table, index, rowsAhead) })
  }

  #flushRow(owner: WriteBackRows, row: number, rows: WaitingRows, index: number): void {
    const { table, below } = owner
    const { listener, withOldValues } = this.#onFlush ?? noListener
    const isDeletion = table.valueLength(row) < 0
    const belowHas = below !== null && (isDeletion || withOldValues) ? below(table.key(row)) : null
    // A row that was written and deleted between two flushes never existed for anyone else.
    if (listener !== null && isDeletion && !(below === null ? rows.hadValue(index) : belowHas !== null)) return
    this.#steps?.leaves(owner, row)
    this.#reporter?.putRow(table, row)
    if (listener === null) return
    const flushed = (this.#flushed ??= new FlushedRow(table, owner.origins))
    flushed.table = table
    flushed.origins = owner.origins
    flushed.row = row
    flushed.oldValue = !withOldValues ? null : below === null ? rows.oldValue(index) : belowHas
    listener(flushed)
  }
}

const rowsAhead = new Int32Array(KeysAhead.groupSize)
const noListener = { listener: null, withOldValues: false }
