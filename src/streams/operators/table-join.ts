import type { NodeOf } from '../topology/node.ts'
import { asChange } from './change-record.ts'
import { operate } from './operate.ts'
import type { NodeOperator } from './operate.ts'
import type { OperatorContext } from './operator-context.ts'
import { rowReader } from './table-rows.ts'

/**
 * One side of a primary-key join: a change of this side meets the current row of the other. The result's timestamp is the
 * larger one. Rows that come out of order in a table with versions are dropped. Semantics: KTableKTable{Inner,Left,Right,Outer}Join.
 */
export function tableJoin(node: NodeOf<'tableJoin'>, context: OperatorContext): NodeOperator {
  const { side, joiner, sendOldValues } = node
  // Which of the two values may be missing for there to be a result.
  const mayMissOther = node.join === 'outer' || (node.join === 'left' && side === 'left')
  const mayMissThis = node.join === 'outer' || (node.join === 'left' && side === 'right')
  return operate(node, context, (output) => {
    const others = rowReader(node, node.otherRows, context)
    return (record) => {
      const { key } = record
      const change = asChange(record).value
      if (key === null || !change.isLatest) {
        context.dropped(node, key === null ? 'null key' : 'out-of-order row of a versioned table')
        return
      }
      context.enter(record)
      const other = others.get(key, record)
      if (other === null && (!mayMissOther || (change.newValue === null && change.oldValue === null))) return
      const joined = (value: unknown) => {
        if (value === null && (!mayMissThis || other === null)) return null
        return side === 'left' ? joiner(value, other?.value ?? null, key) : joiner(other?.value ?? null, value, key)
      }
      const newValue = joined(change.newValue)
      const oldValue = sendOldValues ? joined(change.oldValue) : null
      output.next(record.at(key, { newValue, oldValue, isLatest: true }, Math.max(record.timestamp, other?.timestamp ?? -1)))
    }
  })
}
