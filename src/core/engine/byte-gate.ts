/** Bounds the bytes that are handed over and not yet acknowledged. First come, first served; a single item larger than the bound passes alone. */
export class ByteGate {
  readonly #maxBytes: number
  #usedBytes = 0
  readonly #waiting: { readonly bytes: number; readonly enter: () => void }[] = []

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes
  }

  /** Nothing when there is room at once; otherwise a promise of it. Every entry is followed by one `leave`. */
  enter(bytes: number): Promise<void> | undefined {
    if (this.#waiting.length === 0 && this.#fits(bytes)) {
      this.#usedBytes += bytes
      return undefined
    }
    return new Promise((enter) => this.#waiting.push({ bytes, enter }))
  }

  leave(bytes: number): void {
    this.#usedBytes -= bytes
    for (let next = this.#waiting[0]; next !== undefined && this.#fits(next.bytes); next = this.#waiting[0]) {
      this.#waiting.shift()
      this.#usedBytes += next.bytes
      next.enter()
    }
  }

  #fits(bytes: number): boolean {
    return this.#usedBytes === 0 || this.#usedBytes + bytes <= this.#maxBytes
  }
}
