import type { Segment } from './segment.ts'

export interface RolledSegment {
  readonly segment: Segment
  readonly nextBaseOffset: number
  /** The producers as they were at the roll. */
  readonly snapshot: Uint8Array
}

/** Segments that are not appended to any more, on their way to being sealed. In order, and each only when it is on disk. */
export class RolledSegments {
  readonly #rolled: RolledSegment[] = []
  /** So many, from the first on, are on disk. */
  #durable = 0

  add(rolled: RolledSegment): void {
    this.#rolled.push(rolled)
  }

  /** Those that may not be on disk. */
  unsynced(): readonly RolledSegment[] {
    return this.#rolled.slice(this.#durable)
  }

  /** `rolled`, which `unsynced` gave, are on disk now. */
  noteSynced(rolled: readonly RolledSegment[]): void {
    const last = rolled.at(-1)
    if (last !== undefined) this.#durable = Math.max(this.#durable, this.#rolled.indexOf(last) + 1)
  }

  /** `vouch` brings to disk what makes each of them readable without a scan; then memory and descriptors are given back. */
  async seal(vouch: (rolled: RolledSegment) => Promise<void>): Promise<void> {
    while (this.#durable > 0) {
      const rolled = this.#rolled[0]!
      await vouch(rolled)
      rolled.segment.seal()
      this.#rolled.shift()
      this.#durable--
    }
  }
}
