import { StreamError } from '../../core/index.ts'
import type { NodeOf } from '../topology/node.ts'
import { asChange } from './change-record.ts'
import { operate } from './operate.ts'
import type { NodeOperator } from './operate.ts'
import type { OperatorContext } from './operator-context.ts'
import { keptTable } from './table-store.ts'

/**
 * count, reduce and aggregate of a grouped table: the old row is subtracted, then the new one added. Without an aggregate
 * nothing is subtracted. An aggregate keeps its largest timestamp. Semantics: KTableAggregate, KTableReduce.
 */
export function tableAggregate(node: NodeOf<'tableAggregate'>, context: OperatorContext): NodeOperator {
  const { initializer, adder, subtractor, sendOldValues } = node
  return operate(node, context, (output) => {
    const table = keptTable(node, node.store, sendOldValues, output, context)
    return (record) => {
      const { key } = record
      const change = asChange(record).value
      if (key === null) throw new StreamError('PROCESSING_FAILED', `a row without a key came to the aggregate of store ${node.store}`)
      context.enter(record)
      const row = table.getToUpdate(key)
      const oldValue = sendOldValues && row !== null ? table.getToUpdate(key)!.value : null
      const subtracted = row !== null && change.oldValue !== null ? subtractor(row.value, change.oldValue, key, record) : (row?.value ?? null)
      let newValue = subtracted
      if (change.newValue !== null) {
        const base = subtracted === null && initializer !== null ? initializer() : subtracted
        newValue = base === null ? change.newValue : adder(base, change.newValue, key, record)
      }
      const combined = row !== null && (change.oldValue !== null || change.newValue !== null)
      table.update(record, key, { newValue, oldValue }, combined ? Math.max(row.timestamp, record.timestamp) : record.timestamp)
    }
  })
}
