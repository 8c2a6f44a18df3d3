/** The subset of the package `lmdb` that state stores use. It is optional: loaded when an application has a state directory. */
import { StreamError } from '../../core/index.ts'

export interface LmdbDatabase {
  getBinary(key: Uint8Array): Uint8Array | undefined
  putSync(key: Uint8Array, value: Uint8Array): unknown
  removeSync(key: Uint8Array): unknown
  getRange(range: LmdbRange): Iterable<{ readonly key: Uint8Array; readonly value: Uint8Array }>
  getKeys(range: LmdbRange): Iterable<Uint8Array>
  getKeysCount(range: LmdbRange): number
  transactionSync<T>(work: () => T): T
}

/** From `start` on to `end`, upwards or with `reverse` downwards. Unless it says otherwise, `start` is part of it and `end` is not. */
export interface LmdbRange {
  readonly start?: Uint8Array
  readonly end?: Uint8Array
  readonly reverse?: boolean
  readonly exclusiveStart?: boolean
  readonly inclusiveEnd?: boolean
}

export interface LmdbEnvironment {
  openDB(options: { readonly name: string; readonly encoding: 'binary'; readonly keyEncoding: 'binary' }): LmdbDatabase
  close(): Promise<void>
}

export interface Lmdb {
  open(options: {
    readonly path: string
    readonly noSubdir: false
    readonly noSync: boolean
    readonly overlappingSync: false
    readonly maxDbs: number
    readonly pageSize: number
    readonly encoding: 'binary'
    readonly keyEncoding: 'binary'
  }): LmdbEnvironment
}

/** @throws UNSUPPORTED when the package is not installed */
export async function loadLmdb(): Promise<Lmdb> {
  try {
    return (await import('lmdb')) as unknown as Lmdb
  } catch (error) {
    throw new StreamError('UNSUPPORTED', 'stateDirectory keeps stores on disk with the package lmdb, which is not installed here: npm install lmdb (or leave stateDirectory out, and stores are kept in memory)', { cause: error })
  }
}
