import fc from 'fast-check'
import type { Arbitrary } from 'fast-check'
import { z } from 'zod'
import { StreamError, bytesSerde, doubleSerde, integerSerde, longSerde, stringSerde } from '../../core/index.ts'
import type { Serde, StandardSchema } from '../../core/index.ts'
import type { Topic } from '../topic.ts'
import { jsonSchemaArbitrary } from './json-schema-arbitrary.ts'
import type { JsonSchema } from './json-schema-arbitrary.ts'
import type { TestInput } from './test-topics.ts'

export interface ArbitraryRecordsOptions<K, V> {
  /** Instead of what the topic's formats give. */
  readonly key?: Arbitrary<K>
  readonly value?: Arbitrary<V>
  /** How many different keys one list has at most, so that some meet again. Default 3. */
  readonly keys?: number
  /** Records a list has at most. Default 20. */
  readonly maxLength?: number
  /** Timestamps lie between 0 and this many milliseconds, in any order. Default 60,000. */
  readonly withinMs?: number
  /** Share of the records whose value is null, from 0 to 1. Default 0; for tables, try 0.2. */
  readonly tombstones?: number
}

/**
 * Lists of records for a topic, for property tests with fast-check: keys that meet again, values that the topic's schema
 * allows, timestamps out of order. What fails is made smaller by fast-check.
 * ```
 * fc.assert(fc.property(arbitraryRecords(orders), (records) => { … }))
 * ```
 * @throws INVALID_ARGUMENT when the topic's formats do not say what their values are: give `key` or `value` then
 */
export function arbitraryRecords<K, V>(topic: Topic<K, V>, options: ArbitraryRecordsOptions<K, V> = {}): Arbitrary<TestInput<K, V>[]> {
  const { keys = 3, maxLength = 20, withinMs = 60_000, tombstones = 0 } = options
  const key = options.key ?? arbitraryKey(topic)
  const value = options.value ?? arbitraryValue(topic)
  const aliveWeight = Math.round((1 - tombstones) * 100)
  const orNull = tombstones === 0 ? value : fc.oneof({ arbitrary: value, weight: aliveWeight }, { arbitrary: fc.constant(null), weight: 100 - aliveWeight })
  return fc.array(key, { minLength: 1, maxLength: keys }).chain((pool) => fc.array(
    fc.record({ key: fc.constantFrom(...pool), value: orNull, timestamp: fc.integer({ min: 0, max: withinMs }) }),
    { maxLength },
  ))
}

/** Keys that a topic may have. @throws as `arbitraryRecords` */
export function arbitraryKey<K, V>({ name, keySerde }: Topic<K, V>): Arbitrary<K> {
  return arbitraryOf(keySerde, `key of the topic ${name}`)
}

/** Values, without null, that a topic may have. @throws as `arbitraryRecords` */
export function arbitraryValue<K, V>({ name, valueSerde }: Topic<K, V>): Arbitrary<V> {
  return arbitraryOf(valueSerde, `value of the topic ${name}`)
}

function arbitraryOf<T>(serde: Serde<T>, what: string): Arbitrary<T> {
  const known = builtIn.get(serde as Serde<unknown>)
  if (known !== undefined) return known() as Arbitrary<T>
  if (serde.schema === undefined) throw new StreamError('INVALID_ARGUMENT', `the ${what} has a serde without a schema, which does not say what its values are; give an arbitrary in the options`)
  // A schema may refuse what its structure allows (a refinement), and make another value of what it reads (a default).
  return (jsonSchemaArbitrary(jsonSchemaOf(serde.schema, what)) as Arbitrary<T>)
    .filter((value) => canBeRead(serde, value))
    .map((value) => serde.deserialize(serde.serialize(value)))
    .filter((value) => canBeRead(serde, value))
}

function canBeRead<T>(serde: Serde<T>, value: T): boolean {
  try {
    serde.deserialize(serde.serialize(value))
    return true
  } catch {
    return false
  }
}

function jsonSchemaOf(schema: StandardSchema, what: string): JsonSchema {
  const { vendor } = schema['~standard']
  if (vendor !== 'zod') throw new StreamError('INVALID_ARGUMENT', `the ${what} has a schema of ${vendor}, whose structure is not known here; give an arbitrary in the options`)
  try {
    return z.toJSONSchema(schema as unknown as z.ZodType, { io: 'input' }) as JsonSchema
  } catch (cause) {
    throw new StreamError('INVALID_ARGUMENT', `the ${what} has a schema that no values can be made for; give an arbitrary in the options`, { cause })
  }
}

const builtIn: ReadonlyMap<Serde<unknown>, () => Arbitrary<unknown>> = new Map<Serde<unknown>, () => Arbitrary<unknown>>([
  [stringSerde as Serde<unknown>, () => fc.string()],
  [longSerde as Serde<unknown>, () => fc.maxSafeInteger()],
  [integerSerde as Serde<unknown>, () => fc.integer()],
  [doubleSerde as Serde<unknown>, () => fc.double({ noNaN: true })],
  [bytesSerde as Serde<unknown>, () => fc.uint8Array()],
])
