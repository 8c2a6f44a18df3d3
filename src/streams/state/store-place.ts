import type { ByteStore } from './byte-store.ts'
import type { DiskState } from './disk-state.ts'
import type { LmdbByteStore } from './lmdb-byte-store.ts'
import { MemoryByteStore } from './memory-byte-store.ts'

/** What one store may be made of: its rows, an order of them, and rows of before. */
export type StoreTable = 'rows' | 'order' | 'history'

/** Where a store has its tables and numbers: in memory, or on disk, where they outlive the process. */
export interface StorePlace {
  table(table: StoreTable): ByteStore
  /** `initial`: while nothing else was committed. */
  number(name: string, initial: number): StoreNumber
  /** Forgets all of it, at once and for ever. null: it is in memory. */
  readonly wipe: (() => void) | null
}

/** A number that commits and rolls back with the rows of its store. */
export class StoreNumber {
  value: number
  #committed: number
  /** What the next commit is about; null: the value of then. */
  #sealed: number | null = null
  readonly #initial: number
  readonly #keep: (value: number) => void

  constructor(kept: number | null, initial: number, keep: (value: number) => void) {
    this.value = kept ?? initial
    this.#committed = this.value
    this.#initial = initial
    this.#keep = keep
  }

  /** What changes from now on is not for the next commit, but for the one after it. */
  seal(): void {
    this.#sealed = this.value
  }

  commit(): void {
    const value = this.#sealed ?? this.value
    this.#sealed = null
    if (value === this.#committed) return
    this.#committed = value
    this.#keep(value)
  }

  rollback(): void {
    this.#sealed = null
    this.value = this.#committed
  }

  reset(): void {
    this.#sealed = null
    this.value = this.#initial
    this.commit()
  }
}

export const inMemory: StorePlace = {
  table: () => new MemoryByteStore(),
  number: (_name, initial) => new StoreNumber(null, initial, () => {}),
  wipe: null,
}

export function onDisk(disk: DiskState, store: string): StorePlace {
  const tables: LmdbByteStore[] = []
  const numbers: StoreNumber[] = []
  return {
    table(table) {
      const rows = disk.table(store, table)
      tables.push(rows)
      return rows
    },
    number(name, initial) {
      const number = new StoreNumber(disk.number(store, name), initial, (value) => disk.setNumber(store, name, value))
      numbers.push(number)
      return number
    },
    wipe() {
      for (const rows of tables) rows.wipe()
      for (const number of numbers) number.reset()
    },
  }
}
