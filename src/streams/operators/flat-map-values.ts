import type { NodeOf } from '../topology/node.ts'
import { operate } from './operate.ts'
import type { NodeOperator } from './operate.ts'
import type { OperatorContext } from './operator-context.ts'

/** Any number of values for each record, under its key. An iterator that throws half-way gives none. */
export function flatMapValues(node: NodeOf<'flatMapValues'>, context: OperatorContext): NodeOperator {
  const { mapper } = node
  return operate(node, context, (output) => (record) => {
    const results = mapper(record.value, record.key, record)
    for (const value of Array.isArray(results) ? results : [...results]) output.next(record.withValue(value))
  }, { does: 'manyValues', call: mapper })
}
