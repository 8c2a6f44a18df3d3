import { StreamError, readKeySerde } from '../../core/index.ts'
import type { Header, Serde } from '../../core/index.ts'
import { missingTopics } from '../missing-topics.ts'
import { ScratchBytes } from '../state/scratch-bytes.ts'
import { rowKeySerde } from '../row-change.ts'
import type { RowChange, RowPlace } from '../row-change.ts'
import { InputOrigin, noHeaders, unread, writesWhatWasRead } from '../stream-record.ts'
import type { InputPlace, StreamRecord } from '../stream-record.ts'
import type { NodeOf } from '../topology/node.ts'
import type { TakeRead, TakeRow } from './fused-steps.ts'
import { Refusal, operate } from './operate.ts'
import type { HeadHandler, NodeOperator, RecordHandler, RowHandler } from './operate.ts'
import type { OperatorContext } from './operator-context.ts'

/** Smaller records are not looked at: a topic that takes less fails the application. */
const leastLimit = 512
/** A batch of one record is so much larger than its key and value: its header, and the record's own numbers. */
const batchOverhead = 61 + 25

function fits(context: OperatorContext, topic: string, size: number): boolean {
  return size <= leastLimit || size + batchOverhead <= context.batchLimit(topic)
}

/** @throws RECORD_TOO_LARGE, for the policy to decide before the record is in a batch with others */
function requireRoom(context: OperatorContext, topic: string, size: number): void {
  if (fits(context, topic, size)) return
  const limit = context.batchLimit(topic)
  throw new StreamError('RECORD_TOO_LARGE', `a record of ${size} bytes is larger than the topic ${topic} takes (max.message.bytes is ${limit}); raise that, or write less`, { details: { topic, size, limit } })
}

/** What they take in a record: names are short, and text of up to three bytes a letter. */
function sizeOfHeaders(headers: readonly Header[]): number {
  let size = 0
  for (const { key, value } of headers) size += 3 * key.length + (value?.length ?? 0) + 10
  return size
}

/** Serialises records and hands them to the collector. What cannot be written is for `onSerializationError`; what the program's own functions throw is not. */
export function sink(node: NodeOf<'sink'>, context: OperatorContext): NodeOperator {
  const { topic, partitioner } = node
  const { keySerde, valueSerde } = node
  const isDirect = partitioner === null && keySerde.serializeInto !== undefined && valueSerde.serializeInto !== undefined
  const fixedTopic = typeof topic === 'string' ? context.topicName(topic) : null
  const direct = isDirect && fixedTopic !== null ? { head: headHandler(node, fixedTopic, context), rows: rowHandler(node, fixedTopic, context) } : null
  const scratchOfKey = new ScratchBytes()
  const scratchOfValue = new ScratchBytes()
  const handle: RecordHandler = (record) => {
    const name = fixedTopic ?? (topic as Exclude<typeof topic, string>)(record.value, record.key, record)
    let key: Uint8Array | null
    let value: Uint8Array | null
    try {
      if (fixedTopic === null && !context.hasTopic(name)) throw missingTopics([name])
      if (partitioner === null) {
        const { origin, timestamp } = record
        const read = origin instanceof InputOrigin ? origin.position(record, keySerde, valueSerde) : null
        if (read !== null && fits(context, name, read.end - read.bodyAt) && context.sendRead(name, read, timestamp)) return
        // A batch takes no more than its topic, so a record that is in one is not too large.
        if (isDirect && record.headers.length === 0) {
          const readKey = origin instanceof InputOrigin ? origin.keyPosition(record, keySerde) : null
          if (readKey === null ? context.sendSerialized(name, keySerde, record.key, valueSerde, record.value, timestamp) : context.sendSerialized(name, readKeySerde, readKey, valueSerde, record.value, timestamp)) return
        }
      }
      const sizeOfOthers = record.headers.length === 0 ? 0 : sizeOfHeaders(record.headers)
      key = record.key === null ? null : scratchOfKey.of(node.keySerde, record.key)
      value = record.value === null ? null : scratchOfValue.of(node.valueSerde, record.value)
      requireRoom(context, name, (key?.length ?? 0) + (value?.length ?? 0) + sizeOfOthers)
      if (partitioner === null) {
        context.send(name, null, key, value, record.timestamp, record.headers)
        return
      }
    } catch (error) {
      if (context.continueAfterSerialization(node, record, error)) return
      throw new Refusal(context.refusal(node, record, error))
    }
    const partitions = context.partitionCount(name)
    const chosen = partitioner(name, record.key, record.value, partitions)
    if (typeof chosen !== 'object') context.send(name, chosen === undefined ? null : checkedPartition(chosen, name, partitions), key, value, record.timestamp, record.headers)
    else if (chosen.length === 0) context.dropped(node, 'the partitioner chose no partition')
    else for (const partition of chosen.map((each) => checkedPartition(each, name, partitions))) context.send(name, partition, key, value, record.timestamp, record.headers)
  }
  return operate(node, context, () => (direct === null ? handle : Object.assign(handle, direct)))
}

