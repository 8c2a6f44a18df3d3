import { isDeepStrictEqual } from 'node:util'
import { StreamError } from '../../core/index.ts'
import type { NodeOf } from '../topology/node.ts'
import { asChange } from './change-record.ts'
import { operate } from './operate.ts'
import type { NodeOperator } from './operate.ts'
import type { OperatorContext } from './operator-context.ts'

/**
 * A table's groupBy: the old and the new row, each under its new key. One change when both keys are equal, else the
 * retraction first. Rows whose new key or value is null are left out, and so are rows that come out of order in a table
 * with versions. Semantics: KTableRepartitionMap (KIP-904).
 */
export function tableGroupSelect(node: NodeOf<'tableGroupSelect'>, context: OperatorContext): NodeOperator {
  return operate(node, context, (output) => (record) => {
      const { newValue, oldValue, isLatest } = asChange(record).value
      if (record.key === null) throw new StreamError('PROCESSING_FAILED', 'a row without a key cannot be grouped')
      if (!isLatest) return
      const select = (value: unknown) => {
        if (value === null) return null
        const [key, mapped] = node.mapper(value, record.key, record)
        return key === null || mapped === null ? null : { key, value: mapped }
      }
      const before = select(oldValue)
      const after = select(newValue)
      if (before !== null && after !== null && isDeepStrictEqual(before.key, after.key)) {
        output.next(record.with(before.key, { newValue: after.value, oldValue: before.value, isLatest }))
        return
      }
      if (before !== null) output.next(record.with(before.key, { newValue: null, oldValue: before.value, isLatest }))
      if (after !== null) output.next(record.with(after.key, { newValue: after.value, oldValue: null, isLatest }))
  })
}
