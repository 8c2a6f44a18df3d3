/** `buckets` says how many were at most `upTo`, cumulatively; the last one is all of them, up to Infinity. */
export interface HistogramValues {
  readonly buckets: readonly { readonly upTo: number; readonly count: number }[]
  readonly sum: number
  readonly count: number
}

/** In milliseconds: from a disk with a cache to one that is about to fail. */
const latencyBoundsMs = [0.1, 0.25, 0.5, 1, 2.5, 5, 10, 25, 50, 100, 250, 1_000, Infinity] as const

/** How long the disk took for each sync. One call a sync, and a sync serves all who wait for it. */
export class SyncLatency {
  readonly #counts: number[] = latencyBoundsMs.map(() => 0)
  #sumMs = 0
  #count = 0

  readonly record = (ms: number): void => {
    let bucket = 0
    while (ms > latencyBoundsMs[bucket]!) bucket++
    this.#counts[bucket]!++
    this.#sumMs += ms
    this.#count++
  }

  snapshot(): HistogramValues {
    let below = 0
    const buckets = this.#counts.map((count, index) => ({ upTo: latencyBoundsMs[index]!, count: (below += count) }))
    return { buckets, sum: this.#sumMs, count: this.#count }
  }
}
