/** A bound in bytes with a queue before it: who comes first is let through first. One request larger than the whole bound is let through alone. */
export class ByteBudget {
  readonly #maxBytes: number
  readonly #waiting: { readonly bytes: number; readonly admit: () => void; readonly refuse: (error: Error) => void }[] = []
  #usedBytes = 0

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes
  }

  /** True when the bytes were taken at once; otherwise `acquire` waits for them. */
  tryAcquire(bytes: number): boolean {
    if (this.#waiting.length > 0 || (this.#usedBytes > 0 && this.#usedBytes + bytes > this.#maxBytes)) return false
    this.#usedBytes += bytes
    return true
  }

  acquire(bytes: number): Promise<void> {
    if (this.tryAcquire(bytes)) return Promise.resolve()
    return new Promise((admit, refuse) => this.#waiting.push({ bytes, admit, refuse }))
  }

  release(bytes: number): void {
    this.#usedBytes -= bytes
    for (let next = this.#waiting[0]; next !== undefined; next = this.#waiting[0]) {
      if (this.#usedBytes > 0 && this.#usedBytes + next.bytes > this.#maxBytes) return
      this.#waiting.shift()
      this.#usedBytes += next.bytes
      next.admit()
    }
  }

  /** Everyone who waits gets the error. */
  refuseWaiting(error: Error): void {
    for (const { refuse } of this.#waiting.splice(0)) refuse(error)
  }
}
