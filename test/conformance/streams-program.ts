/** Builds the topology of a recorded scenario (FORMAT.md, section 4) with the fluent surface. */
import { bytesSerde, doubleSerde, integerSerde, jsonSerde, longSerde, stringSerde } from '../../src/core/index.ts'
import type { Serde } from '../../src/core/index.ts'
import { GroupedStream } from '../../src/streams/grouped-stream.ts'
import { GroupedTable } from '../../src/streams/grouped-table.ts'
import type { StoreOptions } from '../../src/streams/options.ts'
import type { ProcessOptions } from '../../src/streams/processing.ts'
import { SessionWindowedStream } from '../../src/streams/session-windowed-stream.ts'
import { Stream } from '../../src/streams/stream.ts'
import type { SinkTopic } from '../../src/streams/stream.ts'
import { StreamsBuilder } from '../../src/streams/streams-builder.ts'
import { Table } from '../../src/streams/table.ts'
import { topic } from '../../src/streams/topic.ts'
import { TopologyBuilder } from '../../src/streams/topology-builder.ts'
import type { Topology } from '../../src/streams/topology/topology.ts'
import { sessionWindowedSerde, timeWindowedSerde } from '../../src/streams/windowed-serde.ts'
import { WindowedStream } from '../../src/streams/windowed-stream.ts'
import { hopping, session, sliding, tumbling, unlimited } from '../../src/streams/windows.ts'
import type { Windows } from '../../src/streams/windows.ts'
import { functions, show } from './streams-functions.ts'
import type { FunctionSpec } from './streams-functions.ts'
import { processorFactory, storeDefinition } from './streams-processors.ts'
import type { ProcessorSpec, StoreMember } from './streams-processors.ts'

export type SerdeSpec = string | { readonly windowed: SerdeSpec; readonly sizeMs: number } | { readonly session: SerdeSpec }

export interface Operation {
  readonly op: string
  readonly id?: string
  readonly from?: unknown
  readonly name?: string
  readonly [member: string]: unknown
}

export interface Scenario {
  readonly name: string
  readonly api?: string
  readonly config?: Readonly<Record<string, unknown>>
  readonly topics?: Readonly<Record<string, { readonly key: SerdeSpec; readonly value: SerdeSpec }>>
  readonly topology: readonly Operation[]
  readonly [member: string]: unknown
}

/** The scenario needs an operator that does not exist yet. */
export class PendingOperator extends Error {
  readonly operator: string

  constructor(operator: string) {
    super(`the operator ${operator} does not exist yet`)
    this.operator = operator
  }
}

/** @throws PendingOperator, or what building the topology throws */
export function programOf(scenario: Scenario, onEffect: (text: string) => void): Topology {
  if (scenario.api === 'processor') return processorProgramOf(scenario)
  if (scenario.config?.['topology.optimization'] !== undefined) throw new PendingOperator('topology.optimization')
  const program = new Program(scenario, onEffect)
  for (const operation of scenario.topology) program.apply(operation)
  return program.builder.build()
}

const textSerde: Serde<string> = {
  serialize: text => stringSerde.serialize(notBad(text)),
  deserialize: bytes => notBad(stringSerde.deserialize(bytes)),
}

/** Dead letters name the class of the error. */
class SerializationException extends Error {
  override readonly name = 'org.apache.kafka.common.errors.SerializationException'
}

function notBad(text: string): string {
  if (text === 'bad') throw new SerializationException('bad')
  return text
}

const plainSerdes: Readonly<Record<string, unknown>> = {
  string: stringSerde, long: longSerde, integer: integerSerde, double: doubleSerde, bytes: bytesSerde, json: jsonSerde(), strictString: textSerde,
}

export function serdeOfSpec(spec: SerdeSpec): Serde<unknown> {
  if (typeof spec === 'object' && 'windowed' in spec) {
    const inner = serdeOfSpec(spec.windowed)
    return (spec.sizeMs > Number.MAX_SAFE_INTEGER ? timeWindowedSerde(inner) : timeWindowedSerde(inner, spec.sizeMs)) as Serde<unknown>
  }
  if (typeof spec === 'object') return sessionWindowedSerde(serdeOfSpec(spec.session)) as Serde<unknown>
  const serde = plainSerdes[spec]
  if (serde === undefined) throw new Error(`the recordings use the serde ${spec}, which is not known`)
  return serde as Serde<unknown>
}

export function topicSerdes(scenario: Scenario, name: string): { readonly key: Serde<unknown>; readonly value: Serde<unknown> } {
  const spec = scenario.topics?.[name]
  return { key: serdeOfSpec(spec?.key ?? 'string'), value: serdeOfSpec(spec?.value ?? 'string') }
}

type Member = Readonly<Record<string, unknown>>

