import type { NodeOf } from '../topology/node.ts'
import { asChange } from './change-record.ts'
import { operate } from './operate.ts'
import type { NodeOperator } from './operate.ts'
import type { OperatorContext } from './operator-context.ts'
import { keptTable } from './table-store.ts'

/**
 * Rows for which the predicate does not hold become deletions. Where old values are known, nothing is sent for a row that
 * neither was nor is in the table; but of a table with history, which tells each row of the past. Semantics: KTableFilter.
 */
export function tableFilter(node: NodeOf<'tableFilter'>, context: OperatorContext): NodeOperator {
  const { predicate, negate, hasHistory, sendOldValues } = node
  return operate(node, context, (output) => {
    const table = node.store === null ? null : keptTable(node, node.store, sendOldValues, output, context)
    return (record) => {
      const { key } = record
      const change = asChange(record).value
      const pass = (value: unknown) => (value !== null && Boolean(predicate(value, key, record)) !== negate ? value : null)
      context.enter(record)
      const newValue = pass(change.newValue)
      const oldValue = !sendOldValues ? null : table === null ? pass(change.oldValue) : (table.getToUpdate(key)?.value ?? null)
      if (sendOldValues && !hasHistory && oldValue === null && newValue === null) return
      if (table === null) output.next(record.withValue({ newValue, oldValue, isLatest: change.isLatest }))
      else table.update(record, key, { newValue, oldValue }, record.timestamp)
    }
  })
}
