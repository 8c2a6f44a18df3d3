import type { ByteEntry } from './byte-store.ts'

/** An entry of what lies in front of a store; without a value it hides the one below. */
export interface UpperEntry {
  readonly key: Uint8Array
  readonly value: Uint8Array | null
}

/** Two scans as one, in the order that both have: `compare`d from the first to the last key, or the other way round. */
export function* mergedScan(upper: Iterable<UpperEntry>, lower: Iterable<ByteEntry>, reverse: boolean, compare: (a: Uint8Array, b: Uint8Array) => number): Iterable<ByteEntry> {
  const direction = reverse ? -1 : 1
  const stored = lower[Symbol.iterator]()
  let below = stored.next()
  for (const { key, value } of upper) {
    while (!below.done && compare(below.value.key, key) * direction < 0) {
      yield below.value
      below = stored.next()
    }
    if (!below.done && compare(below.value.key, key) === 0) below = stored.next()
    if (value !== null) yield { key, value }
  }
  for (; !below.done; below = stored.next()) yield below.value
}
