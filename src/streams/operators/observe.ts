import type { StreamRecord } from '../stream-record.ts'
import type { NodeOf } from '../topology/node.ts'
import { operate } from './operate.ts'
import type { NodeOperator } from './operate.ts'
import type { OperatorContext } from './operator-context.ts'

/** So many records are kept for observers before a commit is asked for. */
const mostBeforeCommit = 1000

/** Keeps records until their commit, then shows them to whoever observes; what is rolled back is never seen. */
export function observe(node: NodeOf<'observe'>, context: OperatorContext): NodeOperator {
  return operate(node, context, () => {
    let kept: StreamRecord[] = []
    context.onClose(() => { kept = [] })
    context.onCommitted(() => {
      const committed = kept
      kept = []
      for (const record of committed) node.subject.next(record)
    })
    return (record) => {
      if (!node.subject.observed) return
      kept.push(record)
      if (kept.length >= mostBeforeCommit) context.requestCommit()
    }
  })
}
