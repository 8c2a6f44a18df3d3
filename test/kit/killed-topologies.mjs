/** What test/faults/killed-topologies.test.ts kills, and lets come to its end: a windowed count and a join. */
import { longSerde, stringSerde } from 'millrace'
import { joinWithin, StreamsBuilder, topic, tumbling } from 'millrace/streams'

const text = { key: stringSerde, value: stringSerde }

export const topics = ['hits', 'left', 'right', 'counts', 'pairs']

/** Record `index` of an input topic: what was stored says what comes next. */
export function recordOf(name, index, baseMs) {
  const key = name === 'hits' ? `key ${index % 7}` : `key ${index}`
  return { topic: name, partition: 0, key: stringSerde.serialize(key), value: stringSerde.serialize(`${name} ${index}`), timestamp: baseMs + index * 10 }
}

/** Every update of every window is written. */
export function windowedCount() {
  const builder = new StreamsBuilder()
  builder.stream(topic('hits', text)).groupByKey().windowedBy(tumbling('1s', { grace: '1h' })).count({ store: 'per-second' })
    .toStream().map((count, { key, start }) => [`${key}@${start}`, count]).to(topic('counts', { key: stringSerde, value: longSerde }))
  return builder.build()
}

export function join() {
  const builder = new StreamsBuilder()
  builder.stream(topic('left', text)).join(builder.stream(topic('right', text)), (left, right) => `${left}+${right}`, { within: joinWithin('10s', { grace: '1h' }) })
    .to(topic('pairs', text))
  return builder.build()
}