class Program {
  readonly builder = new StreamsBuilder({ defaultKey: stringSerde as never, defaultValue: stringSerde as never })
  readonly #scenario: Scenario
  readonly #onEffect: (text: string) => void
  readonly #results = new Map<string, unknown>()
  readonly #stores = new Map<string, StoreMember>()

  constructor(scenario: Scenario, onEffect: (text: string) => void) {
    this.#scenario = scenario
    this.#onEffect = onEffect
  }

  apply(operation: Operation): void {
    const result = this.#result(operation)
    if (operation.id !== undefined) this.#results.set(operation.id, result)
  }

  #result(operation: Operation): unknown {
    const { op } = operation
    if (op === 'stream' || op === 'table') return this.#source(operation)
    if (op === 'addStateStore') return this.#addStateStore(operation)
    const input = typeof operation.from === 'string' ? this.#results.get(operation.from) : undefined
    if (input instanceof Stream) return this.#ofStream(input as Stream<unknown, unknown>, operation)
    if (input instanceof Table) return this.#ofTable(input as Table<unknown, unknown>, operation)
    if (input instanceof GroupedTable) return this.#ofGroupedTable(input as GroupedTable<unknown, unknown>, operation)
    if (input instanceof GroupedStream || input instanceof WindowedStream || input instanceof SessionWindowedStream) return this.#ofGroup(input, operation)
    throw new PendingOperator(op)
  }

  #source(operation: Operation): unknown {
    const extractor = operation['extractor'] as FunctionSpec | undefined
    const timestamp = extractor === undefined ? undefined : functions.extractor(extractor)
    const options = { ...nameOf(operation), ...(timestamp === undefined ? {} : { timestamp }) }
    if (operation.op === 'table') return this.builder.table(this.#topic(operation['topic'] as string), { ...options, ...materializedOf(operation) })
    if (operation['pattern'] !== undefined) {
      const pattern = operation['pattern'] as string
      return this.builder.streamMatching(new RegExp(pattern), topicSerdes(this.#scenario, pattern), options)
    }
    return this.builder.stream((operation['topics'] as string[]).map(name => this.#topic(name)), options)
  }

  #ofStream(stream: Stream<unknown, unknown>, operation: Operation): unknown {
    const name = nameOf(operation)
    const member = (key: string) => operation[key] as FunctionSpec
    switch (operation.op) {
      case 'filter': return stream.filter(functions.predicate(member('when')), name)
      case 'filterNot': return stream.filterNot(functions.predicate(member('when')), name)
      case 'map': {
        const [toKey, toValue] = [functions.keyer(member('toKey')), functions.mapper(member('toValue'))]
        return stream.map((...record) => [toKey(...record), toValue(...record)] as const, name)
      }
      case 'mapValues': return stream.mapValues(functions.mapper(member('mapper')), name)
      case 'flatMap': return stream.flatMap(functions.flatMapper(member('mapper')), name)
      case 'flatMapValues': return stream.flatMapValues(functions.flatValues(member('mapper')), name)
      case 'selectKey': return stream.selectKey(functions.keyer(member('by')), name)
      case 'groupBy': return stream.groupBy(functions.keyer(member('by')), formatsOf(operation['grouped']))
      case 'groupByKey': return stream.groupByKey(formatsOf(operation['grouped']))
      case 'peek': return stream.peek((value, key) => this.#onEffect(`peek ${show(key)}=${show(value)}`), name)
      case 'foreach': return stream.forEach((value, key) => this.#onEffect(`foreach ${show(key)}=${show(value)}`), name)
      case 'merge': return stream.merge(this.#results.get(operation['with'] as string) as Stream<unknown, unknown>, name)
      case 'repartition': return stream.repartition({ ...formatsOf(operation), ...numberOf(operation, 'partitions') })
      case 'toTable': return stream.toTable({ ...name, ...materializedOf(operation) })
      case 'to': return this.#to(stream, operation)
      case 'process': return stream.process(this.#processor(operation), this.#processOptions(operation))
      case 'processValues': return stream.processValues(this.#processor(operation), this.#processOptions(operation))
      case 'join':
      case 'leftJoin': return this.#streamJoin(stream, operation)
      default: throw new PendingOperator(operation.op)
    }
  }

  #streamJoin(stream: Stream<unknown, unknown>, operation: Operation): unknown {
    const table = this.#results.get(operation['with'] as string)
    if (!(table instanceof Table)) throw new PendingOperator(`${operation.op} of a stream and a stream or global table`)
    const options = formatsOf(operation['joined'])
    if ((operation['joined'] as Member | undefined)?.['graceMs'] !== undefined) throw new PendingOperator('join with grace')
    const joiner = functions.joiner(operation['joiner'] as FunctionSpec)
    return operation.op === 'join' ? stream.join(table as Table<unknown, unknown>, joiner, options) : stream.leftJoin(table as Table<unknown, unknown>, joiner, options)
  }

  #addStateStore(operation: Operation): void {
    this.#stores.set(operation['store'] as string, operation)
    this.builder.addStateStore(storeDefinition(operation, serdeOfSpec))
  }

  #processor(operation: Operation): ReturnType<typeof processorFactory> {
    const spec = operation['processor'] as ProcessorSpec
    const store = this.#stores.get(spec.store ?? '') ?? spec.ownStores?.find(own => own['store'] === spec.store)
    return processorFactory({ ...spec, timestamped: store?.['type'] === 'timestampedKeyValue' })
  }

  #processOptions(operation: Operation): ProcessOptions {
    const { ownStores = [] } = operation['processor'] as ProcessorSpec
    const stores = (operation['stores'] as readonly string[] | undefined) ?? []
    return { ...nameOf(operation), stores: [...stores, ...ownStores.map(store => storeDefinition(store, serdeOfSpec))] }
  }

  #to(stream: Stream<unknown, unknown>, operation: Operation): void {
    const extractor = operation['extractor'] as FunctionSpec | undefined
    if (extractor === undefined) stream.to(this.#topic(operation['topic'] as string) as SinkTopic<unknown, unknown>, nameOf(operation))
    else stream.to(named(functions.topicExtractor(extractor), extractor.fn), nameOf(operation))
  }

  #ofTable(table: Table<unknown, unknown>, operation: Operation): unknown {
    const options = { ...nameOf(operation), ...materializedOf(operation) }
    const member = (key: string) => operation[key] as FunctionSpec
    switch (operation.op) {
      case 'filter': return table.filter(functions.predicate(member('when')), options)
      case 'filterNot': return table.filterNot(functions.predicate(member('when')), options)
      case 'mapValues': return table.mapValues(functions.mapper(member('mapper')), options)
      case 'toStream': {
        const stream = table.toStream(nameOf(operation))
        return operation['by'] === undefined ? stream : stream.selectKey(functions.keyer(member('by')))
      }
      case 'groupBy': {
        const by = functions.keyer(member('by'))
        const toValue = functions.mapper((operation['toValue'] as FunctionSpec | undefined) ?? { fn: 'same' })
        return table.groupBy((...row) => [by(...row), toValue(...row)] as const, formatsOf(operation['grouped']))
      }
      case 'join':
      case 'leftJoin':
      case 'outerJoin': {
        if (operation['foreignKey'] !== undefined) throw new PendingOperator('foreign-key join')
        const other = this.#results.get(operation['with'] as string) as Table<unknown, unknown>
        return table[operation.op](other, functions.joiner(member('joiner')), options)
      }
      default: throw new PendingOperator(`${operation.op} of a table`)
    }
  }

  #ofGroup(group: GroupedStream<unknown, unknown> | WindowedStream<unknown, unknown> | SessionWindowedStream<unknown, unknown>, operation: Operation): unknown {
    const options = { ...nameOf(operation), ...materializedOf(operation) }
    switch (operation.op) {
      case 'windowedBy': return (group as GroupedStream<unknown, unknown>).windowedBy(windowsOf(operation['window'] as Member) as never)
      case 'emitStrategy': return (group as WindowedStream<unknown, unknown>).emit('on-window-close')
      case 'count': return group.count(options as StoreOptions<unknown, number>)
      case 'reduce': return group.reduce(functions.reducer(operation['reducer'] as FunctionSpec), options)
      case 'aggregate': {
        const initializer = () => operation['init']
        const adder = functions.aggregator(operation['adder'] as FunctionSpec)
        if (!(group instanceof SessionWindowedStream)) return group.aggregate(initializer, adder, options)
        return group.aggregate(initializer, adder, functions.merger(operation['merger'] as FunctionSpec), options)
      }
      default: throw new PendingOperator(operation.op)
    }
  }

  #ofGroupedTable(group: GroupedTable<unknown, unknown>, operation: Operation): unknown {
    const options = { ...nameOf(operation), ...materializedOf(operation) }
    const member = (key: string) => operation[key] as FunctionSpec
    switch (operation.op) {
      case 'count': return group.count(options as StoreOptions<unknown, number>)
      case 'reduce': return group.reduce(functions.reducer(member('adder')), functions.reducer(member('subtractor')), options)
      case 'aggregate':
        return group.aggregate(() => operation['init'], functions.aggregator(member('adder')), functions.aggregator(member('subtractor')), options)
      default: throw new PendingOperator(operation.op)
    }
  }

  #topic(name: string) {
    return topic(name, topicSerdes(this.#scenario, name))
  }
}

function processorProgramOf(scenario: Scenario): Topology {
  const builder = new TopologyBuilder()
  for (const operation of scenario.topology) applyNode(builder, scenario, operation)
  return builder.build()
}

function applyNode(builder: TopologyBuilder, scenario: Scenario, operation: Operation): unknown {
  const name = operation.name ?? ''
  const texts = (member: string) => operation[member] as readonly string[]
  const topicOf = (topicName: string) => topic(topicName, topicSerdes(scenario, topicName))
  switch (operation.op) {
    case 'addSource': return builder.addSource(name, texts('topics').map(topicOf))
    case 'addProcessor': return builder.addProcessor(name, processorFactory(operation['processor'] as ProcessorSpec), { parents: texts('parents') })
    case 'addStateStore': return builder.addStateStore(storeDefinition(operation, serdeOfSpec), ...texts('processors'))
    case 'connectProcessorAndStateStores': return builder.connect(operation['to'] as string, ...texts('stores'))
    case 'addSink': {
      const extractor = operation['extractor'] as FunctionSpec | undefined
      if (extractor === undefined) return builder.addSink(name, topicOf(operation['topic'] as string), { parents: texts('parents') })
      const formats = { key: serdeOfSpec(operation['key'] as SerdeSpec) as Serde<never>, value: serdeOfSpec(operation['value'] as SerdeSpec) as Serde<never> }
      return builder.addSink(name, named(functions.topicExtractor(extractor), extractor.fn), { parents: texts('parents'), ...formats })
    }
    case 'addReadOnlyStateStore': {
      const store = operation['store'] as string
      const factory = processorFactory({ fn: 'putOnly', store, timestamped: operation['type'] === 'timestampedKeyValue' }) as never
      return builder.addReadOnlyStateStore(storeDefinition(operation, serdeOfSpec), {
        name: `${name}-source`, topic: topicOf(operation['topic'] as string), processor: name, factory,
      })
    }
    default: throw new PendingOperator(operation.op)
  }
}

function windowsOf(window: Member): Windows {
  const ms = (key: string) => window[key] as number
  const grace = { grace: (window['graceMs'] as number | undefined) ?? 0 }
  switch (window['type']) {
    case 'tumbling': return tumbling(ms('sizeMs'), grace)
    case 'hopping': return hopping(ms('sizeMs'), { advance: ms('advanceMs'), ...grace })
    case 'sliding': return sliding(ms('differenceMs'), grace)
    case 'session': return session(ms('gapMs'), grace)
    case 'unlimited': return unlimited({ startMs: (window['startMs'] as number | undefined) ?? 0 })
    default: throw new PendingOperator(`windows of type ${String(window['type'])}`)
  }
}

function nameOf(operation: Operation): { readonly name?: string } {
  return operation.name === undefined ? {} : { name: operation.name }
}

function numberOf(member: Member, key: string): Readonly<Record<string, number>> {
  return member[key] === undefined ? {} : { [key]: member[key] as number }
}

function formatsOf(member: unknown): { readonly name?: string; readonly key?: Serde<{}>; readonly value?: Serde<{}> } {
  const { name, key, value } = (member ?? {}) as { readonly name?: string; readonly key?: SerdeSpec; readonly value?: SerdeSpec }
  return {
    ...(name === undefined ? {} : { name }),
    ...(key === undefined ? {} : { key: serdeOfSpec(key) as Serde<{}> }),
    ...(value === undefined ? {} : { value: serdeOfSpec(value) as Serde<{}> }),
  }
}

interface MaterializedSpec {
  readonly store?: string
  readonly key?: SerdeSpec
  readonly value?: SerdeSpec
  readonly type?: string
  readonly retentionMs?: number
  readonly caching?: boolean
  readonly logging?: boolean
  readonly topicConfig?: Readonly<Record<string, string>>
}

function materializedOf(operation: Operation) {
  const spec = operation['materialized'] as MaterializedSpec | undefined
  if (spec === undefined) return {}
  if (spec.type === 'versioned' || spec.type === 'lru') throw new PendingOperator(`${spec.type} store`)
  const logging = spec.topicConfig ?? spec.logging
  return {
    ...formatsOf({ key: spec.key, value: spec.value }),
    ...(spec.store === undefined ? {} : { store: spec.store }),
    ...(spec.type === undefined ? {} : { type: spec.type as 'persistent' | 'inMemory' }),
    ...(spec.retentionMs === undefined ? {} : { retention: spec.retentionMs }),
    ...(spec.caching === undefined ? {} : { caching: spec.caching }),
    ...(logging === undefined ? {} : { logging }),
  }
}

function named<F extends (...args: never[]) => unknown>(target: F, name: string): F {
  return Object.defineProperty(target, 'name', { value: name })
}
