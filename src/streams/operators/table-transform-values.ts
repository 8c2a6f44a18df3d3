import type { ValueTransformerContext } from '../value-transformer.ts'
import type { NodeOf } from '../topology/node.ts'
import { asChange } from './change-record.ts'
import { operate } from './operate.ts'
import type { NodeOperator } from './operate.ts'
import type { OperatorContext } from './operator-context.ts'
import { keptTable } from './table-store.ts'

/**
 * A new value for every row by a transformer of the program, which may use stores; it is asked for deletions as well. The
 * old value is what the result's store has; without a store the transformer is asked again. Semantics: KTableTransformValues.
 */
export function tableTransformValues(node: NodeOf<'tableTransformValues'>, context: OperatorContext): NodeOperator {
  const { sendOldValues } = node
  return operate(node, context, (output) => {
    const table = node.store === null ? null : keptTable(node, node.store, sendOldValues, output, context)
    const transformer = node.factory()
    context.onConnected(node, () => {
      transformer.init?.(transformerContext(node, context))
      context.onClose(() => transformer.close?.())
    })
    return (record) => {
      const { key } = record
      const change = asChange(record).value
      context.enter(record)
      const newValue = transformer.transform(change.newValue as never, key as never)
      if (table === null) {
        const oldValue = sendOldValues ? transformer.transform(change.oldValue as never, key as never) : null
        output.next(record.withValue({ newValue, oldValue, isLatest: change.isLatest }))
      } else {
        const oldValue = table.asksOldValue ? (table.getToUpdate(key)?.value ?? null) : null
        table.update(record, key, { newValue, oldValue }, record.timestamp)
      }
    }
  })
}

function transformerContext(node: NodeOf<'tableTransformValues'>, context: OperatorContext): ValueTransformerContext {
  return {
    applicationId: context.applicationId,
    taskId: context.taskId,
    store(store: unknown): never {
      const name = typeof store === 'string' ? store : (store as { readonly spec: { readonly name: string } }).spec.name
      return context.store(node, name).view as never
    },
  }
}
