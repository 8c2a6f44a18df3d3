import type { OuterJoinStore, ParkedRows } from '../state/outer-join-store.ts'
import { WindowCursor } from '../state/window-cursor.ts'
import type { WindowStore } from '../state/window-store.ts'
import type { StreamRecord } from '../stream-record.ts'
import type { NodeOf } from '../topology/node.ts'
import { operate } from './operate.ts'
import type { NodeOperator } from './operate.ts'
import type { OperatorContext } from './operator-context.ts'
import { argumentsSeen } from './run-source.ts'

/** What both sides of a join know of time. It lives in memory only. */
interface JoinTime {
  /** Largest timestamp of either side, of dropped records too. */
  streamTime: number
  /** No parked row is older than this; -Infinity: not known. */
  oldestParked: number
}

/**
 * One side of a stream-stream join: a record meets the other side's rows of its key with timestamps in its window, oldest
 * first. On an outer side, a record without a partner is parked until its window and the grace have passed, and then sent
 * with null in the partner's place and the headers of the record that moved time; if they have passed already, at once.
 * A null key is sent with null at once on an outer side and dropped otherwise; a null value is always dropped, but moves
 * time. Semantics: KStreamKStreamJoin; but a row whose window has passed waits for the grace as well.
 */
export function streamJoin(node: NodeOf<'streamJoin'>, context: OperatorContext): NodeOperator {
  const { beforeMs, afterMs, graceMs } = lookAround(node)
  const isOuterSide = node.join === 'outer' || (node.join === 'left' && node.side === 'left')
  const otherSide = node.side === 'left' ? 'right' : 'left'
  return operate(node, context, (output) => {
    const time = context.shared<JoinTime>(node.sharedTime, () => ({ streamTime: -1, oldestParked: Number.NEGATIVE_INFINITY }))
    const others = context.store(node, node.otherStore).view as WindowStore<unknown, unknown>
    const cursor = new WindowCursor<unknown>()
    const parked = node.outerStore === null ? null : (context.store(node, node.outerStore).view as OuterJoinStore)
    const seesKey = argumentsSeen(node.joiner) > 2
    const joined = (record: StreamRecord, other: unknown) => {
      const key = seesKey ? record.key : undefined
      return node.side === 'left' ? node.joiner(record.value, other, key) : node.joiner(other, record.value, key)
    }
    const send: Send = (record, key, value, timestamp) => {
      output.next(record.at(key, value, timestamp))
      context.enter(record)
    }
    return (record) => {
      const { isKeyNull, value, timestamp } = record
      time.streamTime = Math.max(time.streamTime, timestamp)
      if (isOuterSide && isKeyNull && value !== null) {
        output.next(record.withValue(joined(record, null)))
        return
      }
      if (isKeyNull || value === null) {
        context.dropped(node, isKeyNull ? 'null key' : 'null value')
        return
      }
      context.enter(record)
      if (parked !== null && timestamp === time.streamTime) flushParked(node, parked, time, record, afterMs, send)
      const to = Math.max(0, timestamp + afterMs)
      let matched = false
      others.seekOf(cursor, record, Math.max(0, timestamp - beforeMs), to)
      while (cursor.move()) {
        matched = true
        const { start } = cursor
        parked?.remove(record.key, start, otherSide)
        output.next(record.withValueAt(joined(record, cursor.value), Math.max(timestamp, start)))
        context.enter(record)
      }
      if (matched || !isOuterSide) return
      if (parked === null || to + graceMs < time.streamTime) output.next(record.withValue(joined(record, null)))
      else {
        parked.park(record.key, timestamp, node.side, value)
        time.oldestParked = Math.min(time.oldestParked, timestamp)
      }
    }
  })
}

/** Sends a result of the record, which then is the one being processed again. */
type Send = (record: StreamRecord, key: unknown, value: unknown, timestamp: number) => void

function lookAround({ side, windows }: NodeOf<'streamJoin'>) {
  const { beforeMs, afterMs, graceMs } = windows
  return side === 'left' ? { beforeMs, afterMs, graceMs } : { beforeMs: afterMs, afterMs: beforeMs, graceMs }
}

/** Sends every parked row whose window and grace have passed, and forgets it when the next one was sent, as upstream does. */
function flushParked(node: NodeOf<'streamJoin'>, parked: OuterJoinStore, time: JoinTime, trigger: StreamRecord, afterMs: number, send: Send): void {
  const { windows, joiner } = node
  if (time.oldestParked + afterMs + windows.graceMs >= time.streamTime) return
  time.oldestParked = Number.POSITIVE_INFINITY
  const open = { left: false, right: false }
  let sent: ParkedRows | null = null
  const forget = (row: ParkedRows | null) => {
    if (row !== null) parked.remove(row.key, row.timestamp, row.side)
  }
  try {
    for (const row of parked.all()) {
      const { key, side, timestamp, values } = row
      time.oldestParked = timestamp
      if (open.left && open.right) break
      if (timestamp + (side === 'left' ? windows.afterMs : windows.beforeMs) + windows.graceMs >= time.streamTime) {
        open[side] = true
        continue
      }
      for (const value of values) send(trigger, key, side === 'left' ? joiner(value, null, key) : joiner(null, value, key), timestamp)
      forget(sent)
      sent = row
    }
  } finally {
    forget(sent)
  }
}
