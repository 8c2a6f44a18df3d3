/** The processors and stores that recorded topologies name (FORMAT.md, sections 4 and 6). */
import type { Serde } from '../../src/core/index.ts'
import type { Processor, ProcessorContext, ProcessorFactory } from '../../src/streams/processor.ts'
import type { KeyValueStore } from '../../src/streams/state/key-value-store.ts'
import type { SessionStore } from '../../src/streams/state/session-store.ts'
import type { VersionedStore } from '../../src/streams/state/versioned-store.ts'
import { notPut } from '../../src/streams/state/versioned-store.ts'
import type { ValueAndTimestamp } from '../../src/streams/state/value-and-timestamp.ts'
import type { WindowStore } from '../../src/streams/state/window-store.ts'
import type { StreamRecord } from '../../src/streams/stream-record.ts'
import { keyValueStore, lruStore, sessionStore, timestampedKeyValueStore, versionedStore, windowStore } from '../../src/streams/stores.ts'
import type { StoreDefinition } from '../../src/streams/stores.ts'
import type { ValueTransformerFactory } from '../../src/streams/value-transformer.ts'
import { functions, show } from './streams-functions.ts'

export interface ProcessorSpec {
  readonly fn: string
  readonly arg?: string
  readonly n?: number
  readonly ms?: number
  readonly store?: string
  readonly name?: string
  readonly value?: string
  readonly children?: readonly [string, string]
  readonly type?: 'stream' | 'wall'
  readonly intervalMs?: number
  readonly ownStores?: readonly StoreMember[]
  /** The store keeps timestamps. */
  readonly timestamped?: boolean
}

export type StoreMember = Readonly<Record<string, unknown>>

type Context = ProcessorContext<unknown, unknown>
type Handle = (record: StreamRecord, context: Context) => void

export function storeDefinition(spec: StoreMember, serdeOf: (spec: never) => Serde<unknown>): StoreDefinition<unknown> {
  const name = spec['store'] as string
  const ms = (member: string) => spec[member] as number
  const formats = {
    key: serdeOf(spec['key'] as never),
    value: serdeOf(spec['value'] as never),
    ...(spec['inMemory'] === true ? { type: 'inMemory' as const } : {}),
    ...(spec['caching'] === undefined ? {} : { caching: spec['caching'] as boolean }),
    ...(spec['logging'] === undefined ? {} : { logging: spec['logging'] as boolean }),
  }
  switch (spec['type']) {
    case 'keyValue': return keyValueStore(name, formats)
    case 'timestampedKeyValue': return timestampedKeyValueStore(name, formats)
    case 'lru': return lruStore(name, { ...formats, maxEntries: ms('maxEntries') })
    case 'window':
      return windowStore(name, { ...formats, retention: ms('retentionMs'), windowSize: ms('windowMs'), retainDuplicates: spec['retainDuplicates'] === true })
    case 'session': return sessionStore(name, { ...formats, retention: ms('retentionMs') })
    case 'versioned': return versionedStore(name, { ...formats, history: ms('historyMs') })
    default: throw new Error(`the recordings use the store type ${String(spec['type'])}, which is not known`)
  }
}

export function processorFactory(spec: ProcessorSpec): ProcessorFactory<unknown, unknown, unknown, unknown> {
  const make = processors[spec.fn]
  if (make === undefined) throw new Error(`the recordings use the processor ${spec.fn}, which is not known`)
  return () => {
    let context: Context
    const handle = make(spec)
    const instance: Processor<unknown, unknown, unknown, unknown> = {
      init(given) {
        context = given
        if (spec.store !== undefined) context.store(spec.store)
        if (spec.intervalMs !== undefined) schedule(spec, context)
      },
      process: (record) => handle(record, context),
    }
    return instance
  }
}

/** `withKey`, or `countWithStore`: counts the calls per key. */
export function transformerFactory(spec: { readonly fn: string; readonly store?: string }): ValueTransformerFactory<unknown, unknown, unknown> {
  return () => {
    let counts: KeyValueStore<unknown, unknown> | null = null
    return {
      init(context) {
        if (spec.store !== undefined) counts = context.store(spec.store) as KeyValueStore<unknown, unknown>
      },
      transform(value, key) {
        if (spec.fn === 'withKey') return `${show(key)}:${show(value)}`
        if (counts === null) throw new Error(`the recordings use the transformer ${spec.fn}, which is not known`)
        const count = ((counts.get(key) as number | null) ?? 0) + 1
        counts.put(key, count)
        return `${show(value)}#${count}`
      },
    }
  }
}

