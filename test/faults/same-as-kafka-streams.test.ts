/** The same program in Java on Kafka Streams and here, on one cluster, over the same topics: the same output topic. */
import { afterAll, beforeAll, expect, it } from 'vitest'
import { longSerde, openKafkaBroker, stringSerde } from '../../src/core/index.ts'
import type { Broker, Serde } from '../../src/core/index.ts'
import { seededRandom } from '../../src/core/random.ts'
import { StreamsApp, StreamsBuilder, joinWithin, topic, tumbling } from '../../src/streams/index.ts'
import type { Topic } from '../../src/streams/index.ts'
import { freshName, hasKafkaTools, runKafkaStreams } from '../kit/kafka.ts'
import { describeWith } from '../kit/services.ts'

const partitions = 2
const prefix = freshName('same')
const seed = 20_260_731
const random = seededRandom(seed)
const below = (bound: number) => Math.floor(random.next() * bound)
const pick = <T>(list: readonly T[]): T => list[below(list.length)]!

interface Input {
  readonly topic: string
  readonly key: string
  readonly value: Uint8Array | null
  readonly timestamp: number
}

interface Output {
  readonly partition: number
  readonly key: string
  readonly value: string | number | null
  readonly timestamp: number
}

interface Case {
  readonly name: string
  readonly inputTopics: readonly string[]
  readonly inputs: readonly Input[]
  readonly build: (builder: StreamsBuilder, output: string) => void
  readonly valueSerde: Serde<string> | Serde<number>
  /** What of the output is the same however the parts of the program were interleaved. */
  readonly comparable: (outputs: readonly Output[]) => unknown
}

const textTopic = (name: string): Topic<string, string> => topic(name, { key: stringSerde, value: stringSerde })
const longTopic = (name: string): Topic<string, number> => topic(name, { key: stringSerde, value: longSerde })

const users = ['ann', 'bob', 'cem', 'dora', 'eli', 'fay']
const start = 1_700_000_000_000

// ------------------------------------------------------------------------------------------------ the programs

function words(name = `${prefix}-words`): Case {
  const vocabulary = ['mill', 'race', 'wheel', 'water', 'stone', 'grain']
  const line = () => Array.from({ length: 1 + below(5) }, () => pick(vocabulary)).join(' ')
  return {
    name,
    inputTopics: [`${name}-lines`],
    inputs: Array.from({ length: 300 }, (_, index) => ({ topic: `${name}-lines`, key: pick(users), value: stringSerde.serialize(line()), timestamp: start + index })),
    build: (builder, output) => builder.stream(textTopic(`${name}-lines`))
      .flatMapValues((text) => text.split(' '))
      .groupBy((word) => word, { key: stringSerde, value: stringSerde })
      .count()
      .toStream().to(longTopic(output)),
    valueSerde: longSerde,
    // Two tasks write the repartition topic, so which line of two partitions is counted first is open.
    comparable: (outputs) => byKey(outputs.map(({ partition, key, value }) => ({ partition, key, value }))),
  }
}

function windows(name = `${prefix}-windows`): Case {
  const input = `${name}-events`
  return {
    name,
    inputTopics: [input],
    // Up to six seconds out of order, where a window waits three: some are late.
    inputs: Array.from({ length: 400 }, (_, index) => ({ topic: input, key: pick(users), value: longSerde.serialize(below(100)), timestamp: start + index * 200 - below(6_000) })),
    build: (builder, output) => builder.stream(longTopic(input))
      .groupByKey()
      .windowedBy(tumbling('10s', { grace: '3s' }))
      .aggregate(() => 0, (sum, value) => sum + value, { value: longSerde })
      .toStream()
      .map((sum, { key, start: begin }) => [`${key}@${begin}`, sum])
      .to(longTopic(output)),
    valueSerde: longSerde,
    comparable: byPartition,
  }
}

function streams(name = `${prefix}-streams`): Case {
  const sides = [`${name}-left`, `${name}-right`]
  return {
    name,
    inputTopics: sides,
    // No two records of one time: which of them comes first would be open.
    inputs: Array.from({ length: 400 }, (_, index) => ({ topic: pick(sides), key: pick(users), value: stringSerde.serialize(`v${index}`), timestamp: start + index * 700 })),
    build: (builder, output) => builder.stream(textTopic(sides[0]!))
      .leftJoin(builder.stream(textTopic(sides[1]!)), (left, right) => `${left}+${right}`, { within: joinWithin('4s', { grace: '1s' }) })
      .to(textTopic(output)),
    valueSerde: stringSerde,
    comparable: byPartition,
  }
}

