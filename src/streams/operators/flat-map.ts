import type { NodeOf } from '../topology/node.ts'
import { operate } from './operate.ts'
import type { NodeOperator } from './operate.ts'
import type { OperatorContext } from './operator-context.ts'

/** Any number of records for each; all keep its timestamp and headers. An iterator that throws half-way gives none. */
export function flatMap(node: NodeOf<'flatMap'>, context: OperatorContext): NodeOperator {
  const { mapper } = node
  return operate(node, context, (output) => (record) => {
    const results = mapper(record.value, record.key, record)
    for (const [key, value] of Array.isArray(results) ? results : [...results]) output.next(record.with(key, value))
  }, { does: 'manyPairs', call: mapper })
}
