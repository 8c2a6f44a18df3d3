import { StreamError } from '../../core/index.ts'
import type { SuppressBuffer } from '../state/suppress-buffer.ts'
import { StreamRecord } from '../stream-record.ts'
import type { NodeOf } from '../topology/node.ts'
import type { Windowed } from '../windows.ts'
import { asChange } from './change-record.ts'
import { operate } from './operate.ts'
import type { NodeOperator, Output } from './operate.ts'
import type { OperatorContext } from './operator-context.ts'

/**
 * Holds changes of a table back: for a time after the first of a row, or until its window can take no more records. What
 * comes out is the last change, with the timestamp and headers of its record, in the place of the first; rows are sent
 * when a later record arrives here. Deletions are left out at the close of windows: a window that never was needs none.
 * Semantics: KTableSuppressProcessor; but a window leaves only once no record can change it any more.
 */
export function suppress(node: NodeOf<'suppress'>, context: OperatorContext): NodeOperator {
  const { until } = node
  return operate(node, context, (output) => {
    const buffer = context.store(node, node.store).view as SuppressBuffer
    let observedTime = -1
    return (record) => {
      const change = asChange(record).value
      observedTime = Math.max(observedTime, record.timestamp)
      const time = until.type === 'window-closes' ? (record.key as Windowed<unknown>).end : record.timestamp
      buffer.put(time, record, change)
      const expiry = observedTime - (until.type === 'window-closes' ? until.graceMs + Number(until.endInclusive) : until.ms)
      for (let first = buffer.firstTime; first !== null && first <= expiry; first = buffer.firstTime) sendFirst(node, buffer, output)
      if (isFull(node, buffer)) makeRoom(node, buffer, output)
    }
  })
}

function sendFirst(node: NodeOf<'suppress'>, buffer: SuppressBuffer, output: Output): void {
  buffer.evictFirst(({ key, change, row }) => {
    if (change.newValue === null && node.until.type === 'window-closes') return
    const origin = { topic: row.topic, partition: row.partition, offset: row.offset, rawKey: null, rawValue: null }
    output.next(new StreamRecord(key, node.sendOldValues ? change : { ...change, oldValue: null }, row.timestamp, row.headers, origin))
  })
}

function isFull({ maxRecords, maxBytes }: NodeOf<'suppress'>, buffer: SuppressBuffer): boolean {
  return (maxRecords !== null && buffer.records > maxRecords) || (maxBytes !== null && buffer.sizeBytes > maxBytes)
}

function makeRoom(node: NodeOf<'suppress'>, buffer: SuppressBuffer, output: Output): void {
  if (node.whenFull === 'shut-down') {
    const [records, bytes] = [node.maxRecords ?? 'any number of', node.maxBytes ?? 'any number of']
    throw new StreamError('PROCESSING_FAILED', `the buffer has ${buffer.records} of ${records} records and ${buffer.sizeBytes} of ${bytes} bytes: raise its bounds, or let it emit early`)
  }
  while (isFull(node, buffer)) sendFirst(node, buffer, output)
}
