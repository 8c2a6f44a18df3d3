import { ScratchBytes } from '../state/scratch-bytes.ts'
import type { NodeOf } from '../topology/node.ts'
import { operate } from './operate.ts'
import type { NodeOperator } from './operate.ts'
import type { OperatorContext } from './operator-context.ts'

/** Serialises records and hands them to the collector. */
export function sink(node: NodeOf<'sink'>, context: OperatorContext): NodeOperator {
  const { topic, partitioner } = node
  const fixedTopic = typeof topic === 'string' ? context.topicName(topic) : null
  const scratchOfKey = new ScratchBytes()
  const scratchOfValue = new ScratchBytes()
  return operate(node, context, () => (record) => {
    const name = fixedTopic ?? (topic as Exclude<typeof topic, string>)(record.value, record.key, record)
    let key: Uint8Array | null
    let value: Uint8Array | null
    try {
      key = record.key === null ? null : scratchOfKey.of(node.keySerde, record.key)
      value = record.value === null ? null : scratchOfValue.of(node.valueSerde, record.value)
    } catch (error) {
      if (context.continueAfterSerialization(node, record, error)) return
      throw error
    }
    if (partitioner === null) {
      context.send(name, null, key, value, record.timestamp, record.headers)
      return
    }
    const chosen = partitioner(name, record.key, record.value, context.partitionCount(name))
    if (typeof chosen !== 'object') context.send(name, chosen ?? null, key, value, record.timestamp, record.headers)
    else if (chosen.length === 0) context.dropped(node, 'the partitioner chose no partition')
    else for (const partition of chosen) context.send(name, partition, key, value, record.timestamp, record.headers)
  })
}
