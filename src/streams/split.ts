import { StreamError } from '../core/index.ts'
import { addOperator } from './plan.ts'
import type { StreamPlan } from './plan.ts'
import type { RecordCallback, Stream } from './stream.ts'
import type { StreamRecord } from './stream-record.ts'
import type { GraphNode } from './topology/graph.ts'
import type { RecordFunction } from './topology/node.ts'

interface Branch {
  readonly child: string
  readonly predicate: RecordFunction<boolean>
}

/**
 * A stream about to be split: each record goes to the first branch whose predicate holds, and to no other. `Branches` are
 * the streams so far, by name; `otherwise` or `done` gives them. Semantics: BranchedKStream of Kafka Streams.
 * ```
 * stream.split().branch('failed', (hit) => hit.status >= 500).branch('slow', (hit) => hit.ms > 1000).otherwise('fine')
 * ```
 */
export class SplitStream<K, V, Branches extends Readonly<Record<string, unknown>>> {
  readonly #plan: StreamPlan
  readonly #name: string
  readonly #node: GraphNode
  readonly #branches: Branch[] = []
  readonly #streams: Record<string, unknown> = {}
  #default: string | null = null

  constructor(plan: StreamPlan, name: string | undefined) {
    const { context } = plan
    this.#plan = plan
    this.#name = context.names.processor('KSTREAM-BRANCH-', name)
    this.#node = addOperator(context, this.#name, [plan.node], () => ({ kind: 'branch', branches: [...this.#branches], defaultChild: this.#default }))
  }

  /**
   * Records for which the predicate holds and that no branch before took. With `then`, what it makes of the branch takes its
   * place among the branches.
   */
  branch<Name extends string, Kept extends V>(
    name: Name,
    predicate: (value: V, key: K, record: StreamRecord<K, V>) => value is Kept,
  ): SplitStream<K, V, Branches & { readonly [N in Name]: Stream<K, Kept> }>
  branch<Name extends string>(name: Name, predicate: RecordCallback<K, V, boolean>): SplitStream<K, V, Branches & { readonly [N in Name]: Stream<K, V> }>
  branch<Name extends string, R>(
    name: Name,
    predicate: RecordCallback<K, V, boolean>,
    then: (branch: Stream<K, V>) => R,
  ): SplitStream<K, V, Branches & { readonly [N in Name]: R }>
  branch(name: string, predicate: RecordCallback<K, V, boolean>, then: (branch: Stream<K, V>) => unknown = (stream) => stream): unknown {
    this.#branches.push({ child: this.#name + name, predicate: predicate as RecordFunction<boolean> })
    this.#addChild(name, then)
    return this
  }

  /** All branches, the last one being the records that none took. */
  otherwise<Name extends string>(name: Name): Branches & { readonly [N in Name]: Stream<K, V> }
  otherwise<Name extends string, R>(name: Name, then: (branch: Stream<K, V>) => R): Branches & { readonly [N in Name]: R }
  otherwise(name: string, then: (branch: Stream<K, V>) => unknown = (stream) => stream): unknown {
    this.#default = this.#name + name
    this.#addChild(name, then)
    return this.#streams
  }

  /** All branches; records that none took are left out. */
  done(): Branches {
    return this.#streams as Branches
  }

  #addChild(name: string, then: (branch: Stream<K, V>) => unknown): void {
    const { context } = this.#plan
    const child = this.#name + name
    if (name in this.#streams) throw new StreamError('TOPOLOGY_INVALID', `${this.#name} has two branches named ${name}`)
    context.names.processor(child)
    const node = addOperator(context, child, [this.#node], () => ({ kind: 'passThrough' }))
    this.#streams[name] = then(context.stream<K, V>({ ...this.#plan, node }))
  }
}
