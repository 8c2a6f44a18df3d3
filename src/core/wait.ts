/** Waiting with a bound, on the clock that was given. */
import type { Clock } from './clock.ts'
import { StreamError } from './errors.ts'

/** True when the promise settled (either way) within `waitMs` and before the signal fired. Never rejects. */
export function settledWithin(promise: Promise<unknown>, clock: Clock, waitMs: number, signal?: AbortSignal): Promise<boolean> {
  return new Promise((resolve) => {
    if (signal?.aborted) return resolve(false)
    const finish = (settled: boolean) => {
      timer.cancel()
      signal?.removeEventListener('abort', giveUp)
      resolve(settled)
    }
    const giveUp = () => finish(false)
    const timer = clock.setTimer(waitMs, giveUp)
    signal?.addEventListener('abort', giveUp, { once: true })
    promise.then(() => finish(true), () => finish(true))
  })
}

/** The signal of `GroupOptions` has ended the join. */
export function joinAborted(groupId: string, cause: unknown): StreamError {
  return new StreamError('ABORTED', `the wait to join group '${groupId}' was ended`, { cause, details: { groupId } })
}

/** Fires when either does. The caller ends it with `release`, which takes the listeners off again. */
export function eitherSignal(a: AbortSignal, b: AbortSignal | undefined): { readonly signal: AbortSignal; release(): void } {
  if (b === undefined) return { signal: a, release: () => undefined }
  const both = new AbortController()
  const fire = () => both.abort()
  if (a.aborted || b.aborted) fire()
  a.addEventListener('abort', fire, { once: true })
  b.addEventListener('abort', fire, { once: true })
  return {
    signal: both.signal,
    release() {
      a.removeEventListener('abort', fire)
      b.removeEventListener('abort', fire)
    },
  }
}
