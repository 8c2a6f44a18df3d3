import type { NodeOf } from '../topology/node.ts'
import type { NodeOperator } from './operate.ts'

/** Passes every record on: where streams meet. */
export function passThrough(_node: NodeOf<'passThrough'>): NodeOperator {
  return (source) => source
}
