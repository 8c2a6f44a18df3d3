import { StreamError } from '../../core/index.ts'
import { ScratchBytes } from '../state/scratch-bytes.ts'
import { InputOrigin } from '../stream-record.ts'
import type { NodeOf } from '../topology/node.ts'
import { operate } from './operate.ts'
import type { NodeOperator } from './operate.ts'
import type { OperatorContext } from './operator-context.ts'

/** Smaller records are not looked at: a topic that takes less fails the application. */
const leastLimit = 512
/** A batch of one record is so much larger than its key and value: its header, and the record's own numbers. */
const batchOverhead = 61 + 25

/** The bytes that a value of an exact serde takes at most. */
function sizeBound(value: unknown): number {
  return typeof value === 'string' ? 3 * value.length : 8
}

function fits(context: OperatorContext, topic: string, size: number): boolean {
  return size <= leastLimit || size + batchOverhead <= context.batchLimit(topic)
}

/** @throws RECORD_TOO_LARGE, for the policy to decide before the record is in a batch with others */
function requireRoom(context: OperatorContext, topic: string, size: number): void {
  if (fits(context, topic, size)) return
  const limit = context.batchLimit(topic)
  throw new StreamError('RECORD_TOO_LARGE', `a record of ${size} bytes is larger than the topic ${topic} takes (max.message.bytes is ${limit}); raise that, or write less`, { details: { topic, size, limit } })
}

/** Serialises records and hands them to the collector. */
export function sink(node: NodeOf<'sink'>, context: OperatorContext): NodeOperator {
  const { topic, partitioner } = node
  const fixedTopic = typeof topic === 'string' ? context.topicName(topic) : null
  const scratchOfKey = new ScratchBytes()
  const scratchOfValue = new ScratchBytes()
  return operate(node, context, () => (record) => {
    const name = fixedTopic ?? (topic as Exclude<typeof topic, string>)(record.value, record.key, record)
    const read = partitioner === null && record.origin instanceof InputOrigin ? record.origin.unchanged(record, node.keySerde, node.valueSerde) : null
    if (read !== null && fits(context, name, sizeBound(record.key) + sizeBound(record.value))) {
      context.sendRead(name, read, record.timestamp)
      return
    }
    let key: Uint8Array | null
    let value: Uint8Array | null
    try {
      key = record.key === null ? null : scratchOfKey.of(node.keySerde, record.key)
      value = record.value === null ? null : scratchOfValue.of(node.valueSerde, record.value)
      const size = (key?.length ?? 0) + (value?.length ?? 0)
      requireRoom(context, name, size)
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
