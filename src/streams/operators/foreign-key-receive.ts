import type { Subscription } from '../foreign-key-serde.ts'
import { writeSubscriptionKey } from '../foreign-key-serde.ts'
import type { KeyValueStore } from '../state/key-value-store.ts'
import { ScratchBytes } from '../state/scratch-bytes.ts'
import type { ValueAndTimestamp } from '../state/value-and-timestamp.ts'
import type { NodeOf } from '../topology/node.ts'
import { operate } from './operate.ts'
import type { NodeOperator } from './operate.ts'
import type { OperatorContext } from './operator-context.ts'

/** Second step: the right side keeps subscriptions, or deletes them, and passes them on. Semantics: SubscriptionReceiveProcessorSupplier. */
export function foreignKeyReceive(node: NodeOf<'foreignKeyReceive'>, context: OperatorContext): NodeOperator {
  const { foreignKeySerde, primaryKeySerde } = node
  const scratch = new ScratchBytes()
  return operate(node, context, (output) => {
    const subscriptions = context.store(node, node.store).view as KeyValueStore<Uint8Array, ValueAndTimestamp<Subscription>>
    return (record) => {
      const subscription = record.value as Subscription
      if (record.key === null && subscription.instruction !== 'answer-always') {
        context.dropped(node, 'null foreign key')
        return
      }
      if (record.key !== null) {
        context.enter(record)
        const key = writeSubscriptionKey(scratch, foreignKeySerde, record.key, primaryKeySerde, subscription.primaryKey)
        const ends = subscription.instruction === 'delete' || subscription.instruction === 'delete-and-answer'
        subscriptions.put(key, ends ? null : { value: subscription, timestamp: record.timestamp })
      }
      output.next(record)
    }
  })
}
