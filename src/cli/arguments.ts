import { InvalidArgumentError } from 'commander'
import { durationMs } from '../core/index.ts'
import type { Duration } from '../core/index.ts'

/** For a repeatable option such as `--config retention.ms=1000`: collects the pairs. */
export function collectPair(text: string, previous: Readonly<Record<string, string>> = {}): Readonly<Record<string, string>> {
  const separator = text.indexOf('=')
  if (separator <= 0) throw new InvalidArgumentError('It must have the form name=value.')
  return { ...previous, [text.slice(0, separator)]: text.slice(separator + 1) }
}

export function collect(text: string, previous: readonly string[] = []): readonly string[] {
  return [...previous, text]
}

export function wholeNumber(text: string): number {
  const value = Number(text)
  if (!/^\d+$/.test(text) || !Number.isSafeInteger(value)) throw new InvalidArgumentError('It must be a whole number, 0 or more.')
  return value
}

export function integer(text: string): number {
  const value = Number(text)
  if (!/^-?\d+$/.test(text) || !Number.isSafeInteger(value)) throw new InvalidArgumentError('It must be a whole number.')
  return value
}

export function positiveNumber(text: string): number {
  const value = wholeNumber(text)
  if (value === 0) throw new InvalidArgumentError('It must be a whole number, 1 or more.')
  return value
}

/** `100ms`, `30s`, `5m` … or a number of milliseconds. */
export function duration(text: string): Duration {
  const value = (/^\d+$/.test(text) ? Number(text) : text) as Duration
  try {
    durationMs(value, 'duration')
    return value
  } catch {
    throw new InvalidArgumentError('It must be a duration such as 100ms, 30s or 5m.')
  }
}
