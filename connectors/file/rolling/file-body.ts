/** What is written into one file, until it is finished: the contract of every format. */
import { fsyncSync, ftruncateSync, closeSync, openSync, unlinkSync, writeSync } from 'node:fs'
import { gzipSync } from 'node:zlib'
import { retriableError, zstdCodec } from 'millrace/connect'
import type { SinkRecord } from 'millrace/connect'

export interface FileBody {
  /**
   * Takes a record, perhaps only into memory.
   * @returns false when the record does not fit this file, such as one with other columns: nothing was taken, and it belongs into a new one
   * @throws a data error for a record that fits no file; a retriable error when the disk is full: the record was not taken then
   */
  add(record: SinkRecord): boolean
  /** Writes whatever is left. May be called again after a retriable error. */
  finish(): void
}

export type Deflate = (bytes: Uint8Array) => Uint8Array

/** Pieces compressed one by one are, one behind the other, a compressed file: that is so for gzip and for zstd. */
export function deflateOf(compression: 'none' | 'gzip' | 'zstd'): Deflate | undefined {
  if (compression === 'none') return undefined
  return compression === 'gzip' ? (bytes) => gzipSync(bytes) : (bytes) => zstdCodec.deflate(bytes)
}

/** A file that nobody knows yet. */
export class TemporaryFile {
  readonly path: string
  readonly #handle: number
  #length = 0

  constructor(path: string) {
    this.path = path
    this.#handle = openSync(path, 'wx', 0o644)
  }

  get length(): number {
    return this.#length
  }

  /** All or nothing. @throws a retriable error when the disk is full or refuses */
  append(bytes: Uint8Array): void {
    let written = 0
    try {
      while (written < bytes.length) written += writeSync(this.#handle, bytes, written)
    } catch (error) {
      if (written > 0) ftruncateSync(this.#handle, this.#length)
      throw diskError(this.path, error)
    }
    this.#length += bytes.length
  }

  sync(): void {
    fsyncSync(this.#handle)
  }

  close(): void {
    closeSync(this.#handle)
  }

  /** It will not be published. */
  discard(): void {
    this.close()
    unlinkSync(this.path)
  }
}

/** Nothing is damaged: what was not published is written again. */
export function diskError(path: string, error: unknown): Error {
  const code = (error as NodeJS.ErrnoException).code ?? String(error)
  return retriableError(`${path}: ${code === 'ENOSPC' ? 'the disk is full; free some space' : `the disk refuses (${code})`}. Nothing is damaged`, { cause: error })
}
