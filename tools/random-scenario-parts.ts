/** What random scenarios are made of: names, topics, functions, windows, stores, input and queries, in the notation of test/vectors/streams/FORMAT.md. */
import type { Random } from '../src/core/index.ts'
import { randomInteger } from '../src/core/index.ts'
import type { Operation, Scenario, SerdeSpec } from '../test/conformance/streams-members.ts'

export type Member = Readonly<Record<string, unknown>>

type StoreKind = 'keyValue' | 'window' | 'session' | 'versioned'

const texts = ['A', 'B', 'AB', 'D', 'a|b', 'f1|x', 'f2|A', 'c|', 'C d', 'A@7', 'boom', 'null'] as const
const keys = ['a', 'b', 'c', 'f1', 'f2'] as const

export class RandomScenarioParts {
  readonly operations: Operation[] = []
  readonly topics: Record<string, { key: SerdeSpec; value: SerdeSpec }> = { out: { key: 'string', value: 'string' } }
  readonly config: Record<string, unknown> = {}
  readonly #random: Random
  readonly #inputs: string[] = []
  readonly #stores: { readonly name: string; readonly kind: StoreKind }[] = []
  /** Named operators of one program: all or none, as people write them. */
  readonly #names: boolean
  #count = 0

  constructor(random: Random) {
    this.#random = random
    this.#names = this.chance(0.4)
  }

  // -------------------------------------------------------------------------------------------------- chance

  below(bound: number): number {
    return randomInteger(this.#random, bound)
  }

  chance(probability: number): boolean {
    return this.#random.next() < probability
  }

  pick<T>(choices: readonly T[]): T {
    return choices[this.below(choices.length)]!
  }

  maybe(probability: number, members: () => Member): Member {
    return this.chance(probability) ? members() : {}
  }

  optional(member: string, value: unknown): Member {
    return value === undefined || value === null ? {} : { [member]: value }
  }

  // --------------------------------------------------------------------------------------------------- names

  newName(of: string): string {
    this.#count++
    return `${of}${this.#count}`
  }

  maybeName(): Member {
    return this.#names ? this.maybe(0.5, () => ({ name: this.newName('named') })) : {}
  }

  storeName(kind: StoreKind): string {
    const name = this.newName('store')
    this.#stores.push({ name, kind })
    return name
  }

  inputTopic(of: string, key: SerdeSpec, value: SerdeSpec): string {
    const topic = this.newName(of)
    this.#inputs.push(topic)
    this.topics[topic] = { key, value }
    return topic
  }

  outputTopic(key: SerdeSpec, value: SerdeSpec): string {
    const topic = this.newName('out')
    this.topics[topic] = { key, value }
    return topic
  }

  /** Adds an operation with a result; gives the result's id. */
  add(op: string, members: Member): string {
    const id = this.newName('n')
    this.operations.push({ id, op, ...members })
    return id
  }

  isUsed(id: string): boolean {
    return this.operations.some(({ op, from, with: other }) => from === id || other === id || (op === 'cogroup' && (from as { group: string }[]).some(({ group }) => group === id)))
  }

  // ----------------------------------------------------------------------------------------------- functions

  predicate(): Member {
    return this.pick<Member>([
      { fn: 'startsWith', arg: this.pick(['A', 'B', 'f']) }, { fn: 'lengthOver', n: 1 + this.below(3) }, { fn: 'keyStartsWith', arg: this.pick(['a', 'f']) },
      { fn: 'valueIsNull' }, { fn: 'always' }, ...this.#failing(),
    ])
  }

  mapper(): Member {
    return this.pick<Member>([
      { fn: 'same' }, { fn: 'upper' }, { fn: 'append', arg: this.pick(['x', '|a', '!']) }, { fn: 'withKey' }, { fn: 'nullIf', arg: this.pick(['A', 'f1|x']) },
      { fn: 'prefix', n: 1 + this.below(3) }, { fn: 'constant', arg: 'cc' }, { fn: 'show' }, ...this.#failing(),
    ])
  }

  keyer(): Member {
    return this.pick<Member>([
      { fn: 'key' }, { fn: 'value' }, { fn: 'prefix', n: 1 }, { fn: 'keyPrefix', n: 1 }, { fn: 'constant', arg: 'K' }, { fn: 'beforeBar' },
      { fn: 'keyAppend', arg: 'z' }, { fn: 'nullIfValue', arg: this.pick(['A', 'B']) }, ...this.#failing(),
    ])
  }

  joiner(): Member {
    return this.chance(0.3) ? { fn: 'joinWithKey' } : this.tableJoiner()
  }

  tableJoiner(): Member {
    return this.pick<Member>([{ fn: 'joinPlus' }, { fn: 'joinPlus' }, { fn: 'joinNullIf', arg: this.pick(['A', 'B', 'null']) }, { fn: 'left' }])
  }

  /** A function that throws ends most scenarios early. */
  #failing(): readonly Member[] {
    return this.config['processing.exception.handler'] === undefined && !this.chance(0.1) ? [] : [{ fn: 'failOn', arg: 'boom' }]
  }

