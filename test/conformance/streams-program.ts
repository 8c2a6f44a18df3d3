/** Builds the topology of a recorded scenario (FORMAT.md, section 4) with the fluent surface. */
import { stringSerde } from '../../src/core/index.ts'
import type { Serde } from '../../src/core/index.ts'
import { CogroupedStream, SessionCogroupedStream, WindowedCogroupedStream } from '../../src/streams/cogrouped-stream.ts'
import { GlobalTable } from '../../src/streams/global-table.ts'
import { GroupedStream } from '../../src/streams/grouped-stream.ts'
import { GroupedTable } from '../../src/streams/grouped-table.ts'
import type { StoreOptions } from '../../src/streams/options.ts'
import { planKey } from '../../src/streams/plan.ts'
import type { ProcessOptions } from '../../src/streams/processing.ts'
import { SessionWindowedStream } from '../../src/streams/session-windowed-stream.ts'
import type { ProcessorFactory } from '../../src/streams/processor.ts'
import { Stream } from '../../src/streams/stream.ts'
import type { SinkTopic } from '../../src/streams/stream.ts'
import { StreamsBuilder } from '../../src/streams/streams-builder.ts'
import { Table } from '../../src/streams/table.ts'
import { topic } from '../../src/streams/topic.ts'
import { TopologyBuilder } from '../../src/streams/topology-builder.ts'
import type { Optimization } from '../../src/streams/topology/optimize.ts'
import type { Topology } from '../../src/streams/topology/topology.ts'
import { WindowedStream } from '../../src/streams/windowed-stream.ts'
import { functions, show } from './streams-functions.ts'
import type { FunctionSpec } from './streams-functions.ts'
import { PendingOperator, formatsOf, materializedOf, nameOf, named, numberOf, serdeOfSpec, streamJoinOptionsOf, suppressOptionsOf, topicSerdes, windowsOf } from './streams-members.ts'
import type { Member, Operation, Scenario, SerdeSpec } from './streams-members.ts'
import { processorFactory, storeDefinition, transformerFactory } from './streams-processors.ts'
import type { ProcessorSpec, StoreMember } from './streams-processors.ts'

interface BranchSpec {
  readonly when?: FunctionSpec
  readonly name?: string
  readonly mapValues?: FunctionSpec
  readonly toTopic?: string
}

/** @throws PendingOperator, or what building the topology throws */
export function programOf(scenario: Scenario, onEffect: (text: string) => void): Topology {
  if (scenario.api === 'processor') return processorProgramOf(scenario)
  const program = new Program(scenario, onEffect)
  for (const operation of scenario.topology) program.apply(operation)
  const optimization = scenario.config?.['topology.optimization'] as string | undefined
  if (optimization === undefined || optimization === 'all' || optimization === 'none') return program.builder.build({ optimization: optimization ?? 'none' })
  return program.builder.build({ optimization: optimization.split(',').map(name => name.trim()) as readonly Optimization[] })
}

class Program {
  readonly builder: StreamsBuilder
  readonly #scenario: Scenario
  readonly #onEffect: (text: string) => void
  readonly #results = new Map<string, unknown>()
  readonly #stores = new Map<string, StoreMember>()

  constructor(scenario: Scenario, onEffect: (text: string) => void) {
    this.#scenario = scenario
    this.#onEffect = onEffect
    const storeType = scenario.config?.['dsl.store.suppliers.class'] === 'inMemory' ? 'inMemory' : 'persistent'
    this.builder = new StreamsBuilder({ defaultKey: stringSerde as never, defaultValue: stringSerde as never, storeType })
  }

  apply(operation: Operation): void {
    const result = this.#result(operation)
    if (operation.id !== undefined) this.#results.set(operation.id, result)
  }

