import type { StoreDefinition } from './stores.ts'

/** Gives each row of a table a new value, with stores of its own. One instance per task. Semantics: ValueTransformerWithKey of Kafka Streams. */
export interface ValueTransformer<K, V, R> {
  /** Called once, before the first row. */
  init?(context: ValueTransformerContext): void
  /** `value` is null for a deletion. null deletes the row of the result. May be called more than once for a change. */
  transform(value: V | null, key: K): R | null
  /** Called when the task is closed or rebuilt after a failure. */
  close?(): void
}

/** Makes a new instance with every call. */
export type ValueTransformerFactory<K, V, R> = () => ValueTransformer<K, V, R>

export interface ValueTransformerContext {
  readonly applicationId: string
  /** `<sub-topology>_<partition>`. */
  readonly taskId: string
  /** A store that the transformer is connected to. @throws TOPOLOGY_INVALID when it is not */
  store<View>(store: StoreDefinition<View>): View
  store(name: string): unknown
}