  // ----------------------------------------------------------------------------------- windows and processors

  window(): { readonly window: Member; readonly windowed: SerdeSpec } {
    const grace = this.maybe(0.7, () => ({ graceMs: this.pick([0, 1, 5, 10, 30]) }))
    const sizeMs = this.pick([1, 2, 3, 5, 7, 10, 20])
    const time = { windowed: 'string', sizeMs }
    return this.pick([
      { window: { type: 'tumbling', sizeMs, ...grace }, windowed: time },
      { window: { type: 'hopping', sizeMs, advanceMs: 1 + this.below(sizeMs), ...grace }, windowed: time },
      { window: { type: 'sliding', differenceMs: sizeMs, ...grace }, windowed: time },
      { window: { type: 'session', gapMs: sizeMs - 1, ...grace }, windowed: { session: 'string' } },
      ...(this.chance(0.3) ? [{ window: { type: 'unlimited', ...this.maybe(0.5, () => ({ startMs: this.pick([0, 10, 40]) })) }, windowed: time }] : []),
    ])
  }

  processor(): Member {
    const punctuator = { type: this.pick(['stream', 'wall']), intervalMs: this.pick([1, 3, 5, 10]) }
    return this.pick<Member>([
      { fn: 'pass' }, { fn: 'upper' }, { fn: 'twice' }, { fn: 'forwardEvery', n: 2 }, { fn: 'shiftTimestamp', ms: this.pick([1, 5, 30]) },
      { fn: 'addHeader', name: 'p', value: 'q' }, { fn: 'dropHeaders' }, { fn: 'context' }, { fn: 'requestCommit' },
      { fn: 'punctuateCount', ...punctuator }, { fn: 'punctuateUntil', n: 1 + this.below(3), ...punctuator }, { fn: 'punctuateContext', ...punctuator },
      ...['punctuateStore', 'dedupWithStore', 'countWithStore', 'lastWithStore', 'storeRangeSize', 'putOnly', 'putIfAbsent', 'deleteFromStore'].map((fn) => ({
        fn, store: this.newName('store'), ...(fn === 'punctuateStore' ? punctuator : {}),
      })),
      { fn: 'windowFetch', store: this.newName('store'), ms: this.pick([3, 10]) },
      { fn: this.pick(['versionedPut', 'versionedDelete']), store: this.newName('store') },
    ])
  }

  /** The store that the processor needs. */
  storeOf(processor: Member): Member {
    const kind = processor['fn'] === 'windowFetch' ? 'window' : String(processor['fn']).startsWith('versioned') ? 'versioned' : 'keyValue'
    const name = processor['store'] as string
    this.#stores.push({ name, kind })
    const store = { store: name, type: kind, key: 'string', value: processor['fn'] === 'countWithStore' ? 'long' : 'string', ...this.maybe(0.15, () => ({ logging: false })) }
    const inMemory = this.maybe(0.3, () => ({ inMemory: true }))
    if (kind === 'window') return { ...store, ...inMemory, windowMs: 10, retentionMs: 1_000_000_000, ...this.maybe(0.4, () => ({ retainDuplicates: true })) }
    if (kind === 'versioned') return { ...store, historyMs: this.pick([5, 20, 100]) }
    return { ...store, ...inMemory, ...this.maybe(0.3, () => ({ caching: true })) }
  }

