import { asChange } from './change-record.ts'
import type { NodeOf } from '../topology/node.ts'
import { operate } from './operate.ts'
import type { NodeOperator } from './operate.ts'
import type { OperatorContext } from './operator-context.ts'

/** The new values of a table's changes; deletions become records with a null value. */
export function tableToStream(node: NodeOf<'tableToStream'>, context: OperatorContext): NodeOperator {
  return operate(node, context, (output) => (record) => output.next(record.withValue(asChange(record).value.newValue)), null, { does: 'passAll' })
}
