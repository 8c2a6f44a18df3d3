import type { WindowStore } from '../state/window-store.ts'
import type { StreamRecord } from '../stream-record.ts'
import type { NodeOf } from '../topology/node.ts'
import { windowsRetentionMs } from '../windows.ts'
import { operate } from './operate.ts'
import type { NodeOperator, Output } from './operate.ts'
import type { OperatorContext } from './operator-context.ts'

/**
 * A stream joined with itself over one store instead of two: a record meets the earlier rows as the left side, then itself,
 * then the earlier rows as the right side; the same results in the same order as with two. A record that comes when the
 * stores no longer keep rows of its time does not meet itself. Semantics: KStreamKStreamSelfJoin; null keys and late records
 * of left and outer joins are as without the optimization.
 */
export function selfJoin(node: NodeOf<'selfJoin'>, context: OperatorContext): NodeOperator {
  const { beforeMs, afterMs } = node.windows
  const retentionMs = windowsRetentionMs(node.windows)
  return operate(node, context, (output) => {
    const rows = context.store(node, node.store).view as WindowStore<unknown, unknown>
    const around = ({ key, timestamp }: StreamRecord, before: number, after: number) =>
      rows.fetch(key, Math.max(0, timestamp - before), Math.max(0, timestamp + after))
    let streamTime = -1
    return (record) => {
      const { key, value, timestamp } = record
      if (key === null || value === null) {
        if (value === null || node.join === 'inner') context.dropped(node, key === null ? 'null key' : 'null value')
        else sendAlone(node, record, output, true, true)
        return
      }
      streamTime = Math.max(streamTime, timestamp)
      const isKept = timestamp > streamTime - retentionMs + 1
      const { joiner } = node
      let foundRight = false
      for (const other of around(record, beforeMs, afterMs)) {
        foundRight = true
        output.next(record.at(key, joiner(value, other.value, key), Math.max(timestamp, other.start)))
      }
      if (!isKept && !foundRight) sendAlone(node, record, output, true, false)
      const withItself = isKept ? record.withValue(joiner(value, value, key)) : null
      let met = withItself === null
      let foundLeft = false
      for (const other of around(record, afterMs, beforeMs)) {
        foundLeft = true
        if (!met && other.start > timestamp) {
          met = true
          output.next(withItself!)
        }
        output.next(record.at(key, joiner(other.value, value, key), Math.max(timestamp, other.start)))
      }
      if (!met) output.next(withItself!)
      if (!isKept && !foundLeft) sendAlone(node, record, output, false, true)
    }
  })
}

/** With null in the partner's place, on the sides that are outer. */
function sendAlone({ join, joiner }: NodeOf<'selfJoin'>, record: StreamRecord, output: Output, asLeft: boolean, asRight: boolean): void {
  const { key, value } = record
  if (asLeft && join !== 'inner') output.next(record.withValue(joiner(value, null, key)))
  if (asRight && join === 'outer') output.next(record.withValue(joiner(null, value, key)))
}
