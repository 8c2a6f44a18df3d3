/** Which transactions a snapshot sees, by their 32-bit ids as the log has them. */
export class TransactionHorizon {
  /** Those below are over. */
  readonly #lowest: number
  /** The first that is not over, as the server writes it. */
  readonly lowest: string
  /** Those from here on had not begun. */
  readonly #next: number
  readonly #running: ReadonlySet<number>

  /** `text`: as `pg_current_snapshot()` is written, `xmin:xmax:xip,xip`. */
  constructor(text: string) {
    const [lowest = '0', next = '0', running = ''] = text.split(':')
    this.lowest = lowest
    this.#lowest = shortId(lowest)
    this.#next = shortId(next)
    this.#running = new Set(running === '' ? [] : running.split(',').map(shortId))
  }

  sees(xid: number): boolean {
    if (isBefore(xid, this.#lowest)) return true
    return isBefore(xid, this.#next) && !this.#running.has(xid)
  }

  /** All before that transaction are over. `xid`: as the server writes it, with the epoch. */
  isPast(xid: string): boolean {
    return !isBefore(this.#lowest, shortId(xid))
  }
}

/** Without the epoch. */
function shortId(text: string): number {
  return Number(BigInt.asUintN(32, BigInt(text)))
}

/** Ids come round: half of all are before an id, half are after it. */
function isBefore(xid: number, other: number): boolean {
  return ((xid - other) | 0) < 0
}
