import { StreamError, isStreamError } from '../../core/index.ts'
import type { Header, Serde } from '../../core/index.ts'
import { noHeaders } from '../stream-record.ts'
import type { Topic } from '../topic.ts'
import type { RawRecord } from './simulation.ts'

/** A record to pipe in. */
export interface TestInput<K, V> {
  readonly key?: K | null
  readonly value: V | null
  /** Milliseconds since the epoch. Default: the driver's wall clock. */
  readonly timestamp?: number
  readonly headers?: readonly Header[]
}

/** A record that came out. */
export interface TestOutput<K, V> {
  readonly key: K | null
  readonly value: V | null
  readonly timestamp: number
  readonly headers: readonly Header[]
  readonly partition: number
}

/** Writes records to an input topic of the topology, one after the other. */
export class TestInputTopic<K, V> {
  readonly #topic: Topic<K, V>
  readonly #write: (record: Omit<RawRecord, 'partition'>) => void
  readonly #now: () => number

  constructor(topic: Topic<K, V>, write: (record: Omit<RawRecord, 'partition'>) => void, now: () => number) {
    this.#topic = topic
    this.#write = write
    this.#now = now
  }

  /**
   * Everything that follows from the record has happened when this returns.
   * @throws PROCESSING_FAILED, DESERIALIZATION_FAILED, SERIALIZATION_FAILED when the topology fails on it
   */
  pipe(record: TestInput<K, V>): void {
    const { key = null, value, timestamp = this.#now(), headers = noHeaders } = record
    if (value === undefined) {
      throw new StreamError('INVALID_ARGUMENT', `pipe: ${JSON.stringify(record)} has no value; give a record, as in { key, value, timestamp }, with the value null for a deletion`)
    }
    const { name, keySerde, valueSerde } = this.#topic
    this.#writeForTest({
      topic: name,
      key: key === null ? null : keySerde.serialize(key),
      value: value === null ? null : valueSerde.serialize(value),
      timestamp,
      headers,
    })
  }

  pipeAll(records: Iterable<TestInput<K, V>>): void {
    for (const record of records) this.pipe(record)
  }

  /** Bytes as a foreign producer might write them, to see what the error policy does. */
  pipeBytes(record: { readonly key?: Uint8Array | null; readonly value: Uint8Array | null; readonly timestamp?: number; readonly headers?: readonly Header[] }): void {
    const { key = null, value, timestamp = this.#now(), headers = noHeaders } = record
    this.#writeForTest({ topic: this.#topic.name, key, value, timestamp, headers })
  }

  /** A failure's stack begins here, so that it reaches the line of the test; where the program failed is in the stack of its cause. */
  #writeForTest(record: Omit<RawRecord, 'partition'>): void {
    try {
      this.#write(record)
    } catch (error) {
      if (isStreamError(error)) Error.captureStackTrace(error)
      throw error
    }
  }
}

/** Reads what the topology wrote to a topic, in the order of writing; each record once. */
export class TestOutputTopic<K, V> {
  readonly #topic: Topic<K, V>
  readonly #records: RawRecord[]

  constructor(topic: Topic<K, V>, records: RawRecord[]) {
    this.#topic = topic
    this.#records = records
  }

  /** Records that were written and not read. */
  get size(): number {
    return this.#records.length
  }

  get isEmpty(): boolean {
    return this.size === 0
  }

  /** The next record; null when there is none. */
  read(): TestOutput<K, V> | null {
    const record = this.#records.shift()
    return record === undefined ? null : this.#decode(record)
  }

  readAll(): readonly TestOutput<K, V>[] {
    return this.#records.splice(0).map((record) => this.#decode(record))
  }

  readValues(): readonly (V | null)[] {
    return this.readAll().map((record) => record.value)
  }

  /** The last value of each key, as a table would have it; null keys are left out. */
  readToMap(): ReadonlyMap<K, V | null> {
    return new Map(this.readAll().flatMap(({ key, value }) => (key === null ? [] : [[key, value] as const])))
  }

  #decode({ key, value, timestamp, headers, partition }: RawRecord): TestOutput<K, V> {
    const { keySerde, valueSerde } = this.#topic
    return {
      key: key === null ? null : this.#decoded('key', keySerde, key),
      value: value === null ? null : this.#decoded('value', valueSerde, value),
      timestamp,
      headers,
      partition,
    }
  }

  #decoded<T>(part: 'key' | 'value', serde: Serde<T>, bytes: Uint8Array): T {
    try {
      return serde.deserialize(bytes)
    } catch (cause) {
      throw new StreamError('DESERIALIZATION_FAILED', `a ${part} that was written to ${this.#topic.name} is none of this topic: ${cause instanceof Error ? cause.message : String(cause)}`, { cause })
    }
  }
}
