/** The functions that recorded topologies name (FORMAT.md, section 6). */
import type { StreamRecord } from '../../src/streams/stream-record.ts'

export interface FunctionSpec {
  readonly fn: string
  readonly arg?: string
  readonly n?: number
}

type Value = unknown
type RecordFunction<R> = (value: Value, key: Value, record: StreamRecord) => R

/** `"null"`, the string itself, decimal for numbers, `KEY@START` for a windowed key. */
export function show(value: Value): string {
  if (value === null || value === undefined) return 'null'
  if (typeof value === 'string') return value
  if (typeof value === 'number') return String(value)
  if (isWindowed(value)) return `${show(value.key)}@${value.start}`
  return JSON.stringify(value)
}

interface WindowedKey {
  readonly key: unknown
  readonly start: number
  readonly end: number
}

function isWindowed(value: Value): value is WindowedKey {
  return typeof value === 'object' && value !== null && 'start' in value && 'end' in value
}

class RuntimeException extends Error {
  override readonly name = 'RuntimeException'
}

function failOn<R>(value: Value, arg: string | undefined, result: R): R {
  if (value !== null && show(value) === arg) throw new RuntimeException(`failed on ${arg}`)
  return result
}

const predicates: Readonly<Record<string, (spec: FunctionSpec) => RecordFunction<boolean>>> = {
  lengthOver: ({ n }) => value => value !== null && show(value).length > n!,
  startsWith: ({ arg }) => value => value !== null && show(value).startsWith(arg!),
  keyStartsWith: ({ arg }) => (_value, key) => key !== null && show(key).startsWith(arg!),
  valueIsNull: () => value => value === null,
  over: ({ n }) => value => value !== null && (value as number) > n!,
  always: () => () => true,
  never: () => () => false,
  failOn: ({ arg }) => value => failOn(value, arg, true),
}

const mappers: Readonly<Record<string, (spec: FunctionSpec) => RecordFunction<Value>>> = {
  same: () => value => value,
  upper: () => value => (value === null ? null : show(value).toUpperCase()),
  append: ({ arg }) => value => show(value) + arg,
  show: () => value => show(value),
  length: () => value => (value === null ? -1 : show(value).length),
  parseLong: () => value => (value === null ? null : Number(value)),
  toNull: () => () => null,
  nullIf: ({ arg }) => value => (show(value) === arg ? null : value),
  withKey: () => (value, key) => `${show(key)}:${show(value)}`,
  failOn: ({ arg }) => value => failOn(value, arg, value),
  prefix: ({ n }) => value => (value === null ? null : show(value).slice(0, n)),
  constant: ({ arg }) => () => arg,
  wrapJson: () => (value, key) => ({ key, value }),
  jsonField: ({ arg }) => value => (value === null ? null : (value as Record<string, unknown>)[arg!] ?? null),
}

const keyers: Readonly<Record<string, (spec: FunctionSpec) => RecordFunction<Value>>> = {
  key: () => (_value, key) => key,
  value: () => value => value,
  prefix: ({ n }) => value => (value === null ? null : show(value).slice(0, n)),
  keyPrefix: ({ n }) => (_value, key) => (key === null ? null : show(key).slice(0, n)),
  constant: ({ arg }) => () => arg,
  beforeBar: () => value => aroundBar(value, 0),
  afterBar: () => value => aroundBar(value, 1),
  keyAppend: ({ arg }) => (_value, key) => show(key) + arg,
  nullIfValue: ({ arg }) => (value, key) => (value !== null && show(value) === arg ? null : key),
  windowKey: () => (_value, key) => (key as WindowedKey).key,
  showWindowKey: () => (_value, key) => {
    const { key: inner, start, end } = key as WindowedKey
    return `${show(inner)}@${start}/${Number.isFinite(end) ? end : '9223372036854775807'}`
  },
  failOn: ({ arg }) => (value, key) => failOn(value, arg, key),
}

function aroundBar(value: Value, side: 0 | 1): string | null {
  if (value === null) return null
  const text = show(value)
  const bar = text.indexOf('|')
  if (bar === -1) return null
  return side === 0 ? text.slice(0, bar) : text.slice(bar + 1)
}

const flatMappers: Readonly<Record<string, (spec: FunctionSpec) => RecordFunction<Iterable<readonly [Value, Value]>>>> = {
  splitWordsKeyed: () => value => words(value).map(word => [word, value] as const),
  repeatKeyed: ({ n }) => (value, key) => Array.from({ length: n! }, (_, index) => [show(key) + index, value] as const),
}

const flatValues: Readonly<Record<string, (spec: FunctionSpec) => RecordFunction<Iterable<Value>>>> = {
  splitWords: () => value => words(value),
  repeat: ({ n }) => value => Array.from({ length: n! }, () => value),
}

function words(value: Value): string[] {
  return value === null ? [] : show(value).split(' ').filter(word => word !== '')
}

