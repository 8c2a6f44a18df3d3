import type { NodeOf } from '../topology/node.ts'
import { operate } from './operate.ts'
import type { NodeOperator } from './operate.ts'
import type { OperatorContext } from './operator-context.ts'
import { argumentsSeen } from './run-source.ts'
import { rowReader } from './table-rows.ts'

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
    return (record) => {
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
  })
}
