import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { StreamError, stringSerde } from '../../../src/core/index.ts'
import type { Broker } from '../../../src/core/index.ts'
import { StreamsApp, StreamsBuilder, topic } from '../../../src/streams/index.ts'
import type { Topology } from '../../../src/streams/index.ts'
import { eventually } from '../../contract/contract-kit.ts'
import { createTopics, openMemoryBroker, readAll, write } from '../../kit/streams-harness.ts'
import { withMethods } from '../../kit/with-methods.ts'

const text = { key: stringSerde, value: stringSerde }

let broker: Broker
let app: StreamsApp
beforeEach(async () => {
  broker = await openMemoryBroker()
})
afterEach(async () => {
  await app.close().catch(() => undefined)
  await broker.close()
})

async function start(topology: Topology): Promise<void> {
  app = new StreamsApp(topology, { applicationId: 'app', broker, commitInterval: 5 })
  await app.start()
}

const valuesIn = async (name: string) => (await readAll(broker, name)).map(({ value }) => String(value)).sort((a, b) => (a < b ? -1 : 1))

describe('partitions that are added while an application runs', () => {
  it('are read too, where there is no state', async () => {
    await createTopics(broker, { in: 1, out: 1 })
    const builder = new StreamsBuilder()
    builder.stream(topic('in', text)).to(topic('out', text))
    await start(builder.build())
    await write(broker, 'in', [{ value: 'first', partition: 0 }])
    await broker.topics.alter('in', { partitions: 3 })
    await write(broker, 'in', [{ value: 'second', partition: 2 }, { value: 'third', partition: 1 }])
    await eventually(async () => expect(await valuesIn('out')).toEqual(['first', 'second', 'third']))
  })

  it('end it with an explanation, where its state would not fit any more', async () => {
    await createTopics(broker, { in: 1, out: 1 })
    const builder = new StreamsBuilder()
    builder.stream(topic('in', text)).groupByKey().count({ store: 'counts' }).toStream().mapValues(String).to(topic('out', text))
    await start(builder.build())
    await broker.topics.alter('in', { partitions: 2 })
    await expect(app.finished()).rejects.toMatchObject({
      code: 'TOPOLOGY_INVALID', message: expect.stringMatching(/app-counts-changelog has 1 partitions, but the program needs 2.*use a new application id/) as string,
    })
    expect(app.state).toBe('ERROR')
  })
})

describe('a topic that appears while an application runs', () => {
  it('is read too, where a pattern matches it', async () => {
    await createTopics(broker, { 'in-a': 1, 'other': 1, 'out': 1 })
    const builder = new StreamsBuilder()
    builder.streamMatching(/in-.*/, text).to(topic('out', text))
    await start(builder.build())
    await write(broker, 'in-a', [{ value: 'first' }])
    await createTopics(broker, { 'in-b': 2, 'not-in': 1 })
    await write(broker, 'in-b', [{ value: 'second', partition: 0 }, { value: 'third', partition: 1 }])
    await write(broker, 'not-in', [{ value: 'not this' }])
    await write(broker, 'in-a', [{ value: 'fourth' }])
    await eventually(async () => expect(await valuesIn('out')).toEqual(['first', 'fourth', 'second', 'third']))
    expect(app.state).toBe('RUNNING')
  }, 60_000)
})

describe('a processor whose close fails', () => {
  it('keeps the others from nothing: all are closed, and the member leaves', async () => {
    await createTopics(broker, { in: 2 })
    let closed = 0
    const builder = new StreamsBuilder()
    builder.stream(topic('in', text)).process(() => ({
      process: () => undefined,
      close: () => {
        closed++
        throw new Error('cannot close')
      },
    }))
    await start(builder.build())
    await app.caughtUp()
    await expect(app.close()).rejects.toThrow('cannot close')
    expect(closed).toBe(2)
    expect(app.state).toBe('ERROR')
    expect((await broker.groups.describe('app')).members).toEqual([])
  })
})

describe('an assignment that takes tasks away, and cannot be taken up at once', () => {
  it('is taken up by the next attempt: what is read until then is of no partition that went away', async () => {
    await createTopics(broker, { in: 2, out: 1 })
    const builder = new StreamsBuilder()
    builder.stream(topic('in', text)).to(topic('out', text))
    const topology = builder.build()
    let failures = 0
    const committed = async () => {
      failures++
      throw new StreamError('BACKEND_UNAVAILABLE', 'the coordinator of the group does not answer', { retriable: true })
    }
    const faulty = withMethods(broker, {
      joinGroup: async (options) => {
        const member = await broker.joinGroup(options)
        return withMethods(member, { committed: (asked) => (other !== null && failures < 2 ? committed() : member.committed(asked)) })
      },
    })
    let other: StreamsApp | null = null
    app = new StreamsApp(topology, { applicationId: 'app', broker: faulty, commitInterval: 5 })
    await app.start()
    await app.caughtUp()
    other = new StreamsApp(topology, { applicationId: 'app', broker, commitInterval: 5 })
    await other.start()
    await write(broker, 'in', [{ value: 'first', partition: 0 }, { value: 'second', partition: 1 }])
    await eventually(async () => expect(await valuesIn('out')).toEqual(['first', 'second']))
    expect(failures).toBe(2)
    expect([app.metrics().tasks, other.metrics().tasks]).toEqual([1, 1])
    await other.close()
  })
})

describe('close() while the group is moving', () => {
  it('ends well where the last commit is refused: what was not committed is for whoever goes on', async () => {
    await createTopics(broker, { in: 1, out: 1 })
    const builder = new StreamsBuilder()
    builder.stream(topic('in', text)).to(topic('out', text))
    let refuses = false
    const faulty = withMethods(broker, {
      openProducer: async (options) => {
        const producer = await broker.openProducer(options)
        const refused = async () => { throw new StreamError('ILLEGAL_GENERATION', 'the group has moved on') }
        return withMethods(producer, { commit: (offsets) => (refuses ? refused() : producer.commit(offsets)) })
      },
    })
    app = new StreamsApp(builder.build(), { applicationId: 'app', broker: faulty, commitInterval: '1h' })
    await app.start()
    refuses = true
    await write(broker, 'in', [{ value: 'first' }])
    await eventually(async () => expect(app.metrics().processedRecords).toBe(1))
    await app.close()
    expect(app.state).toBe('NOT_RUNNING')
    expect(await valuesIn('out')).toEqual([])
  })
})
