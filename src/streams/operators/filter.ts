import type { NodeOf } from '../topology/node.ts'
import { operate } from './operate.ts'
import type { NodeOperator } from './operate.ts'
import type { OperatorContext } from './operator-context.ts'

/** Lets through the records for which the predicate holds (or, negated, does not). */
export function filter(node: NodeOf<'filter'>, context: OperatorContext): NodeOperator {
  const { predicate, negate } = node
  return operate(node, context, (output) => (record) => {
    if (Boolean(predicate(record.value, record.key, record)) !== negate) output.next(record)
  }, { does: negate ? 'refuse' : 'pass', call: predicate })
}
