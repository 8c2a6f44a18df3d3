/** Steps about one name run one after the other, whatever became of the one before; those about different names side by side. */
export class Turns {
  /** The last of what waits for its turn. */
  readonly #last = new Map<string, Promise<void>>()

  take<T>(name: string, step: () => Promise<T>): Promise<T> {
    const done = (this.#last.get(name) ?? Promise.resolve()).then(step)
    const turn = done.then(() => {}, () => {}).then(() => { if (this.#last.get(name) === turn) this.#last.delete(name) })
    this.#last.set(name, turn)
    return done
  }
}
