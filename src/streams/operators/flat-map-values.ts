import type { NodeOf } from '../topology/node.ts'
import { operate } from './operate.ts'
import type { NodeOperator } from './operate.ts'
import type { OperatorContext } from './operator-context.ts'

/** Any number of values for each record, under its key. */
export function flatMapValues(node: NodeOf<'flatMapValues'>, context: OperatorContext): NodeOperator {
  const { mapper } = node
  return operate(node, context, (output) => (record) => {
    for (const value of mapper(record.value, record.key, record)) output.next(record.withValue(value))
  })
}
