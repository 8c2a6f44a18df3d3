import type { NodeOf } from '../topology/node.ts'
import { asChange } from './change-record.ts'
import { operate } from './operate.ts'
import type { NodeOperator } from './operate.ts'
import type { OperatorContext } from './operator-context.ts'
import { keptTable } from './table-store.ts'

/** Where both sides of a table join meet: keeps the result, if it has a store. Semantics: KTableKTableJoinMerger. */
export function tableJoinMerge(node: NodeOf<'tableJoinMerge'>, context: OperatorContext): NodeOperator {
  const { sendOldValues } = node
  return operate(node, context, (output) => {
    const table = node.store === null ? null : keptTable(node, node.store, sendOldValues, output, context)
    return (record) => {
      const { newValue, oldValue, isLatest } = asChange(record).value
      context.enter(record)
      if (table === null) output.next(record.withValue({ newValue, oldValue: sendOldValues ? oldValue : null, isLatest }))
      else table.update(record, record.key, { newValue, oldValue }, record.timestamp)
    }
  }, null, node.store === null ? { does: 'passAll' } : null)
}
