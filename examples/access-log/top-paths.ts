/** What the screen shows: the counts that arrived so far, by path. Counts of a window replace each other. */

export interface PathHits {
  readonly path: string
  readonly lastMinute: number
  readonly total: number
}

/** Windows older than this take no more hits (their grace is over long before), so only their sum is kept. */
const openWindows = 5

export class TopPaths {
  #totals = new Map<string, number>()
  /** By start of the window, then by path. */
  #windows = new Map<number, Map<string, number>>()
  #newest = 0

  /** Start of the newest window; 0 before the first count. */
  get newestMinute(): number {
    return this.#newest
  }

  get totalHits(): number {
    let sum = 0
    for (const hits of this.#totals.values()) sum += hits
    return sum
  }

  update(path: string, minute: number, hits: number): void {
    this.#newest = Math.max(this.#newest, minute)
    let window = this.#windows.get(minute)
    if (window === undefined) this.#windows.set(minute, (window = new Map()))
    this.#totals.set(path, (this.#totals.get(path) ?? 0) + hits - (window.get(path) ?? 0))
    window.set(path, hits)
    for (const start of this.#windows.keys()) if (start < this.#newest - openWindows * 60_000) this.#windows.delete(start)
  }

  top(count: number): PathHits[] {
    const newest = this.#windows.get(this.#newest)
    return [...this.#totals]
      .sort(([, a], [, b]) => b - a)
      .slice(0, count)
      .map(([path, total]) => ({ path, total, lastMinute: newest?.get(path) ?? 0 }))
  }
}
