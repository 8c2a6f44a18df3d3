import { describe, expect, it } from 'vitest'
import { stringSerde } from '../../../src/core/index.ts'
import { ExpiringByteStore } from '../../../src/streams/state/expiring-byte-store.ts'
import { inMemory } from '../../../src/streams/state/store-place.ts'
import type { Processor, ProcessorContext } from '../../../src/streams/processor.ts'
import { StreamsBuilder } from '../../../src/streams/streams-builder.ts'
import { keyValueStore } from '../../../src/streams/stores.ts'
import { TopologyTestDriver } from '../../../src/streams/testing/topology-test-driver.ts'
import { topic } from '../../../src/streams/topic.ts'
import { byteStoreContract } from '../../contract/byte-store-contract.ts'

const texts = { key: stringSerde, value: stringSerde }
const input = topic('in', texts)

describe('ExpiringByteStore', () => {
  byteStoreContract(() => new ExpiringByteStore(inMemory, { ttlMs: 1, now: () => 0 }), { runs: 60 })

  it('takes rows that came back by a rollback for as old as they were', () => {
    let now = 0
    const store = new ExpiringByteStore(inMemory, { ttlMs: 10, now: () => now })
    const [a, b] = [Uint8Array.of(1), Uint8Array.of(2)]
    store.put(a, a)
    store.commit()
    now = 100
    store.put(b, b)
    expect([store.get(a), store.count()]).toEqual([null, 1])
    store.rollback()
    expect([store.get(a), store.count()]).toEqual([a, 1])
    now = 9
    store.put(b, b)
    expect(store.count()).toBe(2)
    now = 10
    store.put(b, b)
    expect([...store.scan({})].map(({ key }) => key)).toEqual([b])
  })
})

describe('a table with a ttl', () => {
  const driverOf = () => {
    const builder = new StreamsBuilder()
    builder.stream(input).groupByKey().count({ store: 'counts', ttl: '10ms' })
    return new TopologyTestDriver(builder.build())
  }

  it('begins anew with a key that was not seen for so long, and forgets it without a change', () => {
    const driver = driverOf()
    const source = driver.inputTopic(input)
    source.pipeAll([{ key: 'a', value: 'x', timestamp: 0 }, { key: 'b', value: 'x', timestamp: 9 }, { key: 'b', value: 'x', timestamp: 10 }])
    const counts = driver.keyValueStore('counts')
    expect([counts.get('a'), counts.get('b')]).toEqual([null, 2])
    source.pipe({ key: 'a', value: 'x', timestamp: 11 })
    expect(counts.get('a')).toBe(1)
  })

  it('is after a restart as it was before', () => {
    const driver = driverOf()
    const source = driver.inputTopic(input)
    source.pipeAll([{ key: 'a', value: 'x', timestamp: 0 }, { key: 'b', value: 'x', timestamp: 5 }, { key: 'c', value: 'x', timestamp: 12 }])
    driver.restart()
    expect([...driver.keyValueStore('counts').all()]).toEqual([{ key: 'b', value: 1 }, { key: 'c', value: 1 }])
  })
})

describe('a store of a processor with a ttl', () => {
  it('forgets rows that were not put for so long', () => {
    const store = keyValueStore('seen', { ...texts, ttl: '1s' })
    const builder = new StreamsBuilder()
    builder.stream(input).processValues((): Processor<string, string> => {
      let context: ProcessorContext<string, string>
      return {
        init(given) { context = given },
        process(record) {
          const seen = context.store(store)
          context.forward(record.withValue(`${seen.get(record.key) === null ? 'first' : 'again'} ${record.value}`))
          seen.put(record.key, record.value)
        },
      }
    }, { stores: [store] }).to(topic('out', texts))
    const driver = new TopologyTestDriver(builder.build())
    driver.inputTopic(input).pipeAll([{ key: 'k', value: 'a', timestamp: 0 }, { key: 'k', value: 'b', timestamp: 999 }, { key: 'other', value: 'c', timestamp: 2500 }, { key: 'k', value: 'd', timestamp: 2501 }])
    expect(driver.outputTopic(topic('out', texts)).readValues()).toEqual(['first a', 'again b', 'first c', 'first d'])
  })

  it('refuses a ttl of nothing', () => {
    expect(() => keyValueStore('seen', { ...texts, ttl: 0 })).toThrow('longer than 0')
  })
})
