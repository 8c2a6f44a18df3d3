/**
 * At most one commit of a thread that is on its way while records of the next one are processed:
 * ```
 *   none ──begin──▶ on its way ──▶ none                 what it failed with is thrown by the next `check` or `ended`
 * ```
 */
export class CommitUnderWay {
  #end: Promise<void> | null = null
  #failure: { readonly error: unknown } | null = null

  get isUnderWay(): boolean {
    return this.#end !== null
  }

  /** None is on its way. */
  begin(commit: Promise<void>): void {
    this.#end = commit.catch((error: unknown) => { this.#failure = { error } }).then(() => { this.#end = null })
  }

  /** @throws what the last one failed with, once */
  check(): void {
    const failure = this.#failure
    this.#failure = null
    if (failure !== null) throw failure.error
  }

  /** Resolves when none is on its way. @throws as `check` */
  async ended(): Promise<void> {
    await this.#end
    this.check()
  }

  /** As `ended`, for who undoes what was not committed, whatever became of it. */
  async settled(): Promise<void> {
    await this.#end
    this.#failure = null
  }
}
