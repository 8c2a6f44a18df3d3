import type { Clock, Timer } from '../../../core/index.ts'
import type { Log } from '../../connector.ts'
import { quietly } from '../quietly.ts'
import type { SessionKey } from './config-records.ts'
import { newSessionKey } from './session-key.ts'

export interface SessionKeysOptions {
  /** The one in the config topic; null: there is none yet. */
  readonly known: () => SessionKey | null
  /** To the config topic. */
  readonly put: (key: SessionKey) => Promise<void>
  readonly isLeader: () => boolean
  readonly ttlMs: number
  readonly clock: Clock
  readonly log: Log
}

/** The leader's care for the key by which workers know each other: made when there is none, and anew when it has lived `inter.worker.key.ttl.ms` (KIP-507). */
export class SessionKeys {
  readonly #options: SessionKeysOptions
  #timer: Timer | undefined
  #isClosed = false

  constructor(options: SessionKeysOptions) {
    this.#options = options
  }

  /** To be called when this worker begins to lead. */
  async ensure(): Promise<void> {
    const { known, put, ttlMs, clock } = this.#options
    const key = known()
    if (key === null || clock.now() - key.createdAt >= ttlMs) await put(newSessionKey(clock.now()))
    this.#watch()
  }

  close(): void {
    this.#isClosed = true
    this.#timer?.cancel()
  }

  /** As long as it leads. */
  #watch(): void {
    const { known, ttlMs, clock, isLeader, log } = this.#options
    this.#timer?.cancel()
    if (this.#isClosed) return
    const age = clock.now() - (known()?.createdAt ?? clock.now())
    this.#timer = clock.setTimer(Math.min(Math.max(ttlMs - age, retryMs), longestTimerMs), () => {
      if (isLeader()) void quietly('the key of the cluster cannot be made anew', () => this.ensure(), log).then(() => this.#watch())
    })
  }
}

/** What is written may not have been read back yet, or could not be written. */
const retryMs = 1_000
/** A timer cannot be set for longer. */
const longestTimerMs = 2 ** 31 - 1
