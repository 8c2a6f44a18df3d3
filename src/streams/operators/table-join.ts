import type { RowRun } from '../row-change.ts'
import { unread } from '../stream-record.ts'
import type { RowsAhead } from '../state/byte-rows.ts'
import type { StreamRecord } from '../stream-record.ts'
import type { NodeOf } from '../topology/node.ts'
import { asChange } from './change-record.ts'
import type { TakeRow } from './fused-steps.ts'
import { operate } from './operate.ts'
import type { NodeOperator } from './operate.ts'
import type { OperatorContext } from './operator-context.ts'
import { argumentsSeen } from './run-source.ts'
import { rowReader } from './table-rows.ts'
import type { Row } from './table-store.ts'

/**
 * One side of a primary-key join: a change of this side meets the current row of the other. The result's timestamp is the
 * larger one. Rows that come out of order in a table with versions are dropped. Semantics: KTableKTable{Inner,Left,Right,Outer}Join.
 */
export function tableJoin(node: NodeOf<'tableJoin'>, context: OperatorContext): NodeOperator {
  const { side, joiner, sendOldValues } = node
  // Which of the two values may be missing for there to be a result.
  const mayMissOther = node.join === 'outer' || (node.join === 'left' && side === 'left')
  const mayMissThis = node.join === 'outer' || (node.join === 'left' && side === 'right')
  const seesKey = argumentsSeen(joiner) > 2
  const joined = (value: unknown, other: Row | null, key: unknown) => {
    if (value === null && (!mayMissThis || other === null)) return null
    return side === 'left' ? joiner(value, other?.value ?? null, key) : joiner(other?.value ?? null, value, key)
  }
  return operate(node, context, (output) => {
    const others = rowReader(node, node.otherRows, context)
    const handle = (record: StreamRecord) => {
      const { key } = record
      const change = asChange(record).value
      if (key === null || !change.isLatest) {
        context.dropped(node, key === null ? 'null key' : 'out-of-order row of a versioned table')
        return
      }
      context.enter(record)
      const other = others.get(key, record)
      if (other === null && (!mayMissOther || (change.newValue === null && change.oldValue === null))) return
      const newValue = joined(change.newValue, other, key)
      const oldValue = sendOldValues ? joined(change.oldValue, other, key) : null
      output.next(record.at(key, { newValue, oldValue, isLatest: true }, Math.max(record.timestamp, other?.timestamp ?? -1)))
    }
    if (others.getOfChange === undefined || sendOldValues) return handle
    let run: RowRun | null | undefined
    const take: TakeRow = (change, _mark, headers, timestamp, key, _isKeyRead, value) => {
      const other = others.getOfChange!(change)
      if (other === null && (!mayMissOther || value === null)) return true
      const newValue = joined(value, other, seesKey && key === unread ? change.readKey() : key)
      const time = Math.max(timestamp, other?.timestamp ?? -1)
      if (run === undefined) run = output.rows ?? null
      if (run === null) output.next(change.record(key, { newValue, oldValue: null, isLatest: true }, time))
      else run(newValue, key, time, headers, change)
      return true
    }
    const lookAhead = (rows: RowsAhead) => {
      others.lookAhead?.(rows)
      run?.lookAhead?.(rows)
    }
    return Object.assign(handle, { rows: { take, seesValue: true, takesChanges: true, lookAhead } })
  })
}
