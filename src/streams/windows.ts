import { StreamError, checkOptions, durationMs } from '../core/index.ts'
import type { Duration } from '../core/index.ts'

/**
 * A key within a window. `end` is exclusive for tumbling and hopping windows, inclusive for sliding and session windows
 * (as Kafka Streams has it), and Infinity for unlimited ones. Milliseconds since the epoch.
 */
export interface Windowed<K> {
  readonly key: K
  readonly start: number
  readonly end: number
}

/** Tumbling (advance = size) and hopping windows: [start, end), aligned to the epoch. */
export interface TimeWindows {
  readonly type: 'time'
  readonly sizeMs: number
  readonly advanceMs: number
  /** How long after its end a window still takes late records. */
  readonly graceMs: number
}

/** A window per record and its neighbours: [timestamp - difference, timestamp], both ends inclusive. */
export interface SlidingWindows {
  readonly type: 'sliding'
  readonly differenceMs: number
  readonly graceMs: number
}

/** Windows of activity, [first, last]; records closer than or exactly `gapMs` apart share one. */
export interface SessionWindows {
  readonly type: 'session'
  readonly gapMs: number
  readonly graceMs: number
}

/** One window from `startMs` on, without an end. */
export interface UnlimitedWindows {
  readonly type: 'unlimited'
  readonly startMs: number
}

/** Pairs records of two streams whose timestamps lie in [timestamp - before, timestamp + after]. */
export interface JoinWindows {
  readonly type: 'join'
  /** May be negative, as long as before + after is at least 0. */
  readonly beforeMs: number
  readonly afterMs: number
  readonly graceMs: number
}

/** What `windowedBy` takes. */
export type Windows = TimeWindows | SlidingWindows | SessionWindows | UnlimitedWindows

/** @throws INVALID_ARGUMENT for what is no window, which only JavaScript can give */
export function checkWindows(windows: Windows): void {
  if (typeof (windows as Partial<Windows> | undefined)?.type === 'string') return
  throw new StreamError('INVALID_ARGUMENT', `windowedBy: ${JSON.stringify(windows)} is no window; give one such as tumbling('1m')`)
}

/** @throws INVALID_ARGUMENT */
export function checkLate(options: { readonly late?: unknown }): void {
  checkOptions('windowedBy', options, { late: true })
  const { late } = options
  if (late === undefined || late === null || typeof late === 'function') return
  throw new StreamError('INVALID_ARGUMENT', `windowedBy: late must be a function that takes the stream of late records, such as (late) => late.to(topic), not ${typeof late === 'string' ? JSON.stringify(late) : typeof late}`)
}

export interface GraceOption {
  /** How long after its end a window still takes late records. Default 0: none. */
  readonly grace?: Duration
}

/** Windows of `size`, one after the other: `tumbling('1m', { grace: '10s' })`. Semantics: TimeWindows of Kafka Streams. */
export function tumbling(size: Duration, options: GraceOption = {}): TimeWindows {
  const sizeMs = positiveMs(size, 'tumbling: size')
  return Object.freeze({ type: 'time', sizeMs, advanceMs: sizeMs, graceMs: graceMs('tumbling', options) })
}

/** Windows of `size` that begin every `advance`, so that a record is in size / advance of them. */
export function hopping(size: Duration, options: GraceOption & { readonly advance: Duration }): TimeWindows {
  const sizeMs = positiveMs(size, 'hopping: size')
  const advanceMs = positiveMs(options.advance, 'hopping: advance')
  if (advanceMs > sizeMs) {
    throw new StreamError('INVALID_ARGUMENT', `hopping: advance (${advanceMs} ms) is larger than the size (${sizeMs} ms), which would leave gaps between windows`)
  }
  return Object.freeze({ type: 'time', sizeMs, advanceMs, graceMs: graceMs('hopping', options, { advance: true }) })
}

/** A window ends at every record and holds what came at most `difference` before. Semantics: SlidingWindows of Kafka Streams. */
export function sliding(difference: Duration, options: GraceOption = {}): SlidingWindows {
  return Object.freeze({ type: 'sliding', differenceMs: wholeMs(difference, 'sliding: difference'), graceMs: graceMs('sliding', options) })
}

/** Windows that grow while records come at most `gap` apart. Semantics: SessionWindows of Kafka Streams. */
export function session(gap: Duration, options: GraceOption = {}): SessionWindows {
  return Object.freeze({ type: 'session', gapMs: wholeMs(gap, 'session: gap'), graceMs: graceMs('session', options) })
}

/** One endless window; records older than `startMs` are ignored. */
export function unlimited(options: { readonly startMs?: number } = {}): UnlimitedWindows {
  checkOptions('unlimited', options, { startMs: true })
  return Object.freeze({ type: 'unlimited', startMs: wholeMs(options.startMs ?? 0, 'unlimited: startMs') })
}

/** For stream-stream joins: a number of `before` and `after`, or one difference for both. */
export function joinWithin(
  difference: Duration | { readonly before: Duration | number; readonly after: Duration | number },
  options: GraceOption = {},
): JoinWindows {
  const both = typeof difference === 'object' ? difference : { before: difference, after: difference }
  const beforeMs = signedMs(both.before, 'joinWithin: before')
  const afterMs = signedMs(both.after, 'joinWithin: after')
  if (beforeMs + afterMs < 0) {
    throw new StreamError('INVALID_ARGUMENT', `joinWithin: before (${beforeMs} ms) + after (${afterMs} ms) is negative, so no two records could ever meet`)
  }
  return Object.freeze({ type: 'join', beforeMs, afterMs, graceMs: graceMs('joinWithin', options) })
}

/** What a window store keeps by default: size + grace, twice the difference + grace, gap + grace, or before + after + grace; Infinity for unlimited windows. */
export function windowsRetentionMs(windows: Windows | JoinWindows): number {
  switch (windows.type) {
    case 'time': return windows.sizeMs + windows.graceMs
    case 'sliding': return 2 * windows.differenceMs + windows.graceMs
    case 'session': return windows.gapMs + windows.graceMs
    case 'join': return windows.beforeMs + windows.afterMs + windows.graceMs
    case 'unlimited': return Infinity
  }
}

/** When no record can change a window any more: `graceMs` after its end, where a session takes what comes a gap later. */
export function windowsClose(windows: Windows): { readonly graceMs: number; readonly endInclusive: boolean } {
  switch (windows.type) {
    case 'time': return { graceMs: windows.graceMs, endInclusive: false }
    case 'sliding': return { graceMs: windows.graceMs, endInclusive: true }
    case 'session': return { graceMs: windows.gapMs + windows.graceMs, endInclusive: true }
    case 'unlimited': return { graceMs: 0, endInclusive: false }
  }
}

function graceMs(windows: string, options: GraceOption, others: Readonly<Record<string, true>> = {}): number {
  checkOptions(windows, options, { grace: true, ...others })
  return wholeMs(options.grace ?? 0, 'grace')
}

function positiveMs(duration: Duration, name: string): number {
  const ms = wholeMs(duration, name)
  if (ms > 0) return ms
  throw new StreamError('INVALID_ARGUMENT', `${name}: must be more than 0 ms`)
}

function wholeMs(duration: Duration, name: string): number {
  const ms = durationMs(duration, name)
  if (Number.isSafeInteger(ms)) return ms
  throw new StreamError('INVALID_ARGUMENT', `${name}: ${JSON.stringify(duration)} is not a whole number of milliseconds`)
}

function signedMs(duration: Duration | number, name: string): number {
  return typeof duration === 'number' && duration < 0 ? -wholeMs(-duration, name) : wholeMs(duration, name)
}
