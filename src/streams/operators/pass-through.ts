import type { NodeOf } from '../topology/node.ts'
import { operate } from './operate.ts'
import type { NodeOperator } from './operate.ts'
import type { OperatorContext } from './operator-context.ts'

/** Passes every record on: where streams meet. */
export function passThrough(node: NodeOf<'passThrough'>, context: OperatorContext): NodeOperator {
  return operate(node, context, (output) => (record) => output.next(record), { does: 'passAll' })
}
