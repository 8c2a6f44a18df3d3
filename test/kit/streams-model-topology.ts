/** The programs of the model as topologies. */
import { longSerde, partitionForKey, stringSerde } from '../../src/core/index.ts'
import { StreamsBuilder, hopping, joinWithin, session, sliding, topic, tumbling } from '../../src/streams/index.ts'
import type { Processor, SlidingWindows, Stream, Table, TimeWindows, Topology, Windowed } from '../../src/streams/index.ts'
import { countStore } from './count-store.ts'
import { PlainRows } from './plain-rows.ts'
import { functions, longGraceMs } from './streams-model.ts'
import type { JoinKind, ProgramSpec, StreamSpec, TableSpec, WindowSpec } from './streams-model.ts'

type Text = string | null
type TextStream = Stream<Text, Text>
type TextTable = Table<string, string>

const texts = { key: stringSerde, value: stringSerde }
export const topicOf = (name: string) => topic(name, texts)
export const results = topicOf('out')
/** What no window takes any more. */
export const tooLate = topicOf('too-late')

/** Another way to the same results. */
export interface Variant {
  /** Values are mapped by functions that wait. */
  readonly waits?: boolean
  /** Tables that are kept have their rows in a store of the program's own. */
  readonly ownRows?: boolean
  /** Foreign-key joins are told how their topics are partitioned: by the key, as they would be anyway. */
  readonly partitioners?: boolean
}

interface KeptOptions {
  readonly store?: string
  readonly value?: typeof stringSerde
  readonly rows?: () => PlainRows
}

export function topologyOf(spec: ProgramSpec, variant: Variant = {}): Topology {
  return new Program(variant).build(spec)
}

class Program {
  readonly #builder = new StreamsBuilder({ defaultKey: stringSerde as never, defaultValue: stringSerde as never })
  readonly #streams = new Map<string, TextStream>()
  readonly #tables = new Map<string, TextTable>()
  readonly #variant: Variant
  #stores = 0

  constructor(variant: Variant) {
    this.#variant = variant
  }

  build(spec: ProgramSpec): Topology {
    switch (spec.kind) {
      case 'stream': this.#write(this.#stream(spec.stream)); break
      case 'table': this.#write(this.#table(spec.table).toStream()); break
      case 'count': this.#write(this.#stream(spec.stream).groupByKey().count().toStream().mapValues(textOf)); break
      case 'reduce': this.#write(this.#stream(spec.stream).groupByKey().reduce((reduced, value) => functions.append(reduced, value)).toStream()); break
      case 'windows': this.#write(this.#windowCounts(this.#stream(spec.stream), spec.windows)); break
      case 'cogroup': this.#write(this.#cogroupCounts(spec.windows)); break
      case 'streamJoin': this.#write(this.#streamJoin(spec)); break
    }
    return this.#builder.build()
  }

