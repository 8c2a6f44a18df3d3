import type { Subscription } from '../foreign-key-serde.ts'
import { foreignKeyLength, subscriptionKey } from '../foreign-key-serde.ts'
import type { KeyValueStore } from '../state/key-value-store.ts'
import type { ValueAndTimestamp } from '../state/value-and-timestamp.ts'
import type { NodeOf } from '../topology/node.ts'
import { asChange } from './change-record.ts'
import { operate } from './operate.ts'
import type { NodeOperator } from './operate.ts'
import type { OperatorContext } from './operator-context.ts'

const nothing = new Uint8Array(0)

/** A change of a right row is sent to all that subscribe to its key, in the order of their keys' bytes. Semantics: ForeignTableJoinProcessorSupplier. */
export function foreignKeyAnswer(node: NodeOf<'foreignKeyAnswer'>, context: OperatorContext): NodeOperator {
  return operate(node, context, (output) => {
    const subscriptions = context.store(node, node.store).view as KeyValueStore<Uint8Array, ValueAndTimestamp<Subscription>>
    return (record) => {
      const { newValue, isLatest } = asChange(record).value
      if (record.key === null || !isLatest) {
        context.dropped(node, record.key === null ? 'null key' : 'out-of-order row of a versioned table')
        return
      }
      const prefix = subscriptionKey(node.foreignKeySerde.serialize(record.key), nothing)
      for (const { value } of subscriptions.scanOf(prefix, foreignKeyLength)) {
        const { hash, primaryKey, primaryPartition } = value.value
        output.next(record.with(primaryKey, { hash, rightValue: newValue, primaryPartition }))
      }
    }
  })
}
