import { StreamError } from './errors.ts'

/** Milliseconds as a number, or text such as `'250ms'`, `'10s'`, `'1m'`, `'2h'`, `'7d'`. */
export type Duration = number | `${number}${'ms' | 's' | 'm' | 'h' | 'd'}`

const unitMs: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 }

/** The duration in milliseconds. `name` is the option it came from, for the error. */
export function durationMs(duration: Duration, name = 'duration'): number {
  const match = typeof duration === 'string' ? /^(\d+(?:\.\d+)?)(ms|s|m|h|d)$/.exec(duration) : undefined
  const ms = match ? Number(match[1]) * unitMs[match[2]!]! : duration
  if (typeof ms === 'number' && Number.isFinite(ms) && ms >= 0) return ms
  throw new StreamError('INVALID_ARGUMENT', `${name}: ${JSON.stringify(duration)} is not a duration; give milliseconds, or text such as '10s' or '1m'`)
}