  #write<V extends Text>(stream: Stream<Text, V> | Stream<string, V>): void {
    (stream as unknown as Stream<string, string>).to(results)
  }

  #source(name: string): TextStream {
    const known = this.#streams.get(name) ?? (this.#builder.stream(topicOf(name)) as unknown as TextStream)
    this.#streams.set(name, known)
    return known
  }

  #stream(spec: StreamSpec): TextStream {
    if (spec.op === 'source') return this.#source(spec.topic)
    const from = this.#stream(spec.from)
    switch (spec.op) {
      case 'filter': return from.filter((value) => functions.has(spec.letter)(value))
      case 'filterNot': return from.filterNot((value) => functions.has(spec.letter)(value))
      case 'mapValues': return this.#variant.waits === true ? from.mapAsync(async (value) => Promise.resolve(functions.shout(value))) : from.mapValues(functions.shout)
      case 'process': return from.process(shoutingProcessor)
      case 'number': return this.#numbered(from)
      case 'flatMapValues': return from.flatMapValues(functions.repeat(spec.times))
      case 'selectKey': return from.selectKey(functions.first)
      case 'repartition': return from.repartition()
      case 'merge': return from.merge(this.#stream(spec.with))
      case 'joinTable': {
        const table = this.#table(spec.table) as unknown as Table<Text, string>
        return (spec.isLeft ? from.leftJoin(table, functions.join) : from.join(table, functions.join)) as unknown as TextStream
      }
    }
  }

  #numbered(from: TextStream): TextStream {
    const store = countStore(`numbers-${this.#stores++}`)
    return from.processValues((): Processor<Text, Text, Text, Text> => {
      let context: Parameters<NonNullable<Processor<Text, Text, Text, Text>['init']>>[0]
      return {
        init(given) { context = given },
        process(record) {
          const { key, value } = record
          context.forward(key === null ? record : record.withValue(functions.number(value, context.store(store).count(key))))
        },
      }
    }, { stores: [store] })
  }

  #table(spec: TableSpec): TextTable {
    const known = JSON.stringify(spec)
    const table = this.#tables.get(known) ?? this.#newTable(spec)
    this.#tables.set(known, table)
    return table
  }

  #newTable(spec: TableSpec): TextTable {
    const rows = this.#variant.ownRows === true ? { rows: () => new PlainRows() } : {}
    const kept: KeptOptions = spec.isKept ? { store: `store-${this.#stores++}`, value: stringSerde, ...rows } : {}
    if (spec.op === 'source') return this.#sourceTable(spec.topic, kept)
    const from = this.#table(spec.from)
    switch (spec.op) {
      case 'filter': return from.filter(functions.isShort, kept)
      case 'mapValues': return from.mapValues((value) => functions.shout(value)!, kept)
      case 'joinBy': return from.mapValues((value, key) => functions.join(value, key), kept)
      case 'countBy': {
        const groups = from.groupBy((value) => [functions.first(value)!, value], { key: stringSerde, value: stringSerde })
        return groups.count(spec.isKept ? { store: kept.store! } : {}).mapValues(textOf) as unknown as TextTable
      }
      case 'join': return this.#join(spec.kind, from, this.#table(spec.with), kept)
      case 'foreignKey': {
        const foreignKey = (row: string) => functions.first(row)
        const byKey = (_topic: string, key: string, partitions: number) => partitionForKey(stringSerde.serialize(key), partitions)
        const options = this.#variant.partitioners === true ? { ...kept, partitioner: byKey, otherPartitioner: byKey } : kept
        return spec.isLeft ? from.leftJoinOn(this.#table(spec.with), foreignKey, functions.join, options) : from.joinOn(this.#table(spec.with), foreignKey, functions.join, options)
      }
    }
  }

  /** A topic is read once. */
  #sourceTable(name: string, kept: { readonly store?: string }): TextTable {
    const known = this.#tables.get(name) ?? (this.#builder.table(topicOf(name), kept) as unknown as TextTable)
    this.#tables.set(name, known)
    return known
  }

  #join(kind: JoinKind, left: TextTable, right: TextTable, kept: { readonly store?: string }): TextTable {
    switch (kind) {
      case 'inner': return left.join(right, functions.join, kept)
      case 'left': return left.leftJoin(right, functions.join, kept)
      case 'outer': return left.outerJoin(right, functions.join, kept)
    }
  }

  #windowCounts(stream: TextStream, spec: WindowSpec): Stream<string, Text> {
    const grouped = stream.groupByKey()
    const counts = spec.type === 'session'
      ? grouped.windowedBy(session(spec.gapMs, { grace: longGraceMs })).count({ retention: 2 * longGraceMs })
      : grouped.windowedBy(windowsOf(spec), 'graceMs' in spec ? { late: toTooLate } : {}).count({ retention: 2 * longGraceMs })
    return countChanges(counts)
  }

  #cogroupCounts(spec: WindowSpec): Stream<string, Text> {
    const add = (count: number) => count + 1
    const cogrouped = this.#source('s1').groupByKey().cogroup(add).cogroup(this.#source('s2').groupByKey(), add)
    const options = { value: longSerde, retention: 2 * longGraceMs }
    return countChanges(spec.type === 'session'
      ? cogrouped.windowedBy(session(spec.gapMs, { grace: longGraceMs })).aggregate(() => 0, (_key, left, right) => left + right, options)
      : cogrouped.windowedBy(windowsOf(spec), 'graceMs' in spec ? { late: toTooLate } : {}).aggregate(() => 0, options))
  }

  #streamJoin({ join, beforeMs, afterMs }: ProgramSpec & { readonly kind: 'streamJoin' }): Stream<Text, string> {
    const [left, right] = [this.#source('s1') as unknown as Stream<Text, string>, this.#source('s2') as unknown as Stream<Text, string>]
    const options = { within: joinWithin({ before: beforeMs, after: afterMs }, { grace: longGraceMs }) }
    switch (join) {
      case 'inner': return left.join(right, functions.join, options)
      case 'left': return left.leftJoin(right, functions.join, options)
      case 'outer': return left.outerJoin(right, functions.join, options)
    }
  }
}

function windowsOf(spec: Exclude<WindowSpec, { readonly type: 'session' }>): TimeWindows | SlidingWindows {
  switch (spec.type) {
    case 'tumbling': return tumbling(spec.sizeMs, { grace: spec.graceMs })
    case 'hopping': return hopping(spec.sizeMs, { advance: spec.advanceMs, grace: spec.graceMs })
    case 'sliding': return sliding(spec.differenceMs, { grace: longGraceMs })
  }
}

function toTooLate(late: unknown): void {
  (late as Stream<string, string>).to(tooLate)
}

function countChanges(counts: unknown): Stream<string, Text> {
  const changes = (counts as Table<Windowed<string>, number>).toStream() as unknown as Stream<Windowed<string>, number | null>
  return changes.map((count, { key, start, end }) => [`${key}@${start}/${end}`, textOf(count)])
}

function textOf(count: number | null): Text {
  return count === null ? null : String(count)
}

function shoutingProcessor(): Processor<Text, Text, Text, Text> {
  let forward: (record: Parameters<Processor<Text, Text>['process']>[0]) => void = () => {}
  return {
    init(context) { forward = (record) => context.forward(record) },
    process(record) { forward(record.withValue(functions.shout(record.value))) },
  }
}
