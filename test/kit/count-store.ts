import { longSerde, stringSerde } from '../../src/core/index.ts'
import { customStore } from '../../src/streams/index.ts'
import type { CustomStore, CustomStoreContext, StoreDefinition } from '../../src/streams/index.ts'

/** A store of a program's own, as simply as can be: how often each key was counted. What changes is logged when it is flushed. */
export class CountStore implements CustomStore {
  readonly #context: CustomStoreContext
  #counts = new Map<string, number>()
  #committed = new Map<string, number>()
  readonly #unlogged = new Set<string>()

  constructor(context: CustomStoreContext) {
    this.#context = context
  }

  /** How often it was, with this time. */
  count(key: string): number {
    const count = (this.#counts.get(key) ?? 0) + 1
    this.#counts.set(key, count)
    this.#unlogged.add(key)
    return count
  }

  restore(key: Uint8Array, value: Uint8Array | null): void {
    if (value !== null) this.#counts.set(stringSerde.deserialize(key), longSerde.deserialize(value))
  }

  flush(): void {
    for (const key of this.#unlogged) this.#context.log(stringSerde.serialize(key), longSerde.serialize(this.#counts.get(key)!))
    this.#unlogged.clear()
  }

  commit(): void {
    this.#committed = new Map(this.#counts)
  }

  rollback(): void {
    this.#counts = new Map(this.#committed)
    this.#unlogged.clear()
  }
}

export function countStore(name: string): StoreDefinition<CountStore> {
  return customStore(name, (context) => new CountStore(context))
}
