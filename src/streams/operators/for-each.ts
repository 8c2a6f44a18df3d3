import type { NodeOf } from '../topology/node.ts'
import { operate } from './operate.ts'
import type { NodeOperator } from './operate.ts'
import type { OperatorContext } from './operator-context.ts'

/** Calls the action; nothing comes after it. */
export function forEach(node: NodeOf<'forEach'>, context: OperatorContext): NodeOperator {
  const { action } = node
  return operate(node, context, () => (record) => action(record.value, record.key, record))
}