  #result(operation: Operation): unknown {
    const { op } = operation
    if (op === 'stream' || op === 'table') return this.#source(operation)
    if (op === 'addStateStore') return this.#addStateStore(operation)
    if (op === 'globalTable') return this.#source(operation)
    if (op === 'addGlobalStore') return this.#addGlobalStore(operation)
    if (op === 'cogroup') return this.#cogroup(operation)
    const input = typeof operation.from === 'string' ? this.#results.get(operation.from) : undefined
    if (input instanceof Stream) return this.#ofStream(input as Stream<unknown, unknown>, operation)
    if (input instanceof Table) return this.#ofTable(input as Table<unknown, unknown>, operation)
    if (input instanceof GroupedTable) return this.#ofGroupedTable(input as GroupedTable<unknown, unknown>, operation)
    if (input instanceof GroupedStream || input instanceof WindowedStream || input instanceof SessionWindowedStream) return this.#ofGroup(input, operation)
    return this.#ofCogroup(input, operation)
  }

  #source(operation: Operation): unknown {
    const extractor = operation['extractor'] as FunctionSpec | undefined
    const timestamp = extractor === undefined ? undefined : functions.extractor(extractor)
    const offsetReset = operation['offsetReset'] as 'earliest' | 'latest' | undefined
    const options = { ...nameOf(operation), ...(timestamp === undefined ? {} : { timestamp }), ...(offsetReset === undefined ? {} : { offsetReset }) }
    if (operation.op === 'globalTable') return this.builder.globalTable(this.#topic(operation['topic'] as string), { ...options, ...materializedOf(operation) })
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
      case 'split': return this.#split(stream, operation)
      case 'merge': return stream.merge(this.#results.get(operation['with'] as string) as Stream<unknown, unknown>, name)
      case 'repartition': return stream.repartition({ ...formatsOf(operation), ...numberOf(operation, 'partitions') })
      case 'toTable': return stream.toTable({ ...name, ...materializedOf(operation) })
      case 'to': return this.#to(stream, operation)
      case 'process': return stream.process(this.#processor(operation), this.#processOptions(operation))
      case 'processValues': return stream.processValues(this.#processor(operation), this.#processOptions(operation))
      case 'join':
      case 'leftJoin':
      case 'outerJoin': return this.#streamJoin(stream, operation)
      default: throw new PendingOperator(operation.op)
    }
  }

  /** The branches are results of their own: `ID/K`. */
  #split(stream: Stream<unknown, unknown>, operation: Operation): void {
    const split = stream.split(nameOf(operation))
    const branches = operation['branches'] as readonly BranchSpec[]
    const rest = operation['default'] as BranchSpec | true | undefined
    const put = (branch: BranchSpec) => (result: Stream<unknown, unknown>) => this.#putBranch(operation.id!, result, branch)
    branches.forEach((branch, index) => {
      const name = branch.name ?? String(index + 1)
      split.branch(name, functions.predicate(branch.when!), put(branch))
    })
    if (rest === undefined) return
    const last = rest === true ? {} : rest
    split.otherwise(last.name ?? '0', put(last))
  }

  #putBranch(id: string, branch: Stream<unknown, unknown>, { mapValues, toTopic }: BranchSpec): void {
    const key = branch[planKey].node.name
    if (toTopic !== undefined) branch.to(this.#topic(toTopic) as SinkTopic<unknown, unknown>)
    else this.#results.set(`${id}/${key}`, mapValues === undefined ? branch : branch.mapValues(functions.mapper(mapValues)))
  }

  #cogroup(operation: Operation): CogroupedStream<unknown, unknown> {
    const inputs = operation.from as readonly { readonly group: string; readonly adder: FunctionSpec }[]
    const grouped = inputs.map(({ group, adder }) => [this.#results.get(group) as GroupedStream<unknown, unknown>, functions.aggregator(adder)] as const)
    const [[first, aggregator], ...others] = grouped as [(typeof grouped)[0], ...typeof grouped]
    return others.reduce((cogrouped, [next, adder]) => cogrouped.cogroup(next, adder), first.cogroup(aggregator))
  }

  #ofCogroup(input: unknown, operation: Operation): unknown {
    const options = { ...nameOf(operation), ...materializedOf(operation) }
    const initializer = () => operation['init']
    if (input instanceof CogroupedStream && operation.op === 'windowedBy') {
      return input.windowedBy(windowsOf(operation['window'] as Member) as never)
    }
    if (operation.op !== 'aggregate') throw new PendingOperator(operation.op)
    if (input instanceof SessionCogroupedStream) return input.aggregate(initializer, functions.merger(operation['merger'] as FunctionSpec), options)
    if (input instanceof CogroupedStream || input instanceof WindowedCogroupedStream) return input.aggregate(initializer, options)
    throw new PendingOperator(operation.op)
  }

  #streamJoin(stream: Stream<unknown, unknown>, operation: Operation): unknown {
    const other = this.#results.get(operation['with'] as string)
    const joiner = functions.joiner(operation['joiner'] as FunctionSpec)
    if (other instanceof Table) return this.#streamTableJoin(stream, other as Table<unknown, unknown>, operation)
    if (other instanceof GlobalTable) {
      const options = { ...nameOf(operation), on: functions.keyer(operation['by'] as FunctionSpec) }
      const global = other as GlobalTable<unknown, unknown>
      return operation.op === 'join' ? stream.join(global, joiner, options) : stream.leftJoin(global, joiner, options)
    }
    const options = streamJoinOptionsOf(operation)
    switch (operation.op) {
      case 'join': return stream.join(other as Stream<unknown, unknown>, joiner, options)
      case 'leftJoin': return stream.leftJoin(other as Stream<unknown, unknown>, joiner, options)
      default: return stream.outerJoin(other as Stream<unknown, unknown>, joiner, options)
    }
  }

  #streamTableJoin(stream: Stream<unknown, unknown>, table: Table<unknown, unknown>, operation: Operation): unknown {
    const joiner = functions.joiner(operation['joiner'] as FunctionSpec)
    const graceMs = (operation['joined'] as Member | undefined)?.['graceMs'] as number | undefined
    const options = { ...formatsOf(operation['joined']), ...(graceMs === undefined ? {} : { grace: graceMs }) }
    return operation.op === 'join' ? stream.join(table, joiner, options) : stream.leftJoin(table, joiner, options)
  }

  #addStateStore(operation: Operation): void {
    this.#stores.set(operation['store'] as string, operation)
    this.builder.addStateStore(storeDefinition(operation, serdeOfSpec))
  }

  /** Filled by a processor that puts each record, in upper case if `upper`. */
  #addGlobalStore(operation: Operation): void {
    this.builder.addGlobalStore(storeDefinition(operation, serdeOfSpec), this.#topic(operation['topic'] as string), fillingProcessor(operation))
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

  #foreignKeyJoin(table: Table<unknown, unknown>, operation: Operation): unknown {
    const extract = functions.keyer(operation['foreignKey'] as FunctionSpec)
    const other = this.#results.get(operation['with'] as string) as Table<unknown, unknown>
    const arguments_ = [
      other, (row: unknown) => extract(row, null, null as never), functions.joiner(operation['joiner'] as FunctionSpec), { ...nameOf(operation), ...materializedOf(operation) },
    ] as const
    return operation.op === 'join' ? table.joinOn(...arguments_) : table.leftJoinOn(...arguments_)
  }

  #transform(table: Table<unknown, unknown>, operation: Operation): unknown {
    const stores = (operation['stores'] as readonly string[] | undefined) ?? []
    return table.transformValues(transformerFactory(operation['transformer'] as FunctionSpec & { readonly store?: string }), {
      ...nameOf(operation), ...materializedOf(operation), stores,
    })
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
        if (operation['foreignKey'] !== undefined) return this.#foreignKeyJoin(table, operation)
        const other = this.#results.get(operation['with'] as string) as Table<unknown, unknown>
        return table[operation.op](other, functions.joiner(member('joiner')), options)
      }
      case 'suppress': return table.suppress(suppressOptionsOf(operation))
      case 'transformValues': return this.#transform(table, operation)
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

