import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { longSerde, randomInteger, seededRandom, sleep, stringSerde, systemClock } from '../../../../src/core/index.ts'
import { StreamsBuilder, joinWithin, keyValueStore, topic, tumbling } from '../../../../src/streams/index.ts'
import type { KeyValueStore, ProcessorContext, Topology } from '../../../../src/streams/index.ts'
import { SimulationFailure, simulate, simulationInput } from '../../../../src/streams/testing/index.ts'

const words = topic('words', { key: stringSerde, value: stringSerde })
const others = topic('others', { key: stringSerde, value: stringSerde })
const counts = topic('counts', { key: stringSerde, value: longSerde })
const texts = topic('texts', { key: stringSerde, value: stringSerde })
const random = seededRandom(5)
const letters = ['a', 'b', 'c', 'd', 'e', 'f']
const lines = Array.from({ length: 60 }, (_, index) => ({ key: letters[randomInteger(random, 6)]!, value: letters[randomInteger(random, 6)]!, timestamp: index }))
const inputs = [simulationInput(words, lines)]
const options = { inputs, seed: 11, rounds: 1 }

function topology(write: (builder: StreamsBuilder) => void): Topology {
  const builder = new StreamsBuilder()
  write(builder)
  return builder.build()
}

describe('a program that keeps its state in stores', () => {
  it.each([
    ['counts', topology((builder) => builder.stream(words).groupBy((word) => word).count({ store: 'counts' }).toStream().to(counts))],
    ['counts in windows, with final results', topology((builder) => {
      builder.stream(words).groupBy((word) => word).windowedBy(tumbling(30, { grace: 100 })).count().toStream().map((count, { key, start }) => [`${key}@${start}`, count]).to(counts)
    })],
    ['joins', topology((builder) => {
      builder.stream(words).join(builder.stream(others), (a, b) => a + b, { within: joinWithin(20) }).groupByKey().count().toStream().to(counts)
    })],
    ['joins by foreign keys', topology((builder) => {
      builder.table(words).joinOn(builder.table(others), (word) => word, (word, other) => word + other).toStream().to(texts)
    })],
    ['waits', topology((builder) => {
      builder.stream(words).mapAsync(async (word) => {
        await sleep(systemClock, 0)
        return word.toUpperCase()
      }).to(texts)
    })],
  ] as const)('%s gives the same, whatever goes wrong', async (_name, program) => {
    const report = await simulate(program, { ...options, inputs: [...inputs, simulationInput(others, lines.map(({ key, value, timestamp }) => ({ key: value, value: key, timestamp })))] })
    expect(report).toMatchObject({ runs: 3, seed: 11 })
    expect(Object.values(report.faults).reduce((sum, count) => sum + count)).toBeGreaterThan(3)
    expect(report.faults.reorder).toBe(0)
  })

  it('gives the same sequence for every key where nothing is reordered', async () => {
    const program = topology((builder) => builder.stream(words).groupByKey().count({ store: 'counts' }).toStream().to(counts))
    const { runs, faults } = await simulate(program, { ...options, compare: 'every', rounds: 2 })
    expect(runs).toBe(4)
    for (const kind of ['crash', 'rebalance', 'duplicate', 'clockJump'] as const) expect(faults[kind], kind).toBeGreaterThan(0)
  })

  it('gives the same runs from the same seed', async () => {
    const program = topology((builder) => builder.stream(words).groupByKey().count().toStream().to(counts))
    expect(await simulate(program, options)).toEqual(await simulate(program, options))
  })
})