function tables(name = `${prefix}-tables`): Case {
  const inputs = Array.from({ length: 300 }, (_, index): Input => {
    const timestamp = start + index
    if (below(3) === 0) return { topic: `${name}-customers`, key: pick(users), value: below(6) === 0 ? null : stringSerde.serialize(`name${index}`), timestamp }
    return { topic: `${name}-orders`, key: `o${below(40)}`, value: below(8) === 0 ? null : stringSerde.serialize(`${pick(users)}:${index}`), timestamp }
  })
  return {
    name,
    inputTopics: [`${name}-orders`, `${name}-customers`],
    inputs,
    build: (builder, output) => builder.table(textTopic(`${name}-orders`))
      .joinOn(builder.table(textTopic(`${name}-customers`)), (order) => order.split(':')[0]!, (order, customer) => `${order} by ${customer}`)
      .toStream().to(textTopic(output)),
    valueSerde: stringSerde,
    // Each side is answered through topics of its own, so which changes are seen in between is open; the table in the end is not.
    comparable: (outputs) => new Map([...byKey(outputs)].flatMap(([key, all]) => {
      const { partition, value } = all.at(-1)!
      return value === null ? [] : [[key, { partition, value }] as const]
    }).sort(([a], [b]) => (a < b ? -1 : 1))),
  }
}

function byPartition(outputs: readonly Output[]): ReadonlyMap<number, readonly Output[]> {
  return new Map(Array.from({ length: partitions }, (_, partition) => [partition, outputs.filter((output) => output.partition === partition)]))
}

function byKey<T extends { readonly key: string }>(outputs: readonly T[]): ReadonlyMap<string, readonly T[]> {
  const keys = [...new Set(outputs.map(({ key }) => key))].sort()
  return new Map(keys.map((key) => [key, outputs.filter((output) => output.key === key)]))
}

// ------------------------------------------------------------------------------------------------ both runs

const cases = [words(), windows(), streams(), tables()]

await describeWith('kafka', `a program of Kafka Streams and the same one here (seed ${seed})`, ({ bootstrapServers }) => {
  let broker: Broker
  beforeAll(async () => {
    if (!hasKafkaTools()) return
    broker = await openKafkaBroker({ brokers: bootstrapServers.split(',') })
    const topics = cases.flatMap(({ name, inputTopics }) => [...inputTopics, `${name}-java`, `${name}-millrace`])
    await broker.topics.create(topics.map((name) => ({ topic: name, partitions, configs: { 'retention.ms': '-1' } })))
    const producer = await broker.openProducer()
    for (const { inputs } of cases) for (const input of inputs) void producer.append({ ...input, key: stringSerde.serialize(input.key) })
    await producer.flush()
    await producer.close()
    await Promise.all([runKafkaStreams([bootstrapServers, prefix, ...cases.map(({ name }) => name.slice(prefix.length + 1))]), ...cases.map(runHere)])
  }, 600_000)
  afterAll(() => broker?.close())

  const runHere = async ({ name, build }: Case) => {
    const builder = new StreamsBuilder()
    build(builder, `${name}-millrace`)
    const app = new StreamsApp(builder.build(), { applicationId: `${name}-millrace-app`, broker, cacheMaxBytes: 0, windowChangelogRetention: '3650d' })
    await app.start()
    await app.caughtUp()
    await app.close()
  }

  // Where the brokers are somebody else's, there may be no Java to run its programs with.
  it.skipIf(!hasKafkaTools()).each(cases)('write the same records: $name', async ({ name, comparable, valueSerde }) => {
    const java = await outputsOf(broker, `${name}-java`, valueSerde)
    const here = await outputsOf(broker, `${name}-millrace`, valueSerde)
    expect(here.length).toBeGreaterThan(20)
    expect(comparable(here)).toEqual(comparable(java))
  })
})

async function outputsOf(broker: Broker, name: string, valueSerde: Serde<string> | Serde<number>): Promise<readonly Output[]> {
  const targets = Array.from({ length: partitions }, (_, partition) => ({ topic: name, partition }))
  const ends = await broker.topics.listOffsets(targets.map((target) => ({ ...target, at: 'latest' as const })))
  const reader = await broker.openReader()
  reader.assign(targets.map((target) => ({ ...target, offset: 0 })))
  const outputs: Output[] = []
  while (reader.positions().some(({ partition, offset }) => offset < ends[partition]!.offset)) {
    for (const { partition, batches } of (await reader.read({ maxWaitMs: 500 })).partitions) {
      for (const batch of batches) {
        for (const { key, value, timestamp } of batch) {
          outputs.push({ partition, key: stringSerde.deserialize(key!), value: value === null ? null : valueSerde.deserialize(value), timestamp })
        }
      }
    }
  }
  await reader.close()
  return outputs
}
