import type { NodeOf } from '../topology/node.ts'
import { operate } from './operate.ts'
import type { NodeOperator } from './operate.ts'
import type { OperatorContext } from './operator-context.ts'

/** A new key and value for each record. */
export function map(node: NodeOf<'map'>, context: OperatorContext): NodeOperator {
  const { mapper } = node
  return operate(node, context, (output) => (record) => {
    const [key, value] = mapper(record.value, record.key, record)
    output.next(record.with(key, value))
  }, { does: 'newPair', call: mapper })
}
