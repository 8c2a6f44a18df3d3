import type { NodeOf } from '../topology/node.ts'
import { operate } from './operate.ts'
import type { NodeOperator } from './operate.ts'
import type { OperatorContext } from './operator-context.ts'

/** Sends each record to the child of the first predicate that holds, else to the default child, else nowhere. */
export function branch(node: NodeOf<'branch'>, context: OperatorContext): NodeOperator {
  const { branches, defaultChild } = node
  return operate(node, context, () => (record) => {
    const child = branches.find(({ predicate }) => predicate(record.value, record.key, record))?.child ?? defaultChild
    if (child !== null) context.childOf(node, child)?.next(record)
  })
}
