/**
 * Keys of windowed stores, in Kafka Streams' layouts, so that changelogs are readable by both:
 * ```
 *   window    key bytes · start (8) · sequence number (4)      the number is 0 unless duplicates are kept
 *   session   key bytes · end (8) · start (8)
 * ```
 * and the same by time first, for stores that are read in the order of time:
 * ```
 *   window    start (8) · key bytes · sequence number (4)
 *   session   end (8) · start (8) · key bytes
 * ```
 * On disk, where a store may have both, a byte in front says which: upstream's form of the same.
 */
import { readInt32, readInt64, writeInt32, writeInt64 } from './bytes.ts'

/** How a segmented store finds the time in a key, and the key by time. */
export interface TimedKeys {
  /** After the key bytes; the time is the first of it. */
  readonly suffixBytes: number
  timeOf(key: Uint8Array): number
  /** The key bytes without times. */
  baseOf(key: Uint8Array): Uint8Array
  byTime(key: Uint8Array): Uint8Array
  fromByTime(timeKey: Uint8Array): Uint8Array
}

/** In front of keys that stand beside those of the other order. */
export const orderMarks = { byTime: 0, byKey: 1 } as const

/** Bytes after the key in a window's key. */
export const windowSuffix = 12
const sessionSuffix = 16

export function windowKey(key: Uint8Array, start: number, sequence = 0): Uint8Array {
  const bytes = new Uint8Array(key.length + windowSuffix)
  bytes.set(key)
  writeWindowSuffix(bytes, key.length, start, sequence)
  return bytes
}

export function writeWindowSuffix(bytes: Uint8Array, at: number, start: number, sequence: number): void {
  writeInt64(bytes, at, start)
  writeInt32(bytes, at + 8, sequence)
}

export function windowStartOf(key: Uint8Array): number {
  return readInt64(key, key.length - windowSuffix)
}

/** As `windowStartOf`, of a key in other bytes: `at` is where its times begin. */
export function windowStartIn(bytes: Uint8Array, at: number): number {
  return readInt64(bytes, at)
}

export function windowSequenceOf(key: Uint8Array): number {
  return readInt32(key, key.length - 4)
}

export function sessionKey(key: Uint8Array, start: number, end: number): Uint8Array {
  const bytes = new Uint8Array(key.length + sessionSuffix)
  bytes.set(key)
  writeInt64(bytes, key.length, end)
  writeInt64(bytes, key.length + 8, start)
  return bytes
}

export function sessionEndOf(key: Uint8Array): number {
  return readInt64(key, key.length - sessionSuffix)
}

export function sessionStartOf(key: Uint8Array): number {
  return readInt64(key, key.length - 8)
}

export const windowKeys: TimedKeys = {
  suffixBytes: windowSuffix,
  timeOf: windowStartOf,
  baseOf: (key) => key.subarray(0, key.length - windowSuffix),
  byTime: (key) => joinBytes(key.subarray(key.length - windowSuffix, key.length - 4), key.subarray(0, key.length - windowSuffix), key.subarray(key.length - 4)),
  fromByTime: (timeKey) => joinBytes(timeKey.subarray(8, timeKey.length - 4), timeKey.subarray(0, 8), timeKey.subarray(timeKey.length - 4)),
}

export const sessionKeys: TimedKeys = {
  suffixBytes: sessionSuffix,
  timeOf: sessionEndOf,
  baseOf: (key) => key.subarray(0, key.length - sessionSuffix),
  byTime: (key) => joinBytes(key.subarray(key.length - sessionSuffix), key.subarray(0, key.length - sessionSuffix)),
  fromByTime: (timeKey) => joinBytes(timeKey.subarray(sessionSuffix), timeKey.subarray(0, sessionSuffix)),
}

/** Sessions of stores in memory: by end, then by key. */
export const sessionKeysInMemory: TimedKeys = {
  ...sessionKeys,
  byTime: (key) => joinBytes(key.subarray(key.length - sessionSuffix, key.length - 8), key.subarray(0, key.length - sessionSuffix), key.subarray(key.length - 8)),
  fromByTime: (timeKey) => joinBytes(timeKey.subarray(8, timeKey.length - 8), timeKey.subarray(0, 8), timeKey.subarray(timeKey.length - 8)),
}

/** The first possible key at a time, for bounds of scans by time. */
export function timeBound(time: number): Uint8Array {
  const bytes = new Uint8Array(8)
  writeInt64(bytes, 0, time)
  return bytes
}

export function joinBytes(...parts: readonly Uint8Array[]): Uint8Array {
  const joined = new Uint8Array(parts.reduce((length, part) => length + part.length, 0))
  let offset = 0
  for (const part of parts) {
    joined.set(part, offset)
    offset += part.length
  }
  return joined
}
