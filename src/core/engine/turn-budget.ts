/**
 * Lets those go on who waited for the disk, some bytes a turn of the event loop. When one sync answers many large appends and all of
 * them went on at once, they would keep the loop busy with their next batches, and the next sync, which has ended long since, would
 * go unheard: disk and processor would take turns instead of working side by side.
 */
export class TurnBudget {
  readonly #bytesPerTurn: number
  #left: number
  #renewal: Promise<void> | null = null

  constructor(bytesPerTurn: number) {
    this.#bytesPerTurn = bytesPerTurn
    this.#left = bytesPerTurn
  }

  /** Resolves in this turn while there is budget, in a later one otherwise; in the order of the calls. */
  async spend(bytes: number): Promise<void> {
    while (this.#left <= 0) await this.#renewal
    this.#left -= bytes
    this.#renewal ??= new Promise((resolve) => {
      setImmediate(() => {
        this.#left = this.#bytesPerTurn
        this.#renewal = null
        resolve()
      })
    })
  }
}
