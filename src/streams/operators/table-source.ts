import { KeyValueStore } from '../state/key-value-store.ts'
import type { OpenStore } from '../state/open-store.ts'
import { writesWhatWasRead } from '../stream-record.ts'
import type { InputPlace, StreamRecord } from '../stream-record.ts'
import type { NodeOf } from '../topology/node.ts'
import type { TakeRead } from './fused-steps.ts'
import { operate } from './operate.ts'
import type { NodeOperator } from './operate.ts'
import type { OperatorContext } from './operator-context.ts'
import { keptTable } from './table-store.ts'

/**
 * Rows of a table from records: a null value deletes, a null key is dropped, and a row with an older timestamp overwrites
 * all the same unless the store is versioned. Semantics: KTableSource.
 */
export function tableSource(node: NodeOf<'tableSource'>, context: OperatorContext): NodeOperator {
  const { store, sendOldValues } = node
  return operate(node, context, (output) => {
    const table = store === null ? null : keptTable(node, store, sendOldValues, output, context)
    const handle = (record: StreamRecord) => {
      const { key, value, timestamp } = record
      if (key === null) {
        context.dropped(node, 'null key')
      } else if (table === null) {
        output.next(record.withValue({ newValue: value, oldValue: null, isLatest: true }))
      } else {
        context.enter(record)
        const oldValue = table.asksOldValue ? (table.getToUpdate(key)?.value ?? null) : null
        table.update(record, key, { newValue: value, oldValue }, timestamp)
      }
    }
    const take = store === null ? null : takeRows(context.store(node, store))
    return take === null ? handle : Object.assign(handle, { head: { take, seesValue: false } })
  })
}

/** Puts rows as they stand in their batch; null where they do not wait in a cache, or are not written as they were read. */
function takeRows({ spec, view, cached }: OpenStore): TakeRead | null {
  if (!cached || spec.type !== 'timestamped-key-value' || spec.keepsHeaders === true || spec.keySerde.isExact !== true || spec.valueSerde.isExact !== true) return null
  const rows = view instanceof KeyValueStore ? view.rowUpdate(spec.valueSerde) : null
  if (rows === null) return null
  let knownPlace: InputPlace | null = null
  let rowsStand = false
  return ({ place, reader }, mark, _headers, timestamp, key, isKeyRead, value, isValueRead) => {
    if (place !== knownPlace) {
      knownPlace = place
      rowsStand = writesWhatWasRead(place.keySerde, spec.keySerde) && writesWhatWasRead(place.valueSerde, spec.valueSerde)
    }
    if (!rowsStand || reader.positionOf === undefined || key === null || value === null || !isKeyRead || !isValueRead) return false
    const position = reader.positionOf(mark)
    rows.setKey(position)
    rows.writeRead(position, timestamp)
    return true
  }
}
