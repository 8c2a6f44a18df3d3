import { KeysAhead } from '../../core/index.ts'
import type { RecordReader } from '../../core/index.ts'
import type { OpenStore } from '../state/open-store.ts'

/**
 * Tells stores which keys they will be asked for, a group of records before these are processed. It spares waiting for memory: rows of a large table are in
 * no cache of the processor, and to find one there are three or four places to read, each known only when the one before has come. Of a group of keys
 * all first places are fetched together, then all second ones. Nothing that a program could see depends on it.
 */
export class LookAhead {
  readonly #stores: readonly OpenStore[]
  /** Records until the next group. */
  #left = 0

  constructor(stores: readonly OpenStore[]) {
    this.#stores = stores
  }

  /** The reader has come to the first record of a batch. */
  begin(): void {
    this.#left = 0
  }

  /** The reader has come to a record, which is processed after this. */
  pass(reader: RecordReader): void {
    if (this.#left-- > 0) return
    this.#left = KeysAhead.groupSize - 1
    keys.begin(reader)
    for (const store of this.#stores) store.lookAhead!(keys)
  }
}

const keys = new KeysAhead()
