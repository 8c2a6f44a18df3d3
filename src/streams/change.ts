/** What a table edge carries: the new row, and the row before it where an operator downstream asked for it. */
export interface Change<V> {
  /** null: the row is deleted. */
  readonly newValue: V | null
  /** null: there was none, or nobody asked (`sendOldValues` of the node that sent it). */
  readonly oldValue: V | null
  /** False only for an out-of-order row of a versioned table. */
  readonly isLatest: boolean
}
