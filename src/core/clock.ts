/** Time arrives as an argument everywhere, so that a simulation can own it. This is the one file that reads the real clock. */
export interface Clock {
  /** Milliseconds since the epoch; may jump when the machine's clock is set. */
  now(): number
  /** Monotonic milliseconds, for timeouts and durations; never jumps. */
  monotonic(): number
  /** Calls back once, `delayMs` from now. The caller owns the timer and cancels it. */
  setTimer(delayMs: number, callback: () => void): Timer
}

export interface Timer {
  /** No call-back after this; calling it twice is fine. */
  cancel(): void
}

export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  setTimer(delayMs, callback) {
    const handle = setTimeout(callback, delayMs)
    return { cancel: () => clearTimeout(handle) }
  },
}

/**
 * The time for deciding that something is old enough to go: what the clock says, but never more than has really passed since
 * this was made. A machine whose clock is set an hour ahead deletes nothing an hour early; one that is set back waits.
 */
export function unhurriedNow(clock: Clock): () => number {
  const startedAt = clock.now() - clock.monotonic()
  return () => Math.min(clock.now(), startedAt + clock.monotonic())
}

/** Resolves after `delayMs`, or at once when the signal fires (it never rejects). */
export function sleep(clock: Clock, delayMs: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal?.aborted) return resolve()
    const done = () => {
      timer.cancel()
      signal?.removeEventListener('abort', done)
      resolve()
    }
    const timer = clock.setTimer(delayMs, done)
    signal?.addEventListener('abort', done, { once: true })
  })
}
