import type { KeysAhead } from '../../core/index.ts'
import type { ByteEntry, ByteRange, ByteStore } from './byte-store.ts'
import type { ByteRows } from './byte-rows.ts'
import type { BaseLength } from './key-chains.ts'

/** A store of our own, that takes rows as they lie in a table, too. */
export interface RowTarget extends ByteStore {
  /** As `put`, of key and value of a row. Absent: it has no such way. */
  putRow?(table: ByteRows, row: number): void
}

/** Puts key and value of a row in the way that the store has. */
export function putRowTo(target: RowTarget, table: ByteRows, row: number): void {
  if (target.putRow === undefined) target.put(table.key(row), table.value(row))
  else target.putRow(table, row)
}

/** Takes writes of a store after they were made. */
export interface WriteReporter {
  readonly put: (key: Uint8Array, value: Uint8Array | null) => void
  /** As `put`, of key and value of a row of a table. */
  readonly putRow: (table: ByteRows, row: number) => void
}

/** Reports every write of a byte store; the runtime turns the reports into records of the changelog topic. */
export class ChangelogByteStore implements RowTarget {
  readonly #inner: RowTarget
  readonly #reporter: WriteReporter

  constructor(inner: RowTarget, reporter: WriteReporter) {
    this.#inner = inner
    this.#reporter = reporter
  }

  get(key: Uint8Array): Uint8Array | null {
    return this.#inner.get(key)
  }

  borrow(key: Uint8Array): Uint8Array | null {
    return this.#inner.borrow(key)
  }

  put(key: Uint8Array, value: Uint8Array | null): void {
    this.#inner.put(key, value)
    this.#reporter.put(key, value)
  }

  putRow(table: ByteRows, row: number): void {
    putRowTo(this.#inner, table, row)
    this.#reporter.putRow(table, row)
  }

  scan(range: ByteRange): Iterable<ByteEntry> {
    return this.#inner.scan(range)
  }

  scanOf(key: Uint8Array, baseLength: BaseLength): Iterable<ByteEntry> | null {
    return this.#inner.scanOf?.(key, baseLength) ?? null
  }

  lookAhead(keys: KeysAhead): void {
    this.#inner.lookAhead?.(keys)
  }

  count(): number {
    return this.#inner.count()
  }

  commit(): void {
    this.#inner.commit()
  }

  rollback(): void {
    this.#inner.rollback()
  }
}
