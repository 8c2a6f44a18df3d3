/**
 * Random programs of Kafka Streams with random input, in the notation of test/vectors/streams/FORMAT.md, without what happens.
 * What docs/differences.md names is kept out: old values of aggregates, retention behind which windows are gone, bounded tables,
 * processors between merged repartition topics, outer joins of a stream with itself, joins that upstream cannot start.
 */
import type { Random } from '../src/core/index.ts'
import { randomInteger } from '../src/core/index.ts'
import type { Operation, Scenario, SerdeSpec } from '../test/conformance/streams-members.ts'
import { RandomProcessorProgram } from './random-processor-program.ts'
import { RandomScenarioParts } from './random-scenario-parts.ts'
import type { Member } from './random-scenario-parts.ts'

interface StreamOf {
  readonly id: string
  readonly value: 'string' | 'long'
}

interface TableOf extends StreamOf {
  /** Its rows' old values may be looked at. */
  readonly hasOldValues: boolean
  /** The serde of its windowed keys. */
  readonly windowed: SerdeSpec | null
}

/** The same seed gives the same scenario. */
export function randomScenario(random: Random, name: string): Scenario {
  if (randomInteger(random, 8) === 0) return new RandomProcessorProgram(random).scenario(name)
  return new RandomFluentProgram(random).scenario(name)
}

class RandomFluentProgram extends RandomScenarioParts {
  readonly #streams: StreamOf[] = []
  readonly #tables: TableOf[] = []
  readonly #globals: string[] = []
  readonly #mayProcess: boolean
  readonly #caches: boolean

  constructor(random: Random) {
    super(random)
    this.#caches = this.chance(0.25)
    if (this.#caches) this.config['statestore.cache.max.bytes'] = 10_000_000
    if (this.chance(0.1)) this.config['dsl.store.suppliers.class'] = 'inMemory'
    if (this.chance(0.15)) this.config['processing.exception.handler'] = 'LogAndContinueProcessing'
    const optimization = this.pick(['none', 'none', 'none', 'all', 'all', 'merge.repartition.topics', 'single.store.self.join,reuse.ktable.source.topics'])
    if (optimization !== 'none') this.config['topology.optimization'] = optimization
    this.#mayProcess = !/all|merge/.test(optimization)
  }

  scenario(name: string): Scenario {
    const parts = [
      () => this.#stateless(), () => this.#stateless(), () => this.#stateless(), () => this.#split(), () => this.#process(),
      () => this.#aggregate(), () => this.#aggregate(), () => this.#cogroup(), () => this.#streamJoin(), () => this.#tableLookUp(),
      () => this.#otherValues(), () => this.#globalLookUp(), () => this.#tableOperator(), () => this.#tableJoin(), () => this.#foreignKeyJoin(), () => this.#groupTable(),
    ]
    const favourite = this.pick(parts)
    for (let count = 2 + this.below(7); count > 0; count--) (this.chance(0.3) ? favourite : this.pick(parts))()
    if (this.#streams.length === 0) this.#sourceStream()
    this.#sinks()
    return this.finished(name)
  }

  // ------------------------------------------------------------------------------------------------- sources

  #sourceStream(): StreamOf {
    const value = this.chance(0.2) ? 'long' : 'string'
    const options = {
      ...this.maybeName(),
      ...this.maybe(0.08, () => ({ extractor: { fn: this.pick(['logAndSkipOnInvalid', 'usePartitionTimeOnInvalid', 'valueAfterAtOrPartitionTime']) } })),
      ...this.maybe(0.05, () => ({ offsetReset: this.pick(['earliest', 'latest']) })),
    }
    const isPattern = value === 'string' && this.chance(0.05)
    if (isPattern) {
      const topic = this.inputTopic('pattern', 'string', 'string')
      this.topics[`${topic}.*`] = this.topics[topic]!
      return this.#addStream(this.add('stream', { pattern: `${topic}.*`, ...options }), 'string')
    }
    const topics = [this.inputTopic('in', 'string', value), ...(this.chance(0.1) ? [this.inputTopic('in', 'string', value)] : [])]
    return this.#addStream(this.add('stream', { topics, ...options }), value)
  }

  #sourceTable(versioned = this.chance(0.2)): TableOf {
    const topic = this.inputTopic(versioned ? 'versions' : 'table', 'string', 'string')
    const materialized = versioned
      ? { type: 'versioned', store: this.storeName('versioned'), historyMs: this.pick([5, 20, 100, 100]), ...this.maybe(0.3, () => ({ segmentMs: this.pick([5, 20]) })) }
      : this.#materialized(0.6)
    return this.#addTable(this.add('table', { topic, ...this.optional('materialized', materialized), ...this.maybeName() }), 'string', true)
  }

