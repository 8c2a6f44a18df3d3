import type { NodeOf } from '../topology/node.ts'
import { operate } from './operate.ts'
import type { NodeOperator } from './operate.ts'
import type { OperatorContext } from './operator-context.ts'
import { keptTable } from './table-store.ts'

/**
 * Rows of a table from records: a null value deletes, a null key is dropped, and a row with an older timestamp overwrites
 * all the same unless the store is versioned. Semantics: KTableSource.
 */
export function tableSource(node: NodeOf<'tableSource'>, context: OperatorContext): NodeOperator {
  const { store, sendOldValues } = node
  return operate(node, context, (output) => {
    const table = store === null ? null : keptTable(node, store, sendOldValues, output, context)
    return (record) => {
      const { key, value, timestamp } = record
      if (key === null) {
        context.dropped(node, 'null key')
      } else if (table === null) {
        output.next(record.withValue({ newValue: value, oldValue: null, isLatest: true }))
      } else {
        context.enter(record)
        const oldValue = table.asksOldValue ? (table.getToUpdate(key)?.value ?? null) : null
        table.update(record, key, { newValue: value, oldValue }, timestamp)
      }
    }
  })
}
