const longestRest = 1_024

/**
 * When an upsert tries to copy its rows straight into the table, which costs the server a third of what merging them does. It can only be done
 * with rows whose keys are new: the table refuses others, at the first of them. After a refusal rows are merged for a while, twice as long as after the one before.
 */
export class StraightTries {
  #restBatches = 0
  #nextRest = 1

  /** Asked once a batch. */
  isDue(): boolean {
    if (this.#restBatches === 0) return true
    this.#restBatches--
    return false
  }

  taken(): void {
    this.#nextRest = Math.max(1, this.#nextRest >> 1)
  }

  refused(): void {
    this.#restBatches = this.#nextRest
    this.#nextRest = Math.min(2 * this.#nextRest, longestRest)
  }
}
