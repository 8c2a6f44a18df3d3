import type { NodeOf } from '../topology/node.ts'
import { asChange } from './change-record.ts'
import { operate } from './operate.ts'
import type { NodeOperator } from './operate.ts'
import type { OperatorContext } from './operator-context.ts'
import { keptTable } from './table-store.ts'

/** A new value for every row; deletions stay deletions, without asking the mapper. Semantics: KTableMapValues. */
export function tableMapValues(node: NodeOf<'tableMapValues'>, context: OperatorContext): NodeOperator {
  const { mapper, sendOldValues } = node
  return operate(node, context, (output) => {
    const table = node.store === null ? null : keptTable(node, node.store, sendOldValues, output, context)
    return (record) => {
      const { key } = record
      const change = asChange(record).value
      const mapped = (value: unknown) => (value === null ? null : mapper(value, key, record))
      context.enter(record)
      const newValue = mapped(change.newValue)
      if (table === null) {
        output.next(record.withValue({ newValue, oldValue: sendOldValues ? mapped(change.oldValue) : null, isLatest: change.isLatest }))
        return
      }
      const oldValue = table.asksOldValue ? (table.getToUpdate(key)?.value ?? null) : null
      table.update(record, key, { newValue, oldValue }, record.timestamp)
    }
  })
}
