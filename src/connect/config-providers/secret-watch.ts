import type { Clock, Timer } from '../../core/index.ts'
import type { RawConfig } from '../config-spec.ts'
import type { Log } from '../connector.ts'
import { describeError } from '../errors.ts'
import type { Secrets } from './secrets.ts'

export interface SecretWatchOptions {
  readonly secrets: Secrets
  /** With placeholders. */
  readonly config: RawConfig
  /** For the log. */
  readonly name: string
  readonly clock: Clock
  readonly log: Log
  /** A secret of the config is another one now. */
  readonly onChange: () => void
}

/**
 * Looks the secrets of a config up again whenever the time to live of one is over (`config.providers.<name>.param.ttl.ms`), and calls
 * when one has changed. One that cannot be looked up just now counts as unchanged: the file may be about to be replaced.
 */
export function watchSecrets({ secrets, config, name, clock, log, onChange }: SecretWatchOptions): { cancel(): void } {
  const ttlMs = secrets.ttlMs(config)
  if (ttlMs === undefined) return { cancel: () => {} }
  let known = filledIn()
  let timer: Timer | undefined
  const look = () => {
    const now = filledIn()
    const hasChanged = now !== undefined && known !== undefined && now !== known
    known = now ?? known
    timer = clock.setTimer(ttlMs, look)
    if (hasChanged) onChange()
  }
  timer = clock.setTimer(ttlMs, look)
  return { cancel: () => timer?.cancel() }

  function filledIn(): string | undefined {
    try {
      return JSON.stringify(secrets.resolve(config))
    } catch (error) {
      log.warn(`${name}: its secrets cannot be looked up again; it goes on with those it has: ${describeError(error)}`)
      return undefined
    }
  }
}
