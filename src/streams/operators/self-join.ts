import type { WindowStore } from '../state/window-store.ts'
import type { StreamRecord } from '../stream-record.ts'
import type { NodeOf } from '../topology/node.ts'
import { operate } from './operate.ts'
import type { NodeOperator } from './operate.ts'
import type { OperatorContext } from './operator-context.ts'

/**
 * A stream joined with itself over one store instead of two: a record meets the earlier rows as the left side, then itself,
 * then the earlier rows as the right side; the same results in the same order as with two. Semantics: KStreamKStreamSelfJoin.
 */
export function selfJoin(node: NodeOf<'selfJoin'>, context: OperatorContext): NodeOperator {
  const { joiner } = node
  const { beforeMs, afterMs } = node.windows
  return operate(node, context, (output) => {
    const rows = context.store(node, node.store).view as WindowStore<unknown, unknown>
    const around = ({ key, timestamp }: StreamRecord, before: number, after: number) =>
      rows.fetch(key, Math.max(0, timestamp - before), Math.max(0, timestamp + after))
    return (record) => {
      const { key, value, timestamp } = record
      if (key === null || value === null) {
        context.dropped(node, key === null ? 'null key' : 'null value')
        return
      }
      for (const other of around(record, beforeMs, afterMs)) output.next(record.at(key, joiner(value, other.value, key), Math.max(timestamp, other.start)))
      const withItself = record.withValue(joiner(value, value, key))
      let met = false
      for (const other of around(record, afterMs, beforeMs)) {
        if (!met && other.start > timestamp) {
          met = true
          output.next(withItself)
        }
        output.next(record.at(key, joiner(other.value, value, key), Math.max(timestamp, other.start)))
      }
      if (!met) output.next(withItself)
    }
  })
}