  #addStream(id: string, value: StreamOf['value']): StreamOf {
    const stream = { id, value }
    this.#streams.push(stream)
    return stream
  }

  #addTable(id: string, value: TableOf['value'], hasOldValues: boolean, windowed: SerdeSpec | null = null): TableOf {
    const table = { id, value, hasOldValues, windowed }
    this.#tables.push(table)
    return table
  }

  #stream(): StreamOf {
    return this.#streams.length === 0 || this.chance(0.15) ? this.#sourceStream() : this.pick(this.#streams)
  }

  #texts(): string {
    const { id, value } = this.#stream()
    return value === 'string' ? id : this.#addStream(this.add('mapValues', { from: id, mapper: { fn: 'show' } }), 'string').id
  }

  #textTable(): TableOf {
    const found = this.#tables.filter(({ value, windowed, hasOldValues }) => value === 'string' && windowed === null && hasOldValues)
    return found.length === 0 || this.chance(0.15) ? this.#sourceTable() : this.pick(found)
  }

  #materialized(chance: number, kind: 'keyValue' | 'window' | 'session' = 'keyValue', more: Member = {}): Member | null {
    const isNamed = this.chance(chance)
    const members = {
      ...(isNamed ? { store: this.storeName(kind) } : {}),
      ...this.maybe(0.15, () => ({ type: 'inMemory' })),
      ...this.maybe(this.#caches ? 0.4 : 0.05, () => ({ caching: this.chance(0.5) })),
      ...this.maybe(0.06, () => ({ logging: false })),
      ...this.maybe(0.1, () => (kind === 'keyValue' ? { key: 'string' } : {})),
      ...more,
    }
    return Object.keys(members).length === 0 ? null : members
  }

  // ------------------------------------------------------------------------------------------------- streams

  #stateless(): void {
    const from = this.#texts()
    const op = this.pick(['filter', 'filterNot', 'map', 'mapValues', 'flatMap', 'flatMapValues', 'selectKey', 'merge', 'repartition', 'peek', 'toTable'])
    const members: Record<string, () => Member> = {
      filter: () => ({ when: this.predicate() }),
      filterNot: () => ({ when: this.predicate() }),
      map: () => ({ toKey: this.keyer(), toValue: this.mapper() }),
      mapValues: () => ({ mapper: this.mapper() }),
      flatMap: () => ({ mapper: this.pick<Member>([{ fn: 'splitWordsKeyed' }, { fn: 'repeatKeyed', n: this.below(3) }]) }),
      flatMapValues: () => ({ mapper: this.pick<Member>([{ fn: 'splitWords' }, { fn: 'repeat', n: this.below(3) }]) }),
      selectKey: () => ({ by: this.keyer() }),
      merge: () => ({ with: this.#texts() }),
      repartition: () => this.maybe(0.3, () => ({ partitions: 1 })),
      peek: () => ({}),
      toTable: () => this.optional('materialized', this.#materialized(0.5)),
    }
    const id = this.add(op, { from, ...members[op]!(), ...this.maybeName() })
    if (op === 'toTable') this.#addTable(id, 'string', true)
    else this.#addStream(id, 'string')
  }

  #split(): void {
    const branches = Array.from({ length: 1 + this.below(3) }, () => ({
      when: this.predicate(),
      ...this.maybe(0.3, () => ({ name: `-${this.newName('branch')}` })),
      ...this.maybe(0.25, () => ({ mapValues: this.mapper() })),
    }))
    const name = this.newName('split')
    const rest = this.pick([undefined, true, { name: '-rest' }] as const)
    const id = this.add('split', { from: this.#texts(), branches, name, ...this.optional('default', rest) })
    const keys = branches.map((branch, index) => ('name' in branch ? String(branch.name) : String(index + 1)))
    if (rest !== undefined) keys.push(rest === true ? '0' : rest.name)
    for (const key of keys) this.#addStream(`${id}/${name}${key}`, 'string')
  }

  #process(): void {
    if (!this.#mayProcess) return
    const processor = this.processor()
    const isFixed = processor['store'] === undefined && processor['intervalMs'] === undefined && this.chance(0.4)
    const from = this.add('filter', { from: this.#texts(), when: { fn: 'keyStartsWith', arg: '' } })
    const store = processor['store'] === undefined ? null : this.storeOf(processor)
    const isOwn = store !== null && this.chance(0.4)
    if (store !== null && !isOwn) this.operations.push({ op: 'addStateStore', ...store })
    const members = { processor: isOwn ? { ...processor, ownStores: [store] } : processor, ...(store === null || isOwn ? {} : { stores: [store['store']] }) }
    this.#addStream(this.add(isFixed ? 'processValues' : 'process', { from, ...members, ...this.maybeName() }), 'string')
  }

  #group(): string {
    const grouped = this.maybe(0.25, () => ({ grouped: { name: this.newName('group') } }))
    const from = this.#texts()
    return this.chance(0.5) ? this.add('groupByKey', { from, ...grouped }) : this.add('groupBy', { from, by: this.keyer(), ...grouped })
  }

  /** How to aggregate, and the kind of its results. */
  #aggregation(isSession: boolean): { readonly op: string; readonly members: Member; readonly value: StreamOf['value'] } {
    const op = this.pick(['count', 'reduce', 'aggregate', 'aggregate'])
    if (op === 'count') return { op, members: {}, value: 'long' }
    if (op === 'reduce') return { op, members: { reducer: this.pick<Member>([{ fn: 'concat' }, { fn: 'last' }, { fn: 'nullOn', arg: 'B' }]) }, value: 'string' }
    const isSum = this.chance(0.3)
    const adder = isSum ? { fn: 'addLength' } : this.pick<Member>([{ fn: 'concat' }, { fn: 'plus' }, { fn: 'tag', arg: 't' }, { fn: 'nullOn', arg: 'A' }])
    const merger = isSession ? { merger: isSum ? { fn: 'mergeSum' } : { fn: this.pick(['mergeBar', 'mergeConcat']) } } : {}
    return { op, members: { init: isSum ? 0 : this.pick(['', 'I']), adder, ...merger }, value: isSum ? 'long' : 'string' }
  }

  #aggregate(): void {
    const group = this.#group()
    if (this.chance(0.3)) {
      const { op, members, value } = this.#aggregation(false)
      const materialized = this.#materialized(0.5, 'keyValue', op === 'aggregate' && value === 'long' ? { value } : {})
      this.#addTable(this.add(op, { from: group, ...members, ...this.optional('materialized', materialized), ...this.maybeName() }), value, op === 'reduce')
      return
    }
    const { window, windowed } = this.window()
    const isSession = window['type'] === 'session'
    let from = this.add('windowedBy', { from: group, window })
    const isFinal = window['type'] !== 'unlimited' && this.chance(0.25)
    if (isFinal) from = this.add('emitStrategy', { from, strategy: 'onWindowClose' })
    const { op, members, value } = this.#aggregation(isSession)
    const store = this.#windowStore(isSession, isFinal, window['type'] === 'unlimited', op === 'aggregate' && value === 'long' ? { value } : {})
    const id = this.add(op, { from, ...members, materialized: store, ...this.maybeName() })
    const mayWait = (window['type'] === 'tumbling' || window['type'] === 'hopping') && !isFinal && op === 'reduce'
    const table = this.#addTable(id, value, false, windowed)
    if (mayWait && this.chance(0.5)) this.#suppress(table, this.chance(0.6))
  }

  /** Kept for ever: what retention takes away is another matter. */
  #windowStore(isSession: boolean, isFinal: boolean, isUnlimited: boolean, more: Member): Member {
    const caching = isFinal ? { caching: false } : {}
    const retention = isUnlimited ? {} : { retentionMs: 1_000_000_000 }
    return { ...this.#materialized(1, isSession ? 'session' : 'window', more), ...retention, key: 'string', ...caching }
  }

  #suppress(table: TableOf, untilClose: boolean): void {
    const size = () => (this.chance(0.5) ? { maxRecords: 1 + this.below(4) } : { maxBytes: 1 + this.below(400) })
    const bound = untilClose ? this.maybe(0.3, size) : this.maybe(0.4, () => ({ ...size(), ...this.maybe(0.2, () => ({ whenFull: 'shutDown' })) }))
    const until = untilClose ? 'windowCloses' : { timeLimitMs: this.pick([0, 1, 5, 10, 30]) }
    const id = this.add('suppress', { from: table.id, until, ...bound, ...this.maybeName() })
    this.#addTable(id, table.value, table.hasOldValues, table.windowed)
  }

  #cogroup(): void {
    const groups = [...new Set(Array.from({ length: 1 + this.below(3) }, () => this.#group()))]
    const from = groups.map((group, index) => ({ group, adder: this.pick<Member>([{ fn: 'tag', arg: 'xyz'[index] }, { fn: 'concat' }]) }))
    let id = this.add('cogroup', { from })
    const init = this.pick(['', 'I'])
    if (this.chance(0.4)) {
      this.#addTable(this.add('aggregate', { from: id, init, ...this.optional('materialized', this.#materialized(0.5)), ...this.maybeName() }), 'string', false)
      return
    }
    const { window, windowed } = this.window()
    id = this.add('windowedBy', { from: id, window })
    const merger = window['type'] === 'session' ? { merger: { fn: 'mergeBar' } } : {}
    const materialized = this.#windowStore(window['type'] === 'session', false, window['type'] === 'unlimited', {})
    this.#addTable(this.add('aggregate', { from: id, init, ...merger, materialized, ...this.maybeName() }), 'string', false, windowed)
  }

  // --------------------------------------------------------------------------------------------------- joins

  #streamJoin(): void {
    const [from, other] = [this.#texts(), this.#texts()]
    const op = from === other ? 'join' : this.pick(['join', 'join', 'leftJoin', 'outerJoin'])
    const differs = from !== other && this.chance(0.3)
    const size = differs ? { beforeMs: this.below(15), afterMs: this.below(15) } : { differenceMs: this.pick([0, 1, 5, 10, 20]) }
    const windows = { ...size, ...(op === 'join' ? this.maybe(0.5, () => ({ graceMs: this.pick([0, 5, 30]) })) : { graceMs: 0 }) }
    const streamJoined = this.maybe(0.4, () => ({
      streamJoined: { ...this.maybe(0.5, () => ({ name: this.newName('joined') })), ...this.maybe(0.4, () => ({ storeName: this.newName('rows') })) },
    }))
    this.#addStream(this.add(op, { from, with: other, joiner: this.joiner(), windows, ...streamJoined }), 'string')
  }

  #tableLookUp(): void {
    const isVersioned = this.chance(0.4)
    const table = isVersioned ? this.#sourceTable(true) : this.#textTable()
    const from = this.add('filter', { from: this.#texts(), when: { fn: 'keyStartsWith', arg: '' } })
    const joined = {
      ...this.maybe(0.3, () => ({ name: this.newName('joined') })),
      ...(isVersioned && this.chance(0.7) ? { graceMs: this.pick([0, 2, 5]) } : {}),
    }
    const members = Object.keys(joined).length === 0 ? {} : { joined }
    this.#addStream(this.add(this.pick(['join', 'leftJoin']), { from, with: table.id, joiner: this.joiner(), ...members }), 'string')
  }

  #globalLookUp(): void {
    if (this.#globals.length === 0 || this.chance(0.2)) {
      const materialized = this.maybe(0.5, () => ({ materialized: { store: this.storeName('keyValue') } }))
      this.#globals.push(this.add('globalTable', { topic: this.inputTopic('global', 'string', 'string'), ...materialized }))
    }
    const members = { from: this.#texts(), with: this.pick(this.#globals), by: this.keyer(), joiner: this.joiner(), ...this.maybeName() }
    this.#addStream(this.add(this.pick(['join', 'leftJoin']), members), 'string')
  }

  #tableOperator(): void {
    const table = this.#textTable()
    const op = this.pick(['filter', 'filterNot', 'mapValues', 'transformValues', 'suppress', 'toStream'])
    if (op === 'suppress') this.#suppress(table, false)
    else if (op === 'transformValues') this.#transformValues(table)
    else if (op === 'toStream') this.#addStream(this.add(op, { from: table.id, ...this.maybe(0.3, () => ({ by: this.keyer() })), ...this.maybeName() }), 'string')
    else {
      const what = op === 'mapValues' ? { mapper: this.mapper() } : { when: this.predicate() }
      this.#addTable(this.add(op, { from: table.id, ...what, ...this.optional('materialized', this.#materialized(0.4)), ...this.maybeName() }), 'string', true)
    }
  }

  /** Never looked up again: upstream computes such rows anew. */
  #transformValues(table: TableOf): void {
    const counts = this.chance(0.5)
    const store = counts ? { store: this.newName('store'), type: 'keyValue', key: 'string', value: 'long', ...this.maybe(0.3, () => ({ inMemory: true })) } : null
    if (store !== null) this.operations.push({ op: 'addStateStore', ...store })
    const transformer = store === null ? { fn: 'withKey' } : { fn: 'countWithStore', store: store.store }
    const members = { from: table.id, transformer, ...(store === null ? {} : { stores: [store.store] }), ...this.optional('materialized', this.#materialized(0.5)), ...this.maybeName() }
    this.#addTable(this.add('transformValues', members), 'string', false)
  }

  #tableJoin(): void {
    const [left, right] = [this.#textTable(), this.#textTable()]
    const members = { from: left.id, with: right.id, joiner: this.tableJoiner(), ...this.optional('materialized', this.#materialized(0.4)), ...this.maybeName() }
    this.#addTable(this.add(this.pick(['join', 'leftJoin', 'outerJoin']), members), 'string', true)
  }

  #foreignKeyJoin(): void {
    const [left, right] = [this.#textTable(), this.#textTable()]
    const foreignKey = this.pick<Member>([{ fn: 'beforeBar' }, { fn: 'afterBar' }, { fn: 'prefix', n: 1 }, { fn: 'value' }])
    const members = { from: left.id, with: right.id, foreignKey, joiner: this.tableJoiner(), ...this.optional('materialized', this.#materialized(0.4)) }
    this.#addTable(this.add(this.pick(['join', 'leftJoin']), { ...members, ...this.maybeName() }), 'string', true)
  }

  #groupTable(): void {
    const by = this.pick<Member>([{ fn: 'prefix', n: 1 }, { fn: 'constant', arg: 'K' }, { fn: 'keyPrefix', n: 1 }, { fn: 'beforeBar' }])
    const grouped = this.maybe(0.25, () => ({ grouped: { name: this.newName('group') } }))
    const from = this.add('groupBy', { from: this.#textTable().id, by, ...grouped })
    const [op, members] = this.pick<readonly [string, Member]>([
      ['count', {}],
      ['reduce', { adder: { fn: 'concatPlus' }, subtractor: { fn: 'concatMinus' } }],
      ['aggregate', { init: this.pick(['', 'I']), adder: { fn: 'tag', arg: '+' }, subtractor: { fn: 'tag', arg: '-' } }],
    ])
    const materialized = this.#materialized(0.5)
    const id = this.add(op, { from, ...members, ...this.optional('materialized', materialized), ...this.maybeName() })
    this.#addTable(id, op === 'count' ? 'long' : 'string', op === 'reduce')
  }

  // -------------------------------------------------------------------------------- values of other formats

  /** From a topic of values that are no text, through what takes any value, and out in the same format. */
  #otherValues(): void {
    const value = this.pick(['integer', 'double', 'bytes', 'json'] as const)
    let id = this.add('stream', { topics: [this.inputTopic('in', 'string', value)], ...this.maybeName() })
    for (let count = this.below(3); count > 0; count--) {
      const op = this.pick(['filter', 'filterNot', 'mapValues', 'repartition'])
      const members = op.startsWith('filter') ? { when: { fn: this.pick(['always', 'valueIsNull']) } } : op === 'mapValues' ? { mapper: { fn: 'same' } } : {}
      // What a mapper gives has no serde of its own.
      if (op === 'repartition' || op !== 'mapValues' || count === 1) id = this.add(op, { from: id, ...members, ...(op === 'repartition' ? { value } : {}), ...this.maybeName() })
    }
    if (this.chance(0.5)) id = this.#lastOf(id, value)
    if (value === 'json' && this.chance(0.5)) this.#addStream(this.add('mapValues', { from: id, mapper: { fn: 'jsonField', arg: 'a' } }), 'string')
    else this.operations.push({ op: 'to', from: id, topic: this.outputTopic('string', value), ...this.maybeName() } as Operation)
  }

  #lastOf(from: string, value: SerdeSpec): string {
    const by = this.maybe(0.4, () => ({ by: { fn: this.pick(['key', 'keyAppend']), arg: 'z' } }))
    const group = this.add('by' in by ? 'groupBy' : 'groupByKey', { from, ...by, grouped: { value } })
    const table = this.add('reduce', { from: group, reducer: { fn: 'last' }, materialized: { ...this.#materialized(0.5), value } })
    return this.add('toStream', { from: table })
  }

  // --------------------------------------------------------------------------------------------------- sinks

  #sinks(): void {
    for (const { id, value, windowed } of this.#tables.filter(({ id: table }) => !this.isUsed(table))) {
      const isPlain = windowed !== null && this.chance(0.2)
      const stream = this.add('toStream', { from: id, ...(windowed === null || isPlain ? {} : { by: { fn: 'showWindowKey' } }) })
      this.#sink(stream, windowed !== null && isPlain ? windowed : 'string', value)
    }
    for (const { id, value } of this.#streams.filter(({ id: stream }) => !this.isUsed(stream))) this.#sink(id, 'string', value)
  }

  #sink(from: string, key: SerdeSpec, value: SerdeSpec): void {
    const isText = key === 'string' && value === 'string'
    if (isText && this.chance(0.08)) this.operations.push({ op: 'to', from, extractor: { fn: this.pick(['outByPrefix', 'outByKey', 'outBySource']) } } as Operation)
    else this.operations.push({ op: 'to', from, topic: isText ? 'out' : this.outputTopic(key, value), ...this.maybeName() } as Operation)
  }
}
