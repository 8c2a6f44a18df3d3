import type { NodeOf } from '../topology/node.ts'
import { operate } from './operate.ts'
import type { NodeOperator } from './operate.ts'
import type { OperatorContext } from './operator-context.ts'

/** Calls the action and passes the record on. */
export function peek(node: NodeOf<'peek'>, context: OperatorContext): NodeOperator {
  const { action } = node
  return operate(node, context, (output) => (record) => {
    action(record.value, record.key, record)
    output.next(record)
  }, { does: 'look', call: action })
}
