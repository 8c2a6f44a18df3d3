import type { NodeOf } from '../topology/node.ts'
import { countAggregator, countInitializer } from '../aggregate.ts'
import { KeyValueStore } from '../state/key-value-store.ts'
import { isLongSerde } from '../state/row-update.ts'
import type { StreamRecord } from '../stream-record.ts'
import type { OpenStore } from '../state/open-store.ts'
import type { RunAhead } from '../record-head.ts'
import { aggregateNext } from './aggregation.ts'
import type { TakeRead } from './fused-steps.ts'
import { operate } from './operate.ts'
import type { NodeOperator } from './operate.ts'
import type { OperatorContext } from './operator-context.ts'
import { readAggregation } from './read-aggregation.ts'
import { keptTable } from './table-store.ts'

/**
 * count, reduce and aggregate of a grouped stream. Records with a null key or value are dropped. The aggregate's timestamp
 * is the largest of its records. An aggregator that gives null deletes the row. Semantics: KStreamAggregate, KStreamReduce;
 * but the old value of a new row is null, where upstream sends the initial value.
 */
export function streamAggregate(node: NodeOf<'streamAggregate'>, context: OperatorContext): NodeOperator {
  const { sendOldValues } = node
  return operate(node, context, (output) => {
    const table = keptTable(node, node.store, sendOldValues, output, context)
    const handle = (record: StreamRecord) => {
      const { key, value } = record
      if (key === null || value === null) {
        context.dropped(node, 'null key or value')
        return
      }
      context.enter(record)
      const row = table.getToUpdate(key)
      const timestamp = row === null ? record.timestamp : Math.max(row.timestamp, record.timestamp)
      // The aggregator may change the object it is given: the old value is read again, not shared.
      const oldValue = sendOldValues && row !== null ? table.getToUpdate(key)!.value : null
      table.update(record, key, { newValue: aggregateNext(node, row?.value ?? null, record), oldValue }, timestamp)
    }
    const read = readAggregation(node, context.store(node, node.store), sendOldValues)
    if (read === null) return handle
    const take: TakeRead = (batch, mark, _headers, timestamp, key, isKeyRead, value) => {
      if (value === null || !read.setKey(batch, mark, key, isKeyRead)) return false
      read.add(batch, mark, timestamp, key, value)
      return true
    }
    return Object.assign(handle, { head: { take, seesValue: read.seesValue, ahead: countAhead(node, context.store(node, node.store)) } })
  })
}

function countAhead({ aggregator, initializer }: NodeOf<'streamAggregate'>, { spec, view }: OpenStore): RunAhead | null {
  const isCount = aggregator === countAggregator && initializer === countInitializer && isLongSerde(spec.valueSerde)
  return isCount && view instanceof KeyValueStore ? view.countAhead() : null
}
