import type { NodeOf } from '../topology/node.ts'
import { operate } from './operate.ts'
import type { NodeOperator } from './operate.ts'
import type { OperatorContext } from './operator-context.ts'

/** A new value for each record, null values included. */
export function mapValues(node: NodeOf<'mapValues'>, context: OperatorContext): NodeOperator {
  const { mapper } = node
  return operate(node, context, (output) => (record) => output.next(record.withValue(mapper(record.value, record.key, record))), { does: 'newValue', call: mapper })
}
