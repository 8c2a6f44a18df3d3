import type { SubscriptionAnswer } from '../foreign-key-serde.ts'
import { murmur3 } from '../murmur3.ts'
import { equalBytes } from '../state/bytes.ts'
import { ScratchBytes } from '../state/scratch-bytes.ts'
import type { NodeOf } from '../topology/node.ts'
import { operate } from './operate.ts'
import type { NodeOperator } from './operate.ts'
import type { OperatorContext } from './operator-context.ts'
import { rowReader } from './table-rows.ts'

/**
 * Last step, back at the left side: an answer to the row as it is now is joined with it; an answer to what the row was
 * before is dropped, since another will come. Semantics: ResponseJoinProcessorSupplier.
 */
export function foreignKeyResolve(node: NodeOf<'foreignKeyResolve'>, context: OperatorContext): NodeOperator {
  const { leftValueSerde, joiner } = node
  const scratch = new ScratchBytes()
  return operate(node, context, (output) => {
    const rows = rowReader(node, node.rows, context)
    return (record) => {
      const { hash, rightValue } = record.value as SubscriptionAnswer
      const row = rows.get(record.key, record)
      const current = row === null ? null : murmur3(scratch.of(leftValueSerde, row.value))
      if (!isSameHash(hash, current)) {
        context.dropped(node, 'answer to an earlier row')
        return
      }
      const isMissing = row === null || (rightValue === null && node.join === 'inner')
      output.next(record.withValue(isMissing ? null : joiner(row.value, rightValue, record.key)))
    }
  })
}

function isSameHash(a: Uint8Array | null, b: Uint8Array | null): boolean {
  return a === null || b === null ? a === b : equalBytes(a, b)
}