/** For runs that begin with a source: most records are written without being made. */
function headHandler(node: NodeOf<'sink'>, name: string, context: OperatorContext): HeadHandler {
  const { keySerde, valueSerde } = node
  let knownPlace: InputPlace | null = null
  let keysStand = false
  let valuesStand = false
  const follow = (place: InputPlace) => {
    keysStand = writesWhatWasRead(place.keySerde, keySerde)
    valuesStand = writesWhatWasRead(place.valueSerde, valueSerde)
    knownPlace = place
  }
  const scratchOfKey = new ScratchBytes()
  const scratchOfValue = new ScratchBytes()
  const send = <K>(serde: Serde<K>, key: K | null, value: unknown, timestamp: number) => {
    if (context.sendSerialized(name, serde, key, valueSerde, value, timestamp)) return true
    const keyBytes = key === null ? null : scratchOfKey.of(serde, key)
    const valueBytes = value === null ? null : scratchOfValue.of(valueSerde, value)
    requireRoom(context, name, (keyBytes?.length ?? 0) + (valueBytes?.length ?? 0))
    context.send(name, null, keyBytes, valueBytes, timestamp, noHeaders)
    return true
  }
  const take: TakeRead = ({ place, reader }, mark, headers, timestamp, key, isKeyRead, value, isValueRead) => {
    if (reader.positionOf === undefined) return false
    if (place !== knownPlace) follow(place)
    if (isKeyRead && keysStand && isValueRead && valuesStand) {
      const position = reader.positionOf(mark)
      return fits(context, name, position.end - position.bodyAt) && context.sendRead(name, position, timestamp)
    }
    if (headers.length > 0) return false
    if (isKeyRead && keysStand && key !== null) return send(readKeySerde, reader.positionOf(mark), value, timestamp)
    return key !== unread && send(keySerde, key, value, timestamp)
  }
  return { take, seesValue: true, refuse: refusing(node, context) }
}

/** For changes from flushed rows: what stands in a row as it would be written is copied. */
function rowHandler(node: NodeOf<'sink'>, name: string, context: OperatorContext): RowHandler {
  const { keySerde, valueSerde } = node
  let knownPlace: RowPlace | null = null
  let keysStand = false
  let valuesStand = false
  const follow = (change: RowChange) => {
    const { place } = change
    keysStand = change.hasKeyOf(keySerde)
    valuesStand = writesWhatWasRead(place.valueSerde, valueSerde)
    knownPlace = place
  }
  const take: TakeRow = (change, _mark, headers, timestamp, key, isKeyRead, value) => {
    if (headers.length > 0) return false
    if (change.place !== knownPlace) follow(change)
    const stands = isKeyRead && keysStand
    if (stands && value === unread && valuesStand) {
      const { span } = change
      return fits(context, name, span.keyLength + span.valueLength) && context.sendSpan(name, span, timestamp)
    }
    const written = value === unread ? change.readValue() : value
    if (stands) return context.sendSerialized(name, rowKeySerde, change.row, valueSerde, written, timestamp)
    return context.sendSerialized(name, keySerde, key === unread ? change.readKey() : key, valueSerde, written, timestamp)
  }
  return { take, seesValue: valueSerde.isExact !== true, takesChanges: false, refuse: refusing(node, context) }
}

function refusing(node: NodeOf<'sink'>, context: OperatorContext): (record: StreamRecord, error: unknown) => Error | null {
  return (record, error) => (context.continueAfterSerialization(node, record, error) ? null : context.refusal(node, record, error))
}

/** @throws INVALID_ARGUMENT */
function checkedPartition(partition: number, topic: string, partitions: number): number {
  if (Number.isInteger(partition) && partition >= 0 && partition < partitions) return partition
  throw new StreamError('INVALID_ARGUMENT', `the partitioner chose partition ${partition} of ${topic}, which has ${partitions}, from 0 on`, { details: { topic, partition } })
}
