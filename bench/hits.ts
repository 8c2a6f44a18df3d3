/** Hits of a web site as JSON of about 70 bytes, and topologies over them in which every operator reads or makes an object. */
import { jsonSerde, longSerde, randomInteger, seededRandom, stringSerde } from '../src/core/index.ts'
import { StreamsBuilder, jsonWindowedSerde, joinWithin, topic, tumbling } from '../src/streams/index.ts'
import type { Stream, Topology } from '../src/streams/index.ts'
import { topicData } from './topic-data.ts'
import type { TopicData } from './topic-data.ts'

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

/** `keyOf` says the key of each hit by its number; `stepMs` is what passes between two of them. */
export function hitData(seed: number, count: number, keyOf: (index: number) => string, stepMs = everyMs): TopicData {
  const random = seededRandom(seed)
  const texts = Array.from({ length: count }, (_, index) => JSON.stringify({
    user: `user-${randomInteger(random, 1_000)}`, path: `/page/${randomInteger(random, 100)}`, ms: randomInteger(random, 1_000), at: startMs + index * stepMs,
  } satisfies Hit))
  return topicData(texts, keyOf, (index) => startMs + index * stepMs)
}

export function randomKeys(seed: number, keys: number): () => string {
  const random = seededRandom(seed)
  return () => `key-${randomInteger(random, keys)}`
}

export function built(make: (builder: StreamsBuilder) => void): Topology {
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
