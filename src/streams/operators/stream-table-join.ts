import { readRecord } from '../record-head.ts'
import { writesWhatWasRead } from '../stream-record.ts'
import type { InputPlace, StreamRecord } from '../stream-record.ts'
import type { NodeOf } from '../topology/node.ts'
import type { TakeRead } from './fused-steps.ts'
import { operate } from './operate.ts'
import type { HeadHandler, NodeOperator, Output } from './operate.ts'
import type { OperatorContext } from './operator-context.ts'
import { argumentsSeen } from './run-source.ts'
import { rowReader } from './table-rows.ts'
import type { RowReader } from './table-rows.ts'

/**
 * A stream record meets the table's row of now (of the record's time, where the table has versions); the table never
 * triggers. Null values are dropped; a null key is a miss, which only a left join passes on. Semantics: KStreamKTableJoin.
 */
export function streamTableJoin(node: NodeOf<'streamTableJoin'>, context: OperatorContext): NodeOperator {
  const { joiner, selector } = node
  const isLeft = node.join === 'left'
  const seesKey = argumentsSeen(joiner) > 2
  return operate(node, context, (output) => {
    const rows = rowReader(node, node.rows, context)
    const handle = (record: StreamRecord) => {
      const { value } = record
      const lookedUp = selector === null ? null : selector(value, record.key, record)
      const isKeyNull = selector === null ? record.isKeyNull : lookedUp === null
      if (value === null || (isKeyNull && !isLeft)) {
        context.dropped(node, value === null ? 'null value' : 'null key')
        return
      }
      const row = isKeyNull ? null : selector === null ? rows.getOf(record) : rows.getAsOf(lookedUp, record, record.timestamp)
      if (row !== null || isLeft) output.next(record.withValue(joiner(value, row?.value ?? null, seesKey ? record.key : undefined)))
    }
    return selector !== null || seesKey || rows.ofRead === undefined ? handle : Object.assign(handle, { head: headHandler(node, rows.ofRead, output) })
  })
}

/** Joins what was read without a record for it: the row is looked up by the key as it stands in its batch, and what comes next may do without a record, too. */
function headHandler({ joiner, join }: NodeOf<'streamTableJoin'>, rows: NonNullable<RowReader['ofRead']>, output: Output): HeadHandler {
  let knownPlace: InputPlace | null = null
  let keysStand = false
  const next = output.head ?? null
  const take: TakeRead = (batch, mark, headers, timestamp, key, isKeyRead, value, _isValueRead, offset) => {
    const { place, reader } = batch
    if (key === null || !isKeyRead || value === null || reader.positionOf === undefined) return false
    if (place !== knownPlace) {
      knownPlace = place
      keysStand = writesWhatWasRead(place.keySerde, rows.keySerde)
    }
    if (!keysStand) return false
    const row = rows.get(reader.positionOf(mark))
    if (row === null && join !== 'left') return true
    const joined = joiner(value, row?.value ?? null, undefined)
    try {
      if (next !== null && next.take(batch, mark, headers, timestamp, key, true, joined, false, offset)) return true
    } catch (error) {
      output.refuse!(readRecord(batch, offset, mark, key, value, timestamp, headers).withValue(joined), error)
      return true
    }
    output.next(readRecord(batch, offset, mark, key, value, timestamp, headers).withValue(joined))
    return true
  }
  return { take, seesValue: true }
}
