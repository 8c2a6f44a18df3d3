import type { WindowStore } from '../state/window-store.ts'
import type { NodeOf } from '../topology/node.ts'
import { operate } from './operate.ts'
import type { NodeOperator } from './operate.ts'
import type { OperatorContext } from './operator-context.ts'

/** In front of each side of a stream join: the record is joined first, then kept for the other side. Semantics: KStreamJoinWindow. */
export function joinWindow(node: NodeOf<'joinWindow'>, context: OperatorContext): NodeOperator {
  return operate(node, context, (output) => {
    const rows = context.store(node, node.store).view as WindowStore<unknown, unknown>
    return (record) => {
      output.next(record)
      context.enter(record)
      if (!record.isKeyNull) rows.putRecord(record)
    }
  })
}
