import type { SessionStore } from '../state/session-store.ts'
import { StreamRecord, noHeaders } from '../stream-record.ts'
import type { NodeOf } from '../topology/node.ts'
import type { Windowed } from '../windows.ts'
import { aggregateNext } from './aggregation.ts'
import { finalResults } from './final-results.ts'
import { sendLate } from './late-records.ts'
import { operate } from './operate.ts'
import type { NodeOperator, Output } from './operate.ts'
import type { OperatorContext } from './operator-context.ts'
import { forwardFlushed } from './table-store.ts'

interface FoundSession {
  readonly key: Windowed<unknown>
  readonly value: unknown
}

/**
 * Aggregates of sessions. A record joins all sessions of its key that are at most the gap away into one: the merger is
 * called with the initial value first, then the aggregator. A session that was absorbed, or only grew, is sent as a
 * deletion, then the new one with its end as timestamp; neither has headers. A record is late when the merged session
 * ended before this operator's time minus grace and gap. A null value is aggregated. Semantics: KStreamSessionWindowAggregate.
 */
export function sessionAggregate(node: NodeOf<'sessionAggregate'>, context: OperatorContext): NodeOperator {
  const { gapMs, graceMs } = node.windows
  return operate(node, context, (output) => {
    const store = context.store(node, node.store)
    const view = store.view as SessionStore<unknown, unknown>
    const retentionMs = store.spec.retentionMs ?? gapMs + graceMs
    const emitFinal = finalResults(node, context, output, node.emit, finalSessions(view))
    const sendsAtOnce = emitFinal === null && forwardFlushed(store, node.sendOldValues, output) === 'at-once'
    const send = sendsAtOnce ? sendChange(node, output, context) : () => {}
    let observedTime = -1
    return (record) => {
      if (record.key === null) {
        context.dropped(node, 'null key')
        return
      }
      context.enter(record)
      observedTime = Math.max(observedTime, record.timestamp)
      const closeTime = observedTime - graceMs - gapMs
      const closed = emitFinal?.take(closeTime)
      // A session that closes at this very moment still takes records; what ended before is as good as gone.
      const earliestEnd = Math.max(record.timestamp - gapMs, observedTime - retentionMs)
      const found = [...view.sessionsToMerge(record.key, earliestEnd, record.timestamp + gapMs)]
      const merged = mergeBounds(record, found)
      if (merged.end < closeTime) {
        context.dropped(node, 'session closed')
        sendLate(node, record, context)
        return
      }
      const aggregate = aggregateNext(node, mergeValues(node, record.key, found), record)
      if (merged.start !== merged.end || found.length > 1) absorb(view, found, record, send)
      view.put(merged, aggregate)
      send(record, merged, aggregate, null)
      if (closed !== undefined) emitFinal!.send(closed, record)
    }
  })
}

type SendSession = (record: StreamRecord, session: Windowed<unknown>, newValue: unknown, oldValue: unknown) => void

function sendChange(node: NodeOf<'sessionAggregate'>, output: Output, context: OperatorContext): SendSession {
  return (record, session, newValue, oldValue) => {
    const change = { newValue, oldValue: node.sendOldValues ? oldValue : null, isLatest: true }
    output.next(new StreamRecord(session, change, session.end, noHeaders, record.origin))
    context.enter(record)
  }
}

function absorb(view: SessionStore<unknown, unknown>, found: readonly FoundSession[], record: StreamRecord, send: SendSession): void {
  for (const { key, value } of found) {
    view.remove(key)
    send(record, key, null, value)
  }
}

function mergeBounds({ key, timestamp }: StreamRecord, found: readonly FoundSession[]): Windowed<unknown> {
  let [start, end] = [timestamp, timestamp]
  for (const session of found) {
    start = Math.min(start, session.key.start)
    end = Math.max(end, session.key.end)
  }
  return { key, start, end }
}

/** null when there is nothing to merge, so that the aggregation begins anew. */
function mergeValues({ initializer, merger }: NodeOf<'sessionAggregate'>, key: unknown, found: readonly FoundSession[]): unknown {
  let aggregate = found.length > 0 && initializer !== null ? initializer() : null
  for (const { value } of found) aggregate = aggregate === null ? value : merger(key, aggregate, value)
  return aggregate
}

/** Sessions that ended before the close time since it was last asked. */
function finalSessions(view: SessionStore<unknown, unknown>) {
  return function* (lastCloseTime: number, closeTime: number) {
    for (const { key, value } of view.endingIn(lastCloseTime, closeTime - 1)) yield { window: key, value, timestamp: key.end }
  }
}