const joiners: Readonly<Record<string, (spec: FunctionSpec) => (left: Value, right: Value, key: Value) => Value>> = {
  joinPlus: () => (left, right) => `${show(left)}+${show(right)}`,
  joinWithKey: () => (left, right, key) => `${show(key)}:${show(left)}+${show(right)}`,
  joinNullIf: ({ arg }) => (left, right) => (show(right) === arg ? null : `${show(left)}+${show(right)}`),
  left: () => left => left,
  failOnRight: ({ arg }) => (left, right) => failOn(right, arg, `${show(left)}+${show(right)}`),
}

const reducers: Readonly<Record<string, (spec: FunctionSpec) => (reduced: Value, value: Value) => Value>> = {
  concat: () => (a, b) => show(a) + show(b),
  concatPlus: () => (a, b) => `${show(a)}+${show(b)}`,
  concatMinus: () => (a, b) => `${show(a)}-${show(b)}`,
  sum: () => (a, b) => (a as number) + (b as number),
  difference: () => (a, b) => (a as number) - (b as number),
  last: () => (_a, b) => b,
  max: () => (a, b) => ((a as number) > (b as number) ? a : b),
  nullOn: ({ arg }) => (a, b) => (show(b) === arg ? null : show(a) + show(b)),
}

const aggregators: Readonly<Record<string, (spec: FunctionSpec) => (aggregate: Value, value: Value, key: Value) => Value>> = {
  concat: () => (aggregate, value) => show(aggregate) + show(value),
  plus: () => (aggregate, value) => `${show(aggregate)}+${show(value)}`,
  minus: () => (aggregate, value) => `${show(aggregate)}-${show(value)}`,
  tag: ({ arg }) => (aggregate, value) => show(aggregate) + arg + show(value),
  addLength: () => (aggregate, value) => (aggregate as number) + (value === null ? 0 : show(value).length),
  subtractLength: () => (aggregate, value) => (aggregate as number) - (value === null ? 0 : show(value).length),
  nullOn: ({ arg }) => (aggregate, value) => (show(value) === arg ? null : show(aggregate) + show(value)),
  failOn: ({ arg }) => (aggregate, value) => failOn(value, arg, show(aggregate) + show(value)),
}

const mergers: Readonly<Record<string, (key: Value, left: Value, right: Value) => Value>> = {
  mergeConcat: (_key, left, right) => show(left) + show(right),
  mergeBar: (_key, left, right) => `(${show(left)}|${show(right)})`,
  mergeSum: (_key, left, right) => (left as number) + (right as number),
}

const topicExtractors: Readonly<Record<string, RecordFunction<string>>> = {
  outByPrefix: value => `out-${value === null ? 'null' : show(value).slice(0, 1)}`,
  outByKey: (_value, key) => `out-${show(key)}`,
  // In a punctuator there is no topic.
  outBySource: (_value, _key, record) => `out-${record.topic === '' ? 'null' : record.topic}`,
}

/** The timestamp, or null for "as the broker has it" (the default and its variants need no function). */
const extractors: Readonly<Record<string, (value: Value, key: Value, record: StreamRecord, partitionTime: number) => number>> = {
  valueAfterAt: value => afterAt(value) ?? -1,
  valueAfterAtOrPartitionTime: (value, _key, _record, partitionTime) => afterAt(value) ?? partitionTime,
  logAndSkipOnInvalid: (_value, _key, record) => record.timestamp,
  usePartitionTimeOnInvalid: (_value, _key, record, partitionTime) => (record.timestamp >= 0 ? record.timestamp : partitionTime),
}

function afterAt(value: Value): number | null {
  const match = value === null ? null : /@(-?\d+)/.exec(show(value))
  return match === null ? null : Number(match[1])
}

function pick<T>(table: Readonly<Record<string, T>>, kind: string, name: string): T {
  const found = table[name]
  if (found === undefined) throw new Error(`the recordings use the ${kind} ${name}, which is not known`)
  return found
}

export const functions = {
  predicate: (spec: FunctionSpec) => pick(predicates, 'predicate', spec.fn)(spec),
  mapper: (spec: FunctionSpec) => pick(mappers, 'mapper', spec.fn)(spec),
  keyer: (spec: FunctionSpec) => pick(keyers, 'keyer', spec.fn)(spec),
  flatMapper: (spec: FunctionSpec) => pick(flatMappers, 'flat-mapper', spec.fn)(spec),
  flatValues: (spec: FunctionSpec) => pick(flatValues, 'flat-values function', spec.fn)(spec),
  joiner: (spec: FunctionSpec) => pick(joiners, 'joiner', spec.fn)(spec),
  reducer: (spec: FunctionSpec) => pick(reducers, 'reducer', spec.fn)(spec),
  aggregator: (spec: FunctionSpec) => pick(aggregators, 'aggregator', spec.fn)(spec),
  merger: (spec: FunctionSpec) => pick(mergers, 'merger', spec.fn),
  topicExtractor: (spec: FunctionSpec) => pick(topicExtractors, 'topic extractor', spec.fn),
  /** undefined: the timestamp of the record, which is what the default does. */
  extractor: (spec: FunctionSpec) => (spec.fn === 'failOnInvalid' ? undefined : pick(extractors, 'timestamp extractor', spec.fn)),
}
