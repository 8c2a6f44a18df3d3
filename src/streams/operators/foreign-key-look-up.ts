import type { Subscription } from '../foreign-key-serde.ts'
import type { NodeOf } from '../topology/node.ts'
import { operate } from './operate.ts'
import type { NodeOperator } from './operate.ts'
import type { OperatorContext } from './operator-context.ts'
import { rowReader } from './table-rows.ts'

/** Third step: a subscription is answered with the right table's row of now. Semantics: SubscriptionJoinProcessorSupplier. */
export function foreignKeyLookUp(node: NodeOf<'foreignKeyLookUp'>, context: OperatorContext): NodeOperator {
  return operate(node, context, (output) => {
    const rows = rowReader(node, node.rows, context)
    return (record) => {
      const { hash, instruction, primaryKey, primaryPartition } = record.value as Subscription
      const row = record.key === null ? null : rows.get(record.key, record)
      if (instruction === 'delete' || (instruction === 'answer-if-found' && row === null)) return
      const rightValue = instruction === 'delete-and-answer' ? null : (row?.value ?? null)
      output.next(record.at(primaryKey, { hash, rightValue, primaryPartition }, Math.max(record.timestamp, row?.timestamp ?? -1)))
    }
  })
}
