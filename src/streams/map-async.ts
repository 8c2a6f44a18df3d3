import { StreamError, checkOptions, durationMs } from '../core/index.ts'
import type { Duration } from '../core/index.ts'
import type { NameOption } from './options.ts'
import type { StreamRecord } from './stream-record.ts'
import type { MapAsyncNode } from './topology/node.ts'

/** The signal fires when the call's time is up, or its result is not wanted any more. */
export type AsyncCallback<K, V, R> = (value: V, key: K, record: StreamRecord<K, V>, signal: AbortSignal) => Promise<R>

export interface AsyncOptions extends NameOption {
  /** Calls under way at once, in each task; then further input waits. Default 64. */
  readonly maxInFlight?: number
  /**
   * `per-key` (default): results of one key keep the order of its records, and do not wait for other keys. `total`: all
   * results of a task keep the order of its records. Either way the calls themselves overlap.
   */
  readonly order?: 'per-key' | 'total'
  /** How long a call may take; then it has failed. Default 30 s. A commit waits for the calls under way, so long as that. */
  readonly timeout?: Duration
  /** Calls that failed are made again, `maxAttempts` times in all, after a back-off that begins with `backoff` (default 100 ms) and doubles. Default: not. */
  readonly retry?: { readonly maxAttempts: number; readonly backoff?: Duration }
}

/** @throws INVALID_ARGUMENT */
export function asyncFields(options: AsyncOptions): Omit<MapAsyncNode, 'kind' | 'name' | 'parents' | 'stores' | 'call' | 'keySerde'> {
  checkOptions('mapAsync', options, { name: true, maxInFlight: true, order: true, timeout: true, retry: true })
  const { maxInFlight = 64, order = 'per-key', timeout = '30s', retry } = options
  if (order !== 'per-key' && order !== 'total') throw new StreamError('INVALID_ARGUMENT', `mapAsync: order must be 'per-key' or 'total', not ${JSON.stringify(order)}`)
  return {
    maxInFlight: countOf(maxInFlight, 'maxInFlight'),
    order,
    timeoutMs: durationMs(timeout, 'mapAsync: timeout'),
    maxAttempts: retry === undefined ? 1 : countOf(retry.maxAttempts, 'retry.maxAttempts'),
    backoffMs: durationMs(retry?.backoff ?? 100, 'mapAsync: retry.backoff'),
  }
}

function countOf(value: number, option: string): number {
  if (Number.isSafeInteger(value) && value >= 1) return value
  throw new StreamError('INVALID_ARGUMENT', `mapAsync: ${option} must be a whole number of at least 1, not ${value}`)
}
