import { describe, expect, it } from 'vitest'
import { stringSerde } from '../../src/core/index.ts'
import { TopologyBuilder, keyValueStore, topic } from '../../src/streams/index.ts'

const text = { key: stringSerde, value: stringSerde }
const of = (name: string) => topic(name, text)
const store = keyValueStore('rows', text)
const drops = () => ({ process: () => undefined })
const begun = () => new TopologyBuilder().addSource('in', of('in'))

/** What Kafka Streams refuses, too. */
const refused: Readonly<Record<string, readonly [RegExp, () => unknown]>> = {
  'a source without topics': [/source s has no topics/, () => new TopologyBuilder().addSource('s', [])],
  'a source that names a topic twice': [/names the topic a twice/, () => new TopologyBuilder().addSource('s', [of('a'), of('a')])],
  'a processor without parents': [/p has no parents/, () => begun().addProcessor('p', drops, { parents: [] })],
  'a sink without parents': [/out has no parents/, () => begun().addSink('out', of('out'), { parents: [] })],
  'a source that is to use a store': [/connected with in, a source/, () => begun().addStateStore(store, 'in')],
  'a sink that is to use a store': [/connected with out, a sink/, () => begun().addSink('out', of('out'), { parents: ['in'] }).addStateStore(store).connect('out', 'rows')],
  'a connection with nothing': [/name the stores that p is to use/, () => begun().addProcessor('p', drops, { parents: ['in'] }).connect('p')],
}

describe('a node that contradicts the topology', () => {
  it.each(Object.entries(refused))('is refused at once: %s', (_what, [message, program]) => {
    expect(program).toThrow(message)
  })
})