  // --------------------------------------------------------------------------------------------------- input

  finished(name: string): Scenario {
    const recordInternal = this.maybe(0.6, () => ({ recordInternal: true }))
    return { name, about: 'A random program.', config: this.config, topics: this.topics, topology: this.operations, ...recordInternal, steps: this.steps(false) }
  }

  /** With `withoutNulls` every record has a key and a value. */
  steps(withoutNulls: boolean): readonly Member[] {
    const steps: Member[] = []
    const stretch = this.pick([1, 1, 5, 60_000])
    let time = this.pick([0, 5, 1_000])
    for (let count = 12 + this.below(35); count > 0; count--) {
      if (this.chance(0.08)) steps.push({ advanceWallClockMs: this.pick([1, 5, 10, 50]) })
      else if (this.#stores.length > 0 && this.chance(0.1)) steps.push({ query: this.#query(time) })
      else {
        time += this.pick([0, 0, 1, 1, 2, 3, 5, 10, 40])
        const late = this.chance(0.25) ? this.below(25) : 0
        steps.push({ pipe: this.#record(this.pick(this.#inputs), Math.max(0, time - late) * stretch, withoutNulls) })
      }
    }
    return steps
  }

  #record(topic: string, timestamp: number, withoutNulls: boolean): Member {
    const isNull = !withoutNulls && this.chance(0.12)
    const value = isNull ? null : this.#value(this.topics[topic]!.value)
    const key = !withoutNulls && this.chance(0.04) ? null : this.pick(keys)
    // A versioned row is never deleted at its own timestamp: docs/differences.md.
    const at = topic.startsWith('versions') ? timestamp * 2 + (isNull ? 1 : 0) : timestamp
    return { topic, key, value, timestamp: at, ...this.maybe(0.2, () => ({ headers: [['h', 'MQ=='], ...(this.chance(0.3) ? [['n', null]] : [])] })) }
  }

  #value(serde: SerdeSpec): unknown {
    if (serde === 'long' || serde === 'integer') return this.below(8) - 2
    if (serde === 'double') return this.pick([0.5, -1.25, 3, 1e21, -0.001])
    if (serde === 'bytes') return this.pick(['', 'AA==', '/wD+', 'QUI='])
    if (serde === 'json') return this.pick<unknown>([{ a: 'A', b: 1 }, { b: [1, null, 'x'], a: 'f1|x' }, { c: { d: 'é "q" \\' } }, [], {}, 'text', 12.5, true])
    return this.pick(texts)
  }

  #query(time: number): Member {
    const { name: store, kind } = this.pick(this.#stores)
    const key = this.pick(keys)
    const [from, to] = [Math.max(0, time - this.pick([0, 5, 20])), time + this.pick([0, 5, 20])]
    const range = this.maybe(0.7, () => ({ from: 'a', to: this.pick(['c', 'f1', 'z']) }))
    const queries: Record<StoreKind, readonly Member[]> = {
      keyValue: [{ type: 'get', key }, ...['range', 'reverseRange'].map((type) => ({ type, from: null, to: null, ...range })), { type: 'all' }, { type: 'reverseAll' }, { type: 'prefixScan', prefix: 'f' }],
      window: [{ type: 'fetchOne', key, time: from }, ...['fetch', 'backwardFetch'].map((type) => ({ type, key, from, to })), ...['fetchAll', 'backwardFetchAll'].map((type) => ({ type, from, to }))],
      session: [...['sessionFetch', 'sessionBackwardFetch'].map((type) => ({ type, key })), { type: 'findSessions', key, earliestEnd: from, latestStart: to }],
      versioned: [{ type: 'get', key }, { type: 'getAsOf', key, asOf: from }],
    }
    return { store, ...this.pick(queries[kind]) }
  }
}
