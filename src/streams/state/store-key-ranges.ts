/**
 * Where rows of windowed stores stand, by key: both ends inclusive, in the layouts of store-keys.ts. A range of several keys also
 * has rows of other keys in it, since the times of a key stand where a longer one goes on: who scans it looks at each row.
 * Semantics: WindowKeySchema, SessionKeySchema and OrderedBytes of Kafka Streams.
 */
import { compareBytes, keyAfter, noBytes } from './bytes.ts'
import type { ByteRange } from './byte-store.ts'
import { joinBytes, sessionKey, windowKey } from './store-keys.ts'

export interface KeyRange {
  readonly first: Uint8Array
  readonly last: Uint8Array
}

const largestSequence = 0x7fff_ffff
const largestTime = 2 ** 63

/** Windows of one key that start from `from` to `to`. */
export function windowsOfKey(key: Uint8Array, from: number, to: number): KeyRange {
  return { first: windowKey(key, Math.max(0, from)), last: windowKey(key, Math.max(0, to), largestSequence) }
}

/** Windows that start at `to` or before it, of all keys from `low` to `high`. */
export function windowsOfKeys(low: Uint8Array, high: Uint8Array, to: number): KeyRange {
  return { first: windowKey(low, 0), last: lastOf(high, windowKey(noBytes, Math.max(0, to), largestSequence)) }
}

/** Sessions of one key that end at `earliestEnd` or later, in the order of ends. */
export function sessionsOfKey(key: Uint8Array, earliestEnd: number, latestStart: number): KeyRange {
  return { first: sessionKey(key, 0, Math.max(0, earliestEnd)), last: sessionKey(key, Math.max(0, latestStart), largestTime) }
}

/** Sessions of all keys from `low` to `high`. */
export function sessionsOfKeys(low: Uint8Array, high: Uint8Array, latestStart: number): KeyRange {
  return { first: sessionKey(low, 0, 0), last: lastOf(high, sessionKey(noBytes, Math.max(0, latestStart), largestTime)) }
}

export function scanOf({ first, last }: KeyRange): Pick<ByteRange, 'from' | 'to'> {
  return { from: first, to: keyAfter(last) }
}

/** The last row of `high` or of a key before it: of one that `high` begins with, the times may be larger than the rest of `high`. */
function lastOf(high: Uint8Array, times: Uint8Array): Uint8Array {
  // The empty key counts only where `high` could be taken for times: none of this era begins with another byte.
  const shortest = high[0] === 0 ? 0 : 1
  let last = joinBytes(high, times)
  for (let length = high.length - 1; length >= shortest; length--) {
    if (compareBytes(times, last.subarray(length)) > 0) last = joinBytes(high.subarray(0, length), times)
  }
  return last
}
