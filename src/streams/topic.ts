import { StreamError, bytesSerde, checkOptions, isStandardSchema, zodSerde } from '../core/index.ts'
import type { Serde, StandardSchema } from '../core/index.ts'

/** How keys or values are written: a serde, or a zod (or other Standard) schema, which becomes JSON. */
export type Format<T> = Serde<T> | StandardSchema<T>

/** The type that a format reads. */
export type TypeOf<F> = F extends Serde<infer T> ? T : F extends StandardSchema<infer T> ? T : never

/** A topic and what is in it. Declared once; streams, tables and sinks take their types from it. */
export interface Topic<K, V> {
  readonly name: string
  readonly keySerde: Serde<K>
  readonly valueSerde: Serde<V>
}

export interface TopicFormats<KeyFormat, ValueFormat> {
  /** Absent: keys are bytes as they are, or null. */
  readonly key?: KeyFormat
  /** Absent: values are bytes as they are, or null. */
  readonly value?: ValueFormat
}

/**
 * Declares a topic: `topic('hits', { key: z.string(), value: z.object({ path: z.string() }) })`. A string schema is plain
 * text, any other schema is JSON, validated when read. Records that do not match go to the deserialisation policy of the
 * application, and never to a function of the program. Declaring creates nothing in the broker.
 */
export function topic<KeyFormat extends AnyFormat = undefined, ValueFormat extends AnyFormat = undefined>(
  name: string,
  formats: TopicFormats<KeyFormat, ValueFormat> = {},
): Topic<KeyOrBytes<KeyFormat>, KeyOrBytes<ValueFormat>> {
  checkOptions(`topic ${name}`, formats, { key: true, value: true })
  return Object.freeze({
    name: checkedTopicName(name),
    keySerde: serdeOf(formats.key, `topic ${name}: key`) as Serde<KeyOrBytes<KeyFormat>>,
    valueSerde: serdeOf(formats.value, `topic ${name}: value`) as Serde<KeyOrBytes<ValueFormat>>,
  })
}

type AnyFormat = Format<unknown> | undefined

type KeyOrBytes<F> = F extends undefined ? Uint8Array | null : TypeOf<F>

/** The serde of a format; bytes where there is none. */
export function serdeOf(format: unknown, what: string): Serde<unknown> {
  if (format === undefined) return bytesSerde as Serde<unknown>
  if (isStandardSchema(format)) return zodSerde(format)
  const serde = format as Partial<Serde<unknown>> | null
  if (typeof serde?.serialize === 'function' && typeof serde.deserialize === 'function') return serde as Serde<unknown>
  throw new StreamError('INVALID_ARGUMENT', `${what} is neither a serde nor a schema; give for example stringSerde, jsonSerde() or z.object({ … })`)
}

/** The topic that an operator was given: JavaScript lets a program give its name instead. @throws INVALID_ARGUMENT, INVALID_TOPIC */
export function checkedTopic<T extends Pick<Topic<never, never>, 'name'>>(given: T, operator: string): T {
  const topic = given as Partial<T> | null | undefined
  if (typeof topic !== 'object' || typeof topic?.name !== 'string') {
    throw new StreamError('INVALID_ARGUMENT', `${operator}: ${JSON.stringify(given)} is no topic; declare it, as in topic('hits', { key: z.string(), value: z.string() })`)
  }
  checkedTopicName(topic.name)
  return given
}

export function checkedTopicName(name: string): string {
  const isLegal = typeof name === 'string' && /^[a-zA-Z0-9._-]{1,249}$/.test(name) && name !== '.' && name !== '..'
  if (isLegal) return name
  throw new StreamError('INVALID_TOPIC', `${JSON.stringify(name)} is no topic name: up to 249 letters, digits, '.', '_' and '-' are allowed`)
}
