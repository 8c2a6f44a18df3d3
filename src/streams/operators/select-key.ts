import type { NodeOf } from '../topology/node.ts'
import { operate } from './operate.ts'
import type { NodeOperator } from './operate.ts'
import type { OperatorContext } from './operator-context.ts'

/** A new key for each record. */
export function selectKey(node: NodeOf<'selectKey'>, context: OperatorContext): NodeOperator {
  const { selector } = node
  return operate(node, context, (output) => (record) => output.next(record.withKey(selector(record.value, record.key, record))), { does: 'newKey', call: selector })
}
