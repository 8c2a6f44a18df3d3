import type { WindowStore } from '../state/window-store.ts'
import type { StreamRecord } from '../stream-record.ts'
import type { NodeOf } from '../topology/node.ts'
import type { Windowed } from '../windows.ts'
import { aggregateNext } from './aggregation.ts'
import { finalResults } from './final-results.ts'
import { sendLate } from './late-records.ts'
import type { TakeRead } from './fused-steps.ts'
import { operate } from './operate.ts'
import { readAggregation } from './read-aggregation.ts'
import type { NodeOperator } from './operate.ts'
import type { OperatorContext } from './operator-context.ts'
import { keptTable } from './table-store.ts'
import type { Row } from './table-store.ts'

/**
 * Aggregates of tumbling, hopping and unlimited windows. A record counts in every window that holds its timestamp and that
 * ends after this operator's time minus grace; for each of the others one drop is counted. A null key is dropped, a null
 * value is aggregated. Semantics: KStreamWindowAggregate; final results are taken before windows can leave the store.
 */
export function windowAggregate(node: NodeOf<'windowAggregate'>, context: OperatorContext): NodeOperator {
  const { sendOldValues, windows } = node
  const graceMs = windows.type === 'time' ? windows.graceMs : 0
  return operate(node, context, (output) => {
    const table = keptTable(node, node.store, sendOldValues, output, context)
    const emitFinal = finalResults(node, context, output, node.emit, finalWindows(node, context))
    let observedTime = -1
    /** False: the window takes no more. */
    const update = (record: StreamRecord, window: Windowed<unknown>, closeTime: number): boolean => {
      if (window.end <= closeTime) {
        context.dropped(node, 'window closed')
        return false
      }
      const row = table.getToUpdate(window)
      const timestamp = row === null ? record.timestamp : Math.max(row.timestamp, record.timestamp)
      const oldValue = sendOldValues && row !== null ? table.getToUpdate(window)!.value : null
      const newValue = aggregateNext(node, row?.value ?? null, record)
      if (emitFinal === null) table.update(record, window, { newValue, oldValue }, timestamp)
      else table.put(window, newValue, timestamp)
      context.enter(record)
      return true
    }
    const handle = (record: StreamRecord) => {
      const { key, timestamp } = record
      if (key === null) {
        context.dropped(node, 'null key')
        return
      }
      context.enter(record)
      observedTime = Math.max(observedTime, timestamp)
      const closeTime = observedTime - graceMs
      const closed = emitFinal?.take(closeTime)
      if (windows.type === 'unlimited') {
        if (timestamp >= windows.startMs) update(record, { key, start: windows.startMs, end: Number.POSITIVE_INFINITY }, closeTime)
        return
      }
      const { sizeMs, advanceMs } = windows
      let isLate = true
      for (let start = firstStart(timestamp, windows); start <= timestamp; start += advanceMs) if (update(record, { key, start, end: start + sizeMs }, closeTime)) isLate = false
      if (isLate) sendLate(node, record, context)
      if (closed !== undefined) emitFinal!.send(closed, record)
    }
    const read = emitFinal !== null || node.lateChild !== null ? null : readAggregation(node, context.store(node, node.store), sendOldValues)
    if (read === null || windows.type !== 'time') return handle
    const { sizeMs, advanceMs } = windows
    const take: TakeRead = (batch, mark, _headers, timestamp, key, isKeyRead, value) => {
      if (!read.setKey(batch, mark, key, isKeyRead)) return false
      observedTime = Math.max(observedTime, timestamp)
      const closeTime = observedTime - graceMs
      for (let start = firstStart(timestamp, windows); start <= timestamp; start += advanceMs) {
        if (start + sizeMs <= closeTime) {
          context.dropped(node, 'window closed')
          continue
        }
        read.rows.setWindow(start)
        read.add(batch, mark, timestamp, key, value)
      }
      return true
    }
    return Object.assign(handle, { head: { take, seesValue: read.seesValue } })
  })
}

/** Of the earliest window that has the time. */
function firstStart(timestamp: number, { sizeMs, advanceMs }: { readonly sizeMs: number; readonly advanceMs: number }): number {
  return Math.floor(Math.max(0, timestamp - sizeMs + advanceMs) / advanceMs) * advanceMs
}

/** Windows whose end passed the close time since it was last asked: [start, end) with end <= close time. */
function finalWindows(node: NodeOf<'windowAggregate'>, context: OperatorContext) {
  const view = context.store(node, node.store).view as WindowStore<unknown, Row>
  const sizeMs = node.windows.type === 'time' ? node.windows.sizeMs : 0
  return function* (lastCloseTime: number, closeTime: number) {
    for (const { key, value } of view.startingIn(lastCloseTime - sizeMs + 1, closeTime - sizeMs)) yield { window: key, value: value.value, timestamp: value.timestamp }
  }
}
