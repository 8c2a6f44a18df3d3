/** Members of recorded operations (FORMAT.md, sections 1, 3 and 4) as options of the fluent surface. */
import { bytesSerde, doubleSerde, integerSerde, jsonSerde, longSerde, stringSerde } from '../../src/core/index.ts'
import type { Serde } from '../../src/core/index.ts'
import type { StreamJoinOptions } from '../../src/streams/stream-stream-join.ts'
import type { SuppressOptions } from '../../src/streams/suppress.ts'
import { sessionWindowedSerde, timeWindowedSerde } from '../../src/streams/windowed-serde.ts'
import { hopping, joinWithin, session, sliding, tumbling, unlimited } from '../../src/streams/windows.ts'
import type { Windows } from '../../src/streams/windows.ts'

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

export type Member = Readonly<Record<string, unknown>>

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

export function windowsOf(window: Member): Windows {
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

export function streamJoinOptionsOf(operation: Operation): StreamJoinOptions<unknown, unknown, unknown> {
  const windows = operation['windows'] as Readonly<Record<string, number | undefined>>
  const span = windows['differenceMs'] ?? { before: windows['beforeMs'] ?? 0, after: windows['afterMs'] ?? 0 }
  const joined = (operation['streamJoined'] ?? {}) as { readonly storeName?: string; readonly logging?: boolean; readonly otherValue?: SerdeSpec }
  return {
    ...formatsOf(joined),
    ...(joined.storeName === undefined ? {} : { storeName: joined.storeName }),
    ...(joined.logging === undefined ? {} : { logging: joined.logging }),
    ...(joined.otherValue === undefined ? {} : { otherValue: serdeOfSpec(joined.otherValue) as Serde<{}> }),
    within: joinWithin(span, { grace: windows['graceMs'] ?? 0 }),
  }
}

export function suppressOptionsOf(operation: Operation): SuppressOptions {
  const until = operation['until'] as 'windowCloses' | { readonly timeLimitMs: number }
  return {
    ...nameOf(operation),
    ...numberOf(operation, 'maxRecords'),
    ...numberOf(operation, 'maxBytes'),
    ...(operation['whenFull'] === 'shutDown' ? { whenFull: 'shut-down' } : {}),
    until: until === 'windowCloses' ? 'window-closes' : until.timeLimitMs,
  }
}

export function nameOf(operation: Operation): { readonly name?: string } {
  return operation.name === undefined ? {} : { name: operation.name }
}

export function numberOf(member: Member, key: string): Readonly<Record<string, number>> {
  return member[key] === undefined ? {} : { [key]: member[key] as number }
}

export function formatsOf(member: unknown): { readonly name?: string; readonly key?: Serde<{}>; readonly value?: Serde<{}> } {
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
  readonly historyMs?: number
  readonly segmentMs?: number
  readonly maxEntries?: number
  readonly caching?: boolean
  readonly logging?: boolean
  readonly topicConfig?: Readonly<Record<string, string>>
}

export function materializedOf(operation: Operation) {
  const spec = operation['materialized'] as MaterializedSpec | undefined
  if (spec === undefined) return {}
  const logging = spec.topicConfig ?? spec.logging
  return {
    ...formatsOf({ key: spec.key, value: spec.value }),
    ...(spec.store === undefined ? {} : { store: spec.store }),
    ...(spec.maxEntries === undefined ? {} : { maxEntries: spec.maxEntries }),
    ...(spec.type === undefined || spec.type === 'versioned' || spec.type === 'lru' ? {} : { type: spec.type as 'persistent' | 'inMemory' }),
    ...(spec.historyMs === undefined ? {} : { history: spec.historyMs }),
    ...(spec.segmentMs === undefined ? {} : { segmentInterval: spec.segmentMs }),
    ...(spec.retentionMs === undefined ? {} : { retention: spec.retentionMs }),
    ...(spec.caching === undefined ? {} : { caching: spec.caching }),
    ...(logging === undefined ? {} : { logging }),
  }
}

export function named<F extends (...args: never[]) => unknown>(target: F, name: string): F {
  return Object.defineProperty(target, 'name', { value: name })
}
