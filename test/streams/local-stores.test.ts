import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { longSerde, sleep, stringSerde, systemClock } from '../../src/core/index.ts'
import type { Broker } from '../../src/core/index.ts'
import { StreamsApp, StreamsBuilder, session, topic, tumbling } from '../../src/streams/index.ts'
import type { StreamsConfig } from '../../src/streams/index.ts'
import { createTopics, openMemoryBroker, write } from '../kit/streams-harness.ts'

const words = topic('words', { key: stringSerde, value: stringSerde })
const letters = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h']

let broker: Broker
const apps: StreamsApp[] = []

beforeEach(async () => {
  broker = await openMemoryBroker()
  await createTopics(broker, { words: 4, rates: 2 })
})
afterEach(async () => {
  await Promise.all(apps.splice(0).map((app) => app.close()))
  await broker.close()
})

function appOf(options: Partial<StreamsConfig> = {}): StreamsApp {
  const builder = new StreamsBuilder()
  const stream = builder.stream(words)
  stream.groupByKey().count({ store: 'counts' })
  stream.groupByKey().windowedBy(tumbling('1m')).count({ store: 'minutes', retention: '1d' })
  stream.groupByKey().windowedBy(session('1m')).count({ store: 'visits', retention: '1d' })
  stream.toTable({ store: 'versions', history: '1h' })
  builder.globalTable(topic('rates', { key: stringSerde, value: longSerde }), { store: 'rates' })
  const app = new StreamsApp(builder.build(), { applicationId: 'app', broker, ...options })
  apps.push(app)
  return app
}

describe('a store of a running application', () => {
  it('answers over all partitions, with the types it is asked for', async () => {
    await write(broker, 'words', [...letters, 'a'].map((key, index) => ({ key, value: `v${index}`, timestamp: 1_000 + index })))
    const app = appOf()
    await app.start()
    await app.caughtUp()
    const counts = app.store<string, number>('counts')
    expect(letters.map((letter) => counts.get(letter))).toEqual([2, 1, 1, 1, 1, 1, 1, 1])
    expect(counts.count()).toBe(8)
    expect([...counts.all()].map(({ key }) => key).sort()).toEqual(letters)
    expect([...counts.range('c', 'e')].map(({ key }) => key).sort()).toEqual(['c', 'd', 'e'])
    expect(app.store<string, number>('counts', 'timestamped-key-value').get('a')).toEqual({ value: 2, timestamp: 1_008 })
    expect(app.store<string, number>('minutes', 'window').fetchOne('b', 0)).toBe(1)
    expect([...app.store<string, number>('minutes', 'window').fetchAll(0, 0)]).toHaveLength(8)
    expect([...app.store<string, number>('visits', 'session').fetch('a')]).toEqual([{ key: { key: 'a', start: 1_000, end: 1_008 }, value: 2 }])
    expect(app.store<string, string>('versions', 'versioned').getAsOf('a', 1_005)?.value).toBe('v0')
  })

  it('follows what is processed', async () => {
    const app = appOf()
    await app.start()
    const counts = app.store<string, number>('counts')
    for (let round = 1; round <= 3; round++) {
      await write(broker, 'words', [{ key: 'a', value: 'x' }])
      await app.caughtUp()
      expect(counts.get('a')).toBe(round)
    }
  })

  it('answers only when it has what was asked for, and says how far it is', async () => {
    const app = appOf()
    await app.start()
    const position = () => app.storeMetadata().find(({ name }) => name === 'counts')!.position.filter(({ topic: name }) => name === 'words')
    await write(broker, 'words', [{ key: 'a', value: 'x', partition: 0 }])
    await app.caughtUp()
    const reached = position()
    expect(reached.find(({ partition }) => partition === 0)!.offset).toBeGreaterThanOrEqual(1)
    expect(app.store('counts', 'key-value', { atLeast: reached }).get('a')).toBe(1)
    const later = app.store('counts', 'key-value', { atLeast: [{ topic: 'words', partition: 0, offset: reached.find(({ partition }) => partition === 0)!.offset + 1 }] })
    expect(() => later.get('a')).toThrow(expect.objectContaining({ code: 'STORE_NOT_AVAILABLE', message: expect.stringMatching(/processed of words-0 up to offset \d+, and \d+ was asked for/) as string }))
    await write(broker, 'words', [{ key: 'a', value: 'y', partition: 0 }])
    await app.caughtUp()
    expect(later.get('a')).toBe(2)
  })

  it('is there in full, everywhere, when it is global', async () => {
    const app = appOf()
    const producer = await broker.openProducer()
    await producer.append({ topic: 'rates', key: stringSerde.serialize('EUR'), value: longSerde.serialize(7) })
    await producer.close()
    await app.start()
    expect(app.store('rates').get('EUR')).toBe(7)
    expect(await app.keyMetadata('rates', 'EUR')).toEqual({ partition: -1, isLocal: true, isMoving: false, endpoint: null, isStandby: false, standbyEndpoints: [] })
  })

  it('says what is wrong with the question', async () => {
    const app = appOf()
    expect(() => app.store('count')).toThrow(/no store count; did you mean counts\?/)
    expect(() => app.store('counts', 'window')).toThrow(/of type timestamped-key-value, which cannot be asked as window/)
    const counts = app.store('counts')
    expect(() => counts.get('a')).toThrow(expect.objectContaining({ code: 'STORE_NOT_AVAILABLE', message: expect.stringContaining('the application is CREATED') as string }))
    await app.start()
    await app.caughtUp()
    expect(counts.get('a')).toBeNull()
    await app.close()
    expect(() => counts.get('a')).toThrow(expect.objectContaining({ code: 'STORE_NOT_AVAILABLE', retriable: true }))
  })
})

describe('two instances of an application', () => {
  it('know which of them has a key, and where it can be asked', async () => {
    await write(broker, 'words', letters.map((key) => ({ key, value: key })))
    const [first, second] = [appOf({ endpoint: '10.0.0.1:80' }), appOf({ endpoint: '10.0.0.2:80' })] as const
    await first.start()
    await second.start()
    await Promise.all([first.caughtUp(), second.caughtUp()])
    const sharesOf = () => [first, second].map((app) => app.storeMetadata().find(({ name }) => name === 'counts')!.partitions)
    for (let tries = 0; tries < 1_000 && sharesOf().some((share) => share.length !== 2); tries++) await sleep(systemClock, 20)
    const shares = sharesOf()
    expect(shares.flat().sort((a, b) => a - b)).toEqual([0, 1, 2, 3])
    for (const letter of letters) {
      const metadata = await first.keyMetadata('counts', letter)
      expect(await second.keyMetadata('counts', letter)).toEqual({ ...metadata, isLocal: !metadata.isLocal })
      expect(metadata.endpoint).toBe(metadata.isLocal ? '10.0.0.1:80' : '10.0.0.2:80')
      const [owner, other] = metadata.isLocal ? [first, second] : [second, first]
      expect(owner.store('counts').get(letter)).toBe(1)
      expect(other.store('counts').get(letter)).toBeNull()
    }
  })

  it('is told of an address that is none', () => {
    expect(() => appOf({ endpoint: 'my host' })).toThrow(/endpoint is "my host", but must be an address/)
  })
})
