import type { WindowStore, WindowValue } from '../state/window-store.ts'
import type { StreamRecord } from '../stream-record.ts'
import type { NodeOf } from '../topology/node.ts'
import { aggregateNext } from './aggregation.ts'
import { finalResults } from './final-results.ts'
import { sendLate } from './late-records.ts'
import { operate } from './operate.ts'
import type { NodeOperator } from './operate.ts'
import type { OperatorContext } from './operator-context.ts'
import { keptTable } from './table-store.ts'
import type { Row } from './table-store.ts'

type Found = WindowValue<Row>

/**
 * Aggregates of sliding windows. A window [start, start + difference] exists for each set of records that some position
 * of it would hold: it ends at a record (its left window), or begins right after one (its right window, made only when a
 * later record falls into it). The timestamp of a window's aggregate is that of its last record, which is how the windows
 * of earlier records are found. Null keys and values are dropped. Semantics: KStreamSlidingWindowAggregate.
 */
export function slidingAggregate(node: NodeOf<'slidingAggregate'>, context: OperatorContext): NodeOperator {
  const { differenceMs, graceMs } = node.windows
  return operate(node, context, (output) => {
    const view = context.store(node, node.store).view as WindowStore<unknown, Row>
    const table = keptTable(node, node.store, node.sendOldValues, output, context)
    const emitFinal = finalResults(node, context, output, node.emit, finalWindows(view, differenceMs))
    let observedTime = -1

    /** Puts the aggregate of the window that begins at `start`; with `before` null the window is new. */
    const put = (record: StreamRecord, start: number, newValue: unknown, timestamp: number, before: Found | null) => {
      const window = { key: record.key, start, end: start + differenceMs }
      const oldValue = node.sendOldValues && before !== null ? table.getToUpdate(window)!.value : null
      if (emitFinal === null) table.update(record, window, { newValue, oldValue }, timestamp)
      else table.put(window, newValue, timestamp)
      context.enter(record)
    }
    /** Adds the record to a window, whose aggregate so far is `seed`. */
    const add = (record: StreamRecord, start: number, seed: Row | null, before: Found | null) => {
      if (start + differenceMs < observedTime - graceMs) {
        context.dropped(node, 'window closed')
        return
      }
      const timestamp = seed === null ? record.timestamp : Math.max(record.timestamp, seed.timestamp)
      put(record, start, aggregateNext(node, seed?.value ?? null, record), timestamp, before)
    }
    const windows: SlidingUpdate = {
      differenceMs,
      update: (record, window) => add(record, window.start, window.value, window),
      create: (record, start, seed) => add(record, start, seed, null),
      createBeside: (record, start, seed) => put(record, start, seed.value, seed.timestamp, null),
      copyOf: (record, window) => view.fetchToUpdate(record.key, window.start)!,
    }
    return (record) => {
      if (record.key === null || record.value === null) {
        context.dropped(node, 'null key or value')
        return
      }
      context.enter(record)
      observedTime = Math.max(observedTime, record.timestamp)
      const closeTime = observedTime - graceMs
      const closed = emitFinal?.take(closeTime)
      if (record.timestamp + differenceMs < closeTime) {
        context.dropped(node, 'window closed')
        sendLate(node, record, context)
        return
      }
      const found = [...view.fetch(record.key, record.timestamp - 2 * differenceMs, record.timestamp + 1)]
      if (record.timestamp < differenceMs) updateEarly(windows, record, found)
      else updateWindows(windows, record, found)
      if (closed !== undefined) emitFinal!.send(closed, record)
    }
  })
}

/** What the two algorithms below do to the windows of a key. */
interface SlidingUpdate {
  readonly differenceMs: number
  update(record: StreamRecord, window: Found): void
  /** A window with the record in it; `seed` is the aggregate of what else it holds. */
  create(record: StreamRecord, start: number, seed: Row | null): void
  /** A window right after the record, without it. */
  createBeside(record: StreamRecord, start: number, seed: Row): void
  /** The window's aggregate in an object of its own, that no aggregator changes. */
  copyOf(record: StreamRecord, window: Found): Row
}

/** `found`: the key's windows that begin from timestamp - 2 × difference to timestamp + 1, by start. */
function updateWindows(windows: SlidingUpdate, record: StreamRecord, found: readonly Found[]): void {
  const { timestamp } = record
  const { differenceMs } = windows
  const endOf = (window: Found) => window.start + differenceMs
  const before = found.findLast((window) => endOf(window) < timestamp) ?? null
  const left = found.find((window) => endOf(window) === timestamp) ?? null
  const holding = found.filter((window) => endOf(window) > timestamp && window.start <= timestamp)
  const seed = rightSeed(windows, record, found, holding.at(-1) ?? null)

  for (const window of holding.reverse()) windows.update(record, window)
  if (left !== null) windows.update(record, left)
  // A record of the same time has made all windows already.
  if (left !== null && left.value.timestamp >= timestamp) return
  const previous = (before ?? left)?.value.timestamp ?? null
  createRightOfPrevious(windows, record, found, previous)
  if (left === null) {
    const reachesPrevious = previous !== null && timestamp - differenceMs <= previous
    windows.create(record, timestamp - differenceMs, reachesPrevious ? { value: before!.value.value, timestamp } : null)
  }
  if (seed !== null) windows.createBeside(record, timestamp + 1, seed)
}

/** Records younger than the difference share the window [0, difference], which is the left window of all of them. */
function updateEarly(windows: SlidingUpdate, record: StreamRecord, found: readonly Found[]): void {
  const { timestamp } = record
  const combined = found.find((window) => window.start === 0) ?? null
  const holding = found.filter((window) => window.start > 0 && window.start <= timestamp)
  const seed = rightSeed(windows, record, found, holding.at(-1) ?? combined)
  for (const window of holding) windows.update(record, window)
  if (seed !== null) windows.createBeside(record, timestamp + 1, seed)
  const previous = combined !== null && combined.value.timestamp < timestamp ? combined.value.timestamp : null
  createRightOfPrevious(windows, record, found, previous)
  if (combined === null) windows.create(record, 0, null)
  else windows.update(record, combined)
}

/** The aggregate for the record's right window, from the window that holds only later records; null when it exists or would be empty. */
function rightSeed(windows: SlidingUpdate, record: StreamRecord, found: readonly Found[], later: Found | null): Row | null {
  const exists = found.some((window) => window.start === record.timestamp + 1)
  return exists || later === null || later.value.timestamp <= record.timestamp ? null : windows.copyOf(record, later)
}

/** The record may be the first that falls into the right window of the one before it. */
function createRightOfPrevious(windows: SlidingUpdate, record: StreamRecord, found: readonly Found[], previous: number | null): void {
  if (previous === null) return
  const start = previous + 1
  if (found.some((window) => window.start === start) || start + windows.differenceMs < record.timestamp) return
  windows.create(record, start, null)
}

/** Windows that ended before the close time since it was last asked. */
function finalWindows(view: WindowStore<unknown, Row>, differenceMs: number) {
  return function* (lastCloseTime: number, closeTime: number) {
    for (const { key, value } of view.startingIn(lastCloseTime - differenceMs, closeTime - differenceMs - 1)) {
      yield { window: key, value: value.value, timestamp: value.timestamp }
    }
  }
}
