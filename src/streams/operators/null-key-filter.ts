import type { NodeOf } from '../topology/node.ts'
import { operate } from './operate.ts'
import type { NodeOperator } from './operate.ts'
import type { OperatorContext } from './operator-context.ts'

/** Drops records without a key: they cannot be grouped or joined after a repartition topic. They are not counted as dropped. */
export function nullKeyFilter(node: NodeOf<'nullKeyFilter'>, context: OperatorContext): NodeOperator {
  return operate(node, context, (output) => (record) => {
    if (record.key !== null) output.next(record)
  }, { does: 'passKeyed' })
}
