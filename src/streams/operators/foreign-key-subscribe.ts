import type { SubscriptionInstruction } from '../foreign-key-serde.ts'
import { murmur3 } from '../murmur3.ts'
import { equalBytes } from '../state/bytes.ts'
import { ScratchBytes } from '../state/scratch-bytes.ts'
import type { StreamRecord } from '../stream-record.ts'
import type { NodeOf } from '../topology/node.ts'
import { asChange } from './change-record.ts'
import { operate } from './operate.ts'
import type { NodeOperator } from './operate.ts'
import type { OperatorContext } from './operator-context.ts'

interface Step {
  readonly foreignKey: unknown
  readonly instruction: SubscriptionInstruction
}

/**
 * First step of a foreign-key join: a change of a left row becomes subscriptions to keys of the right table. Semantics:
 * SubscriptionSendProcessorSupplier as of Kafka Streams 4.1 (one answer for each change).
 */
export function foreignKeySubscribe(node: NodeOf<'foreignKeySubscribe'>, context: OperatorContext): NodeOperator {
  const { extractor, leftValueSerde, foreignKeySerde } = node
  const steps = node.join === 'left' ? leftSteps : innerSteps
  const [scratch, otherScratch] = [new ScratchBytes(), new ScratchBytes()]
  const sameKey = (a: unknown, b: unknown) => a !== null && b !== null && (a === b || equalBytes(scratch.of(foreignKeySerde, a), otherScratch.of(foreignKeySerde, b)))
  return operate(node, context, (output) => (record) => {
    const { newValue, oldValue, isLatest } = asChange(record).value
    if (!isLatest) {
      context.dropped(node, 'out-of-order row of a versioned table')
      return
    }
    const keyOf = (value: unknown) => (value === null ? null : (extractor(value, record.key, record) ?? null))
    const [before, after] = [keyOf(oldValue), keyOf(newValue)]
    if (node.join === 'inner' && newValue !== null && after === null) context.dropped(node, 'null foreign key')
    if (oldValue === null && newValue === null) return
    const hash = newValue === null ? null : murmur3(scratch.of(leftValueSerde, newValue))
    for (const { foreignKey, instruction } of steps(before, after, sameKey(before, after))) {
      output.next(record.with(foreignKey, { hash, instruction, primaryKey: record.key, primaryPartition: partitionOf(record) }))
    }
  })
}

/** Every change gets exactly one answer, also one to a null key. */
function leftSteps(before: unknown, after: unknown, same: boolean): readonly Step[] {
  const subscribe: Step = { foreignKey: after, instruction: 'answer-always' }
  return before === null || same ? [subscribe] : [{ foreignKey: before, instruction: 'delete' }, subscribe]
}

/** A result that may exist is taken back when its foreign key changes or goes. */
function innerSteps(before: unknown, after: unknown, same: boolean): readonly Step[] {
  if (after === null) return before === null ? [] : [{ foreignKey: before, instruction: 'delete-and-answer' }]
  if (before === null || same) return [{ foreignKey: after, instruction: 'answer-if-found' }]
  return [{ foreignKey: before, instruction: 'delete' }, { foreignKey: after, instruction: 'answer-always' }]
}

function partitionOf({ partition }: StreamRecord): number {
  return Math.max(0, partition)
}