describe('a program that is wrong', () => {
  it('is found when it keeps state outside of stores, with the seed that shows it again', async () => {
    const program = () => topology((builder) => {
      builder.stream(words).process<string, number>(() => {
        const seen = new Map<string, number>()
        let context!: ProcessorContext<string, number>
        return {
          init(given) { context = given },
          process(record) {
            seen.set(record.key, (seen.get(record.key) ?? 0) + 1)
            context.forward(record.withValue(seen.get(record.key)!))
          },
        }
      }).to(counts)
    })
    const failure = await simulate(program(), options).catch((error: unknown) => error)
    expect(failure).toBeInstanceOf(SimulationFailure)
    const { seed, message } = failure as SimulationFailure
    expect(message).toMatch(/with faults gave another result.*\n {2}topic counts, key [a-f]: should be 0x\w+, is 0x\w+\nmake it again with simulate\(topology, \{ …, seed: \d+, rounds: 1, partitions: 4 \}\)/)
    await expect(simulate(program(), { ...options, seed, rounds: 1 })).rejects.toMatchObject({ message })
  })

  it('is told which topic is missing, when its records choose one that nobody has made', async () => {
    const program = topology((builder) => builder.stream(words).to((_key, word) => `of-${word}`))
    await expect(simulate(program, options)).rejects.toThrow(/a run without faults failed: .*of-[a-f].*name it in outputs/)
    await expect(simulate(program, { ...options, outputs: letters.map((letter) => `of-${letter}`) })).resolves.toMatchObject({ runs: 3 })
  })

  it('is found when it looks for a key in the wrong partition', async () => {
    const store = keyValueStore('last', { key: z.string(), value: z.string() })
    const program = topology((builder) => {
      builder.stream(words).process<string, string>(() => {
        let last!: KeyValueStore<string, string>
        let context!: ProcessorContext<string, string>
        return {
          init(given) {
            context = given
            last = given.store(store)
          },
          process(record) {
            // The value is another record's key, which is in another partition.
            context.forward(record.withValue(last.get(record.value) ?? 'nothing'))
            last.put(record.key, record.value)
          },
        }
      }, { stores: [store] }).to(texts)
    })
    await expect(simulate(program, { ...options, rounds: 0 })).rejects.toThrow(/a run in 4 partitions without faults gave another result/)
    await expect(simulate(program, { ...options, partitions: 1 })).resolves.toMatchObject({ runs: 2 })
  })

  it('is found when its result depends on the order of two partitions', async () => {
    const program = topology((builder) => {
      builder.stream(words).map((word, key) => [word, key]).groupByKey().reduce((_before, after) => after).toStream().to(texts)
    })
    await expect(simulate(program, { ...options, reorder: true })).rejects.toThrow(/gave another result than one partition/)
  })

  it('is named when it throws', async () => {
    const program = topology((builder) => builder.stream(words).mapValues((word) => {
      if (word === 'c') throw new Error('no c')
      return word
    }, { name: 'checked' }).to(texts))
    await expect(simulate(program, options)).rejects.toThrow(/a run without faults failed: .*checked/)
    await expect(simulate(program, { ...options, onProcessingError: 'skip' })).resolves.toMatchObject({ runs: 3 })
  })

  it('goes by the policies that it is given, for what cannot be read and what cannot be written', async () => {
    const refuses = (text: string): string => {
      if (text === 'c') throw new Error('no c')
      return text
    }
    const write = (text: string) => stringSerde.serialize(text)
    const read = (bytes: Uint8Array) => stringSerde.deserialize(bytes)
    const unreadable = topic('words', { key: stringSerde, value: { serialize: write, deserialize: (bytes: Uint8Array) => refuses(read(bytes)) } })
    const unwritable = topic('texts', { key: stringSerde, value: { serialize: (text: string) => write(refuses(text)), deserialize: read } })
    const reads = topology((builder) => builder.stream(unreadable).to(texts))
    const writes = topology((builder) => builder.stream(words).to(unwritable))
    await expect(simulate(reads, options)).rejects.toThrow(/no c/)
    await expect(simulate(reads, { ...options, onDeserializationError: 'skip' })).resolves.toMatchObject({ runs: 3 })
    await expect(simulate(writes, options)).rejects.toThrow(/no c/)
    await expect(simulate(writes, { ...options, onSerializationError: 'skip' })).resolves.toMatchObject({ runs: 3 })
  })

  it('has no fault that is misspelt', async () => {
    const simple = topology((builder) => builder.stream(words).to(texts))
    await expect(simulate(simple, { ...options, crashs: true } as never)).rejects.toThrow("simulate has no option \"crashs\"; did you mean 'crash'?")
  })
})
