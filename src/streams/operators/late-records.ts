import type { StreamRecord } from '../stream-record.ts'
import type { NodeOf } from '../topology/node.ts'
import type { OperatorContext } from './operator-context.ts'

/** Gives a record that every window refused to the program, if it asked for such records. */
export function sendLate(node: NodeOf<'windowAggregate' | 'slidingAggregate' | 'sessionAggregate'>, record: StreamRecord, context: OperatorContext): void {
  if (node.lateChild !== null) context.childOf(node, node.lateChild)?.next(record)
}