/** Puts each record into the store, its value in upper case if so recorded. */
function fillingProcessor(operation: Operation): ProcessorFactory<unknown, unknown, never, never> {
  const timestamped = operation['type'] === 'timestampedKeyValue'
  return processorFactory({ fn: operation['upper'] === true ? 'putUpper' : 'putOnly', store: operation['store'] as string, timestamped }) as ProcessorFactory<unknown, unknown, never, never>
}

function applyNode(builder: TopologyBuilder, scenario: Scenario, operation: Operation): unknown {
  const name = operation.name ?? ''
  const texts = (member: string) => operation[member] as readonly string[]
  const topicOf = (topicName: string) => topic(topicName, topicSerdes(scenario, topicName))
  switch (operation.op) {
    case 'addSource': {
      const extractor = operation['extractor'] as FunctionSpec | undefined
      const timestamp = extractor === undefined ? undefined : functions.extractor(extractor)
      return builder.addSource(name, texts('topics').map(topicOf), timestamp === undefined ? {} : { timestamp })
    }
    case 'addProcessor': {
      const spec = operation['processor'] as ProcessorSpec
      const { ownStores = [] } = spec
      return builder.addProcessor(name, processorFactory(spec), { parents: texts('parents'), stores: ownStores.map((store) => storeDefinition(store, serdeOfSpec)) })
    }
    case 'addStateStore': return builder.addStateStore(storeDefinition(operation, serdeOfSpec), ...texts('processors'))
    case 'connectProcessorAndStateStores': return builder.connect(operation['to'] as string, ...texts('stores'))
    case 'addSink': {
      const extractor = operation['extractor'] as FunctionSpec | undefined
      if (extractor === undefined) return builder.addSink(name, topicOf(operation['topic'] as string), { parents: texts('parents') })
      const formats = { key: serdeOfSpec(operation['key'] as SerdeSpec) as Serde<never>, value: serdeOfSpec(operation['value'] as SerdeSpec) as Serde<never> }
      return builder.addSink(name, named(functions.topicExtractor(extractor), extractor.fn), { parents: texts('parents'), ...formats })
    }
    case 'addReadOnlyStateStore':
    case 'addGlobalStore': {
      const source = { name: `${name}-source`, topic: topicOf(operation['topic'] as string), processor: name, factory: fillingProcessor(operation) }
      return builder[operation.op](storeDefinition(operation, serdeOfSpec), source)
    }
    default: throw new PendingOperator(operation.op)
  }
}
