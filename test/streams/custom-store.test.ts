import { describe, expect, it } from 'vitest'
import { bytesSerde, integerSerde, stringSerde } from '../../src/core/index.ts'
import type { CustomStore, CustomStoreContext } from '../../src/streams/custom-store.ts'
import { MemoryByteStore } from '../../src/streams/state/memory-byte-store.ts'
import { StreamsBuilder } from '../../src/streams/streams-builder.ts'
import { customStore, keyValueStore } from '../../src/streams/stores.ts'
import { Simulation } from '../../src/streams/testing/simulation.ts'
import { TopologyTestDriver } from '../../src/streams/testing/topology-test-driver.ts'
import { topic } from '../../src/streams/topic.ts'
import { tumbling } from '../../src/streams/windows.ts'

const input = topic('in', { key: stringSerde, value: integerSerde })
const output = topic('out', { key: stringSerde, value: stringSerde })

/** The largest numbers of all keys of a partition, which no store of rows by key gives at once. */
class Leaders implements CustomStore {
  readonly #context: CustomStoreContext
  #scores = new Map<string, number>()
  #committed = new Map<string, number>()
  #unlogged = new Set<string>()
  calls: string[] = []

  constructor(context: CustomStoreContext) {
    this.#context = context
  }

  add(key: string, score: number): readonly string[] {
    this.#scores.set(key, Math.max(score, this.#scores.get(key) ?? 0))
    this.#unlogged.add(key)
    return [...this.#scores].sort(([, a], [, b]) => b - a).slice(0, 2).map(([name]) => name)
  }

  restore(key: Uint8Array, value: Uint8Array | null): void {
    if (value !== null) this.#scores.set(stringSerde.deserialize(key), integerSerde.deserialize(value))
    this.calls.push('restore')
  }

  flush(): void {
    for (const key of this.#unlogged) this.#context.log(stringSerde.serialize(key), integerSerde.serialize(this.#scores.get(key)!))
    this.#unlogged.clear()
  }

  commit(): void {
    this.#committed = new Map(this.#scores)
    this.calls.push('commit')
  }

  rollback(): void {
    this.#scores = new Map(this.#committed)
    this.#unlogged.clear()
  }

  close(): void {
    this.calls.push('close')
  }
}

const leaders = customStore('leaders', (context) => new Leaders(context))

function program() {
  const builder = new StreamsBuilder()
  builder.stream(input).process<string, string>(() => {
    let store: Leaders
    return {
      init(context) { store = context.store(leaders) },
      process({ key, value }) { store.add(key, value) },
    }
  }, { stores: [leaders] }).to(output)
  return builder.build()
}

const piped = (key: string, value: number, timestamp: number) => ({
  topic: 'in', key: stringSerde.serialize(key), value: integerSerde.serialize(value), timestamp, headers: [],
})

describe('a store of the program\'s own', () => {
  it('is what the processor gets, and logs with what it is flushed', () => {
    const simulation = new Simulation(program(), { applicationId: 'app', startAtMs: 0, partitions: 1, config: { cacheMaxBytes: 0 } })
    simulation.pipe(piped('a', 3, 7))
    const written = simulation.takeWritten().filter(({ topic: name }) => name === 'app-leaders-changelog')
    expect(written.map(({ key, value, timestamp }) => [stringSerde.deserialize(key!), integerSerde.deserialize(value!), timestamp])).toEqual([['a', 3, 7]])
  })

  it('is closed with its task, and restored by the next one', () => {
    const simulation = new Simulation(program(), { applicationId: 'app', startAtMs: 0, partitions: 1, config: { cacheMaxBytes: 0 } })
    simulation.pipe(piped('a', 3, 1))
    simulation.pipe(piped('b', 5, 2))
    const before = simulation.stores('leaders')[0]!.view as Leaders
    simulation.restart()
    const after = simulation.stores('leaders')[0]!.view as Leaders
    expect(before.calls.at(-1)).toBe('close')
    expect(after).not.toBe(before)
    expect(after.calls).toEqual(['restore', 'restore', 'commit'])
    expect(after.add('c', 4)).toEqual(['b', 'c'])
  })

  it('can be looked at in a test', () => {
    const driver = new TopologyTestDriver(program())
    driver.inputTopic(input).pipeAll([{ key: 'a', value: 1, timestamp: 1 }, { key: 'b', value: 2, timestamp: 2 }])
    expect(driver.customStore(leaders).add('c', 0)).toEqual(['b', 'a'])
    expect(() => driver.keyValueStore('leaders')).toThrow('the store leaders is of type custom')
  })

  it('has no changelog when it wants none', () => {
    const builder = new StreamsBuilder()
    const unlogged = customStore('unlogged', (context) => new Leaders(context), { logging: false })
    builder.stream(input).process<string, string>(() => ({ process: () => {} }), { stores: [unlogged] }).to(output)
    expect(builder.build().stores.map(({ changelog }) => changelog)).toEqual([null])
  })
})

class CountingRows extends MemoryByteStore {
  puts = 0
  closed = false

  override put(key: Uint8Array, value: Uint8Array | null): void {
    this.puts++
    super.put(key, value)
  }

  close(): void {
    this.closed = true
  }
}

describe('rows in a place of the program\'s own', () => {
  it.each([0, 10_000])('hold a table, behind a cache of %i bytes, and are restored', (cacheMaxBytes) => {
    const opened: CountingRows[] = []
    const rows = (store: string) => {
      expect(store).toBe('counts')
      return opened[opened.push(new CountingRows()) - 1]!
    }
    const builder = new StreamsBuilder()
    builder.stream(input).groupByKey().count({ store: 'counts', rows }).toStream().mapValues(String).to(output)
    const simulation = new Simulation(builder.build(), { applicationId: 'app', startAtMs: 0, partitions: 1, config: { cacheMaxBytes } })
    for (const key of ['a', 'b', 'a']) simulation.pipe(piped(key, 1, 1))
    simulation.restart()
    simulation.pipe(piped('a', 1, 2))
    const counts = simulation.takeWritten().filter(({ topic: name }) => name === 'out').map(({ value }) => stringSerde.deserialize(value!))
    expect(counts).toEqual(['1', '1', '2', '3'])
    expect(opened.map(({ closed }) => closed)).toEqual([true, false])
    expect(opened.map(({ puts }) => puts)).toEqual([3, 4])
  })

  it('hold a store of processors', () => {
    let held = 0
    const rows = () => Object.assign(new MemoryByteStore(), { close: () => { held++ } })
    const store = keyValueStore('kept', { key: bytesSerde, value: integerSerde, rows })
    const builder = new StreamsBuilder()
    builder.stream(input).process<string, string>(() => ({
      init(context) { context.store(store).put(Uint8Array.of(1), 5) },
      process() {},
    }), { stores: [store] }).to(output)
    const driver = new TopologyTestDriver(builder.build())
    expect(driver.keyValueStore('kept').get(Uint8Array.of(1))).toBe(5)
    driver.close()
    expect(held).toBe(1)
  })

  it('are refused where rows are kept in another way', () => {
    const rows = () => new MemoryByteStore()
    const builder = new StreamsBuilder()
    expect(() => builder.table(input, { rows, ttl: '1h' })).toThrow('either `rows` or one of')
    expect(() => keyValueStore('s', { key: stringSerde, value: stringSerde, rows, ttl: '1h' })).toThrow('leave out either `rows` or `ttl`')
    expect(() => builder.stream(input).groupByKey().windowedBy(tumbling('1m')).count({ rows })).toThrow('keeps windows')
  })
})