const processors: Readonly<Record<string, (spec: ProcessorSpec) => Handle>> = {
  pass: () => (record, context) => context.forward(record),
  drop: () => () => {},
  upper: () => (record, context) => context.forward(record.withValue(record.value === null ? null : show(record.value).toUpperCase())),
  forwardEvery: ({ n }) => {
    let seen = 0
    return (record, context) => { if (++seen % n! === 0) context.forward(record) }
  },
  twice: () => (record, context) => {
    context.forward(record)
    context.forward(record.withValue(`${show(record.value)}2`))
  },
  keyFromValue: () => (record, context) => context.forward(record.withKey(record.value)),
  shiftTimestamp: ({ ms }) => (record, context) => context.forward(record.withTimestamp(record.timestamp + ms!)),
  addHeader: ({ name, value }) => (record, context) => context.forward(record.withHeaders([...record.headers, { key: name!, value: Buffer.from(value!) }])),
  dropHeaders: () => (record, context) => context.forward(record.withHeaders([])),
  context: () => (record, context) => {
    context.forward(record.withValue(`${show(record.value)}|${placeOf(context)}|${context.streamTime}|${context.now()}`))
  },
  toChild: ({ arg, children }) => (record, context) => context.forward(record, children![record.value !== null && show(record.value).startsWith(arg!) ? 0 : 1]),
  failOn: ({ arg }) => (record, context) => {
    functions.mapper({ fn: 'failOn', arg: arg! })(record.value, record.key, record)
    context.forward(record)
  },
  requestCommit: () => (record, context) => {
    context.requestCommit()
    context.forward(record)
  },
  dedupWithStore: (spec) => (record, context) => {
    const store = keyValues(spec, context)
    if (store.get(record.key) !== null) return
    store.put(record.key, record.value)
    context.forward(record)
  },
  countWithStore: (spec) => (record, context) => {
    const store = keyValues(spec, context)
    const count = ((store.get(record.key) as number | null) ?? 0) + 1
    store.put(record.key, count)
    context.forward(record.withValue(String(count)))
  },
  lastWithStore: (spec) => (record, context) => {
    const store = keyValues(spec, context)
    const previous = store.get(record.key)
    store.put(record.key, record.value)
    context.forward(record.withValue(`${show(previous)}>${show(record.value)}`))
  },
  storeRangeSize: (spec) => (record, context) => {
    const store = keyValues(spec, context)
    store.put(record.key, record.value)
    context.forward(record.withValue(String([...store.all()].length)))
  },
  putUpper: (spec) => (record, context) => put(spec, context, record.withValue(record.value === null ? null : show(record.value).toUpperCase())),
  putOnly: (spec) => (record, context) => put(spec, context, record),
  putIfAbsent: (spec) => (record, context) => context.forward(record.withValue(show(keyValues(spec, context).putIfAbsent(record.key, record.value)))),
  deleteFromStore: (spec) => (record, context) => context.forward(record.withValue(show(keyValues(spec, context).delete(record.key)))),
  windowPut: (spec) => (record, context) => {
    windows(spec, context).put(record.key, record.value, record.timestamp)
  },
  windowFetch: (spec) => (record, context) => {
    const store = windows(spec, context)
    store.put(record.key, record.value, record.timestamp)
    const found = [...store.fetch(record.key, Math.max(0, record.timestamp - spec.ms!), record.timestamp)]
    context.forward(record.withValue(found.map(({ start, value }) => `${start}=${show(value)},`).join('')))
  },
  sessionPut: (spec) => (record, context) => {
    const [, start, end, value] = /^(\d+)-(\d+)(?:-(.*))?$/s.exec(show(record.value))!
    const store = context.store(spec.store!) as SessionStore<unknown, unknown>
    store.put({ key: record.key, start: Number(start), end: Number(end) }, value ?? null)
  },
  versionedPut: (spec) => (record, context) => {
    const validTo = versions(spec, context).put(record.key, record.value, record.timestamp)
    context.forward(record.withValue(validTo === notPut ? '-9223372036854775808' : String(validTo)))
  },
  versionedDelete: (spec) => (record, context) => {
    const deleted = versions(spec, context).delete(record.key, record.timestamp)
    context.forward(record.withValue(deleted === null ? 'none' : `${show(deleted.value)}@${deleted.timestamp}`))
  },
  punctuateCount: keep,
  punctuateUntil: keep,
  punctuateStore: keep,
  punctuateContext: keep,
}

/** What the punctuating processors do with records. */
function keep(spec: ProcessorSpec): Handle {
  return (record, context) => { if (spec.store !== undefined) put(spec, context, record) }
}

function schedule(spec: ProcessorSpec, context: Context): void {
  let count = 0
  const scheduled = context.schedule(spec.intervalMs!, spec.type === 'wall' ? 'wall-clock' : 'stream-time', (time) => {
    count++
    switch (spec.fn) {
      case 'punctuateCount': return context.forward(context.record('punct', `${time}:${count}:${context.streamTime}:${context.now()}`, time))
      case 'punctuateUntil':
        context.forward(context.record('punct', `${time}:${count}`, time))
        if (count === spec.n) scheduled.cancel()
        return
      case 'punctuateStore':
        for (const { key, value } of [...keyValues(spec, context).all()]) context.forward(context.record(key, value, time))
        return
      case 'punctuateContext': {
        context.forward(context.record('punct', placeOf(context), time))
      }
    }
  })
}

/** A punctuator has no topic. */
function placeOf({ origin: { topic, partition, offset } }: Context): string {
  return `${topic === '' ? 'null' : topic}/${partition}/${offset}`
}

function put(spec: ProcessorSpec, context: Context, { key, value, timestamp }: StreamRecord): void {
  const row: ValueAndTimestamp<unknown> | null = value === null ? null : { value, timestamp }
  keyValues(spec, context).put(key, spec.timestamped === true ? row : value)
}

function keyValues(spec: ProcessorSpec, context: Context): KeyValueStore<unknown, unknown> {
  return context.store(spec.store!) as KeyValueStore<unknown, unknown>
}

function windows(spec: ProcessorSpec, context: Context): WindowStore<unknown, unknown> {
  return context.store(spec.store!) as WindowStore<unknown, unknown>
}

function versions(spec: ProcessorSpec, context: Context): VersionedStore<unknown, unknown> {
  return context.store(spec.store!) as VersionedStore<unknown, unknown>
}
