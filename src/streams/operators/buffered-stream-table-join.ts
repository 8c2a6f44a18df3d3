import type { JoinBuffer } from '../state/join-buffer.ts'
import type { StreamRecord } from '../stream-record.ts'
import type { NodeOf } from '../topology/node.ts'
import { operate } from './operate.ts'
import type { NodeOperator } from './operate.ts'
import type { OperatorContext } from './operator-context.ts'
import { rowReader } from './table-rows.ts'

/**
 * As streamTableJoin, for a table with versions: records wait for the grace, so that rows that come later than the records
 * they belong to are found, and go on in the order of time, with headers of their own. One that comes later than the grace
 * is joined at once. Semantics: KStreamKTableJoinProcessor with a buffer (KIP-923); a null key, for which there is nothing
 * to wait, is joined at once by a left join.
 */
export function bufferedStreamTableJoin(node: NodeOf<'bufferedStreamTableJoin'>, context: OperatorContext): NodeOperator {
  const { joiner } = node
  const isLeft = node.join === 'left'
  return operate(node, context, (output) => {
    const buffer = context.store(node, node.store).view as JoinBuffer
    const rows = rowReader(node, node.rows, context)
    const join = (record: StreamRecord) => {
      const row = record.key === null ? null : rows.getAsOf(record.key, record, record.timestamp)
      if (row !== null || isLeft) output.next(record.withValue(joiner(record.value, row?.value ?? null, record.key)))
    }
    return (record) => {
      if (record.value === null || (record.key === null && !isLeft)) {
        context.dropped(node, record.value === null ? 'null value' : 'null key')
        return
      }
      context.enter(record)
      if (record.key === null || !buffer.put(record)) join(record)
      for (const due of buffer.evictDue()) join(due)
    }
  })
}
