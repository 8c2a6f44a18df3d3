/** The records that topologies are measured with: hits of a web site as JSON of about 70 bytes, and what JSON.parse takes for them. */
import { RecordBatchBuilder, jsonSerde, longSerde, randomInteger, seededRandom, stringSerde } from '../src/core/index.ts'
import type { UnsealedBatch } from '../src/core/index.ts'
import { StreamsBuilder, jsonWindowedSerde, joinWithin, topic, tumbling } from '../src/streams/index.ts'
import type { Stream, Topology } from '../src/streams/index.ts'
import type { Calibration } from './harness.ts'

export interface Hit {
  readonly user: string
  readonly path: string
  readonly ms: number
  readonly at: number
}

export const startMs = Date.parse('2026-01-01T00:00:00Z')
/** Of event time between two hits. */
const everyMs = 3

export const hits = topic('hits', { key: stringSerde, value: jsonSerde<Hit>() })
export const others = topic('others', { key: stringSerde, value: jsonSerde<Hit>() })
export const users = topic('users', { key: stringSerde, value: jsonSerde<Hit>() })
export const paths = topic('paths', { key: stringSerde, value: stringSerde })
export const counts = topic('counts', { key: stringSerde, value: longSerde })
export const perMinute = topic('per-minute', { key: jsonWindowedSerde(), value: longSerde })

/** Values, and the batches that hold them in that order. */
export interface HitData {
  readonly texts: readonly string[]
  readonly batches: readonly UnsealedBatch[]
}

/** `keyOf` says the key of each hit by its number; `stepMs` is what passes between two of them. */
export function hitData(seed: number, count: number, keyOf: (index: number) => string, stepMs = everyMs): HitData {
  const random = seededRandom(seed)
  const texts = Array.from({ length: count }, (_, index) => JSON.stringify({
    user: `user-${randomInteger(random, 1_000)}`, path: `/page/${randomInteger(random, 100)}`, ms: randomInteger(random, 1_000), at: startMs + index * stepMs,
  } satisfies Hit))
  return { texts, batches: textBatches(texts, keyOf, stepMs) }
}

export function textBatches(texts: readonly string[], keyOf: (index: number) => string, stepMs: number): readonly UnsealedBatch[] {
  const builder = new RecordBatchBuilder({ maxBytes: 64 * 1024 })
  const batches: UnsealedBatch[] = []
  for (const [index, text] of texts.entries()) {
    const record = [stringSerde.serialize(keyOf(index)), stringSerde.serialize(text), startMs + index * stepMs] as const
    if (builder.add(...record)) continue
    batches.push(builder.build())
    builder.add(...record)
  }
  return [...batches, builder.build()]
}

export function randomKeys(seed: number, keys: number): () => string {
  const random = seededRandom(seed)
  return () => `key-${randomInteger(random, keys)}`
}

export function parseAll(...data: readonly HitData[]): Calibration {
  return {
    name: 'JSON.parse of the same values',
    run() {
      let sum = 0
      for (const { texts } of data) for (const text of texts) sum += (JSON.parse(text) as Hit).ms
      if (sum === 0) throw new Error('nothing was parsed')
    },
  }
}

function built(make: (builder: StreamsBuilder) => void): Topology {
  const builder = new StreamsBuilder()
  make(builder)
  return builder.build()
}

/** `count` operators in front of the sink: a third each of filters, new values and looks. */
export function stateless(count: number): Topology {
  return built((builder) => {
    let stream: Stream<string, Hit> = builder.stream(hits)
    for (let index = 0; index < count - 1; index++) {
      if (index % 3 === 0) stream = stream.filter((hit) => hit.ms >= index)
      else if (index % 3 === 1) stream = stream.mapValues((hit) => ({ ...hit, ms: hit.ms + 1 }))
      else stream = stream.peek((hit) => { if (hit.ms < 0) throw new Error('there is no such hit') })
    }
    stream.mapValues((hit) => hit.path).to(paths)
  })
}

export function countByKey(): Topology {
  return built((builder) => { builder.stream(hits).groupByKey().count({ store: 'counts' }).toStream().to(counts) })
}

export function windowedCount(): Topology {
  return built((builder) => {
    builder.stream(hits, { timestamp: (hit) => hit.at }).groupByKey().windowedBy(tumbling('1m')).count({ store: 'per-minute' }).toStream().to(perMinute)
  })
}

export function streamTableJoin(): Topology {
  return built((builder) => {
    const table = builder.table(users)
    builder.stream(hits).join(table, (hit, user) => `${hit.path} ${user.user}`).to(paths)
  })
}

export function tableTableJoin(): Topology {
  return built((builder) => {
    builder.table(hits).join(builder.table(others), (hit, other) => `${hit.path} ${other.path}`).toStream().to(paths)
  })
}

export function streamStreamJoin(): Topology {
  return built((builder) => {
    builder.stream(hits).join(builder.stream(others), (hit, other) => `${hit.path} ${other.path}`, { within: joinWithin('10s', { grace: '5s' }) }).to(paths)
  })
}

/** Each row asks for the row of one of 1,000 users. */
export function foreignKeyJoin(): Topology {
  return built((builder) => {
    builder.table(hits).joinOn(builder.table(users), (hit) => `key-${hit.user.slice('user-'.length)}`, (hit, user) => `${hit.path} ${user.user}`).toStream().to(paths)
  })
}
