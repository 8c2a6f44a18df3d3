/** A slice of restoring takes about as long as a slice of processing, where there is something to process. */
const sliceMs = 10
const leastBytes = 16 * 1024
const mostBytes = 4 * 1024 * 1024

/**
 * How much of the changelogs is restored at a time. While tasks that run have work, restoring gets about half of the thread's
 * time, measured by what it took lately; when they have none, all of it.
 */
export class RestorePace {
  /** Of the last slices; a first guess for small records. */
  #bytesPerMs = 32 * 1024

  /** Bytes of the next slice. */
  next(isBusy: boolean): number {
    return isBusy ? Math.min(mostBytes, Math.max(leastBytes, Math.round(this.#bytesPerMs * sliceMs))) : mostBytes
  }

  took(bytes: number, ms: number): void {
    if (bytes === 0) return
    // A clock that has not moved has still run.
    const bytesPerMs = bytes / Math.max(0.1, ms)
    this.#bytesPerMs = (this.#bytesPerMs + bytesPerMs) / 2
  }
}
