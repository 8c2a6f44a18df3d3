/**
 * Lets those go on who waited for the disk, some bytes a turn of the event loop. When one sync answers many large appends and all of
 * them went on at once, they would keep the loop busy with their next batches, and the next sync, which has ended long since, would
 * go unheard: disk and processor would take turns instead of working side by side.
 */
export class TurnBudget {
  readonly #bytesPerTurn: number
  #left: number
  #isRenewing = false
  /** As many as there are appends in flight, which producers bound. */
  #waiting: { readonly bytes: number; readonly go: () => void }[] = []

  constructor(bytesPerTurn: number) {
    this.#bytesPerTurn = bytesPerTurn
    this.#left = bytesPerTurn
  }

  /** Undefined: go on at once. Otherwise when it resolves, in a later turn. Nobody goes on before one who asked earlier. */
  spend(bytes: number): Promise<void> | undefined {
    if (this.#left <= 0 || this.#waiting.length > 0) return new Promise((go) => this.#waiting.push({ bytes, go }))
    this.#take(bytes)
    return undefined
  }

  #take(bytes: number): void {
    this.#left -= bytes
    if (this.#isRenewing) return
    this.#isRenewing = true
    setImmediate(() => this.#renew())
  }

  #renew(): void {
    this.#isRenewing = false
    this.#left = this.#bytesPerTurn
    let gone = 0
    for (; this.#left > 0 && gone < this.#waiting.length; gone++) {
      const { bytes, go } = this.#waiting[gone]!
      this.#take(bytes)
      go()
    }
    this.#waiting = this.#waiting.slice(gone)
  }
}
