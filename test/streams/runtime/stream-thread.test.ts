import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { StreamError, stringSerde } from '../../../src/core/index.ts'
import type { Broker } from '../../../src/core/index.ts'
import { StreamsApp, StreamsBuilder, topic } from '../../../src/streams/index.ts'
import type { RestoreProgress, Stream, StreamsState, Topology } from '../../../src/streams/index.ts'
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

function appOf(topology: Topology, its: Broker = broker): StreamsApp {
  return new StreamsApp(topology, { applicationId: 'app', broker: its, commitInterval: 5 })
}

async function start(topology: Topology): Promise<void> {
  app = appOf(topology)
  await app.start()
}

function copying(): Topology {
  const builder = new StreamsBuilder()
  builder.stream(topic('in', text)).to(topic('out', text))
  return builder.build()
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

  it('is counted, where it is the first', async () => {
    await createTopics(broker, { out: 1 })
    await start(counting((stream) => stream))
    await createTopics(broker, { 'in-a': 2 })
    await write(broker, 'in-a', [{ key: 'x', value: 'x', partition: 1 }])
    await eventually(async () => expect(await valuesIn('out')).toEqual(['x 1']))
    expect((await broker.topics.describe(['app-counts-changelog']))[0]!.partitions).toHaveLength(2)
  }, 60_000)

  it('is counted by a new key in as many partitions, where it is the first', async () => {
    await createTopics(broker, { out: 1 })
    await start(counting((stream) => stream.selectKey((value) => value)))
    await createTopics(broker, { 'in-a': 3 })
    await write(broker, 'in-a', [{ key: 'k', value: 'x', partition: 2 }])
    await eventually(async () => expect(await valuesIn('out')).toEqual(['x 1']))
    const described = await broker.topics.describe(['app-counts-repartition', 'app-counts-changelog'])
    expect(described.map(({ partitions }) => partitions.length)).toEqual([3, 3])
  }, 60_000)

  it('is counted by a new key, in as many partitions', async () => {
    await createTopics(broker, { 'in-a': 3, 'out': 1 })
    await write(broker, 'in-a', [{ key: 'k', value: 'x', partition: 2 }])
    await start(counting((stream) => stream.selectKey((value) => value)))
    await eventually(async () => expect(await valuesIn('out')).toEqual(['x 1']))
    const described = await broker.topics.describe(['app-counts-repartition', 'app-counts-changelog'])
    expect(described.map(({ partitions }) => partitions.length)).toEqual([3, 3])
  })

  it('is waited for, where who divides the work does not know of it yet', async () => {
    await createTopics(broker, { 'in-a': 1, 'out': 1 })
    let stale = 0
    const faulty = withMethods(broker, {
      joinGroup: (options) => broker.joinGroup({
        ...options,
        assignors: options.assignors!.map((assignor) => (typeof assignor === 'string' ? assignor : withMethods(assignor, {
          assign(input) {
            if (!input.partitionCounts.has('in-b')) return assignor.assign(input)
            stale++
            return assignor.assign({ ...input, partitionCounts: new Map([...input.partitionCounts].filter(([name]) => name !== 'in-b')) })
          },
        }))),
      }),
    })
    app = appOf(counting((stream) => stream), faulty)
    await app.start()
    await createTopics(broker, { 'in-b': 1 })
    await eventually(async () => expect(stale).toBeGreaterThan(0))
    await write(broker, 'in-b', [{ key: 'x', value: 'x' }])
    await write(broker, 'in-a', [{ key: 'x', value: 'x' }])
    await eventually(async () => expect(await valuesIn('out')).toEqual(['x 1']))
    expect(app.state).toBe('RUNNING')
  }, 60_000)

  it('is asked for once more by a static member, whose coming back divides nothing anew on Kafka', async () => {
    await createTopics(broker, { 'in-a': 1, 'out': 1 })
    const rejoined: string[] = []
    const watched = withMethods(broker, {
      joinGroup: async (options) => {
        const member = await broker.joinGroup(options)
        return withMethods(member, { rejoin: () => (rejoined.push(options.topics!.join()), member.rejoin()) })
      },
    })
    app = new StreamsApp(counting((stream) => stream), { applicationId: 'app', broker: watched, commitInterval: 5, instanceId: 'one' })
    await app.start()
    await createTopics(broker, { 'in-b': 1 })
    await write(broker, 'in-b', [{ key: 'x', value: 'x' }])
    await eventually(async () => expect(await valuesIn('out')).toEqual(['x 1']))
    expect(rejoined).toEqual(['in-a,in-b'])
  }, 60_000)

  function counting(keyed: (stream: Stream<string, string>) => Stream<string, string>): Topology {
    const builder = new StreamsBuilder()
    keyed(builder.streamMatching(/in-.*/, text)).groupByKey().count({ store: 'counts' }).toStream().mapValues((count, key) => `${key} ${count}`).to(topic('out', text))
    return builder.build()
  }
})

describe('an application', () => {
  it('tells how it ended, also who asks while it starts', async () => {
    await createTopics(broker, { in: 1, out: 1 })
    app = appOf(copying())
    await expect(app.finished()).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' })
    const started = app.start()
    const finished = app.finished()
    await started
    await app.close()
    await finished
  })

  it.each(['REBALANCING', 'RUNNING', 'PENDING_SHUTDOWN', 'NOT_RUNNING'])('ends with what a listener throws that is told of %s: the others are told, and everything is closed', async (at) => {
    await createTopics(broker, { in: 1, out: 1 })
    app = appOf(copying())
    const states: StreamsState[] = []
    app.onStateChange((state) => {
      if (state === at) throw new Error('not today')
    })
    app.onStateChange((state) => states.push(state))
    const outcomes = await Promise.allSettled([app.start().then(() => app.caughtUp()).finally(() => app.close()), app.start().catch(() => app.finished())])
    expect(outcomes.map((outcome) => outcome.status === 'rejected' && String(outcome.reason))).toEqual(Array(2).fill('StreamError: the application failed: not today'))
    expect(states.slice(-2)).toEqual(['PENDING_ERROR', 'ERROR'])
    expect(states).toContain(at)
    expect((await broker.groups.describe('app')).members).toEqual([])
  })
})

describe('a global table that cannot be filled yet, because a transaction is open in its topic', () => {
  it('does not hold up close(), and nobody has joined the group', async () => {
    await createTopics(broker, { in: 1, names: 1, out: 1 })
    const producer = await broker.openProducer({ transactionalId: 'other' })
    producer.begin()
    await producer.append({ topic: 'names', key: stringSerde.serialize('a'), value: stringSerde.serialize('one') })
    const end = async () => (await broker.topics.listOffsets([{ topic: 'names', partition: 0, at: 'latest' }], { isolation: 'read-uncommitted' }))[0]!.offset
    await vi.waitFor(async () => expect(await end()).toBe(1))
    const builder = new StreamsBuilder()
    const names = builder.globalTable(topic('names', text))
    builder.stream(topic('in', text)).join(names, (word, name) => `${word} ${name}`, { on: (word) => word }).to(topic('out', text))
    let reads = 0
    const counting = withMethods(broker, {
      openReader: async (options) => {
        const reader = await broker.openReader(options)
        return withMethods(reader, { read: (asked) => { reads++; return reader.read(asked) } })
      },
    })
    app = appOf(builder.build(), counting)
    const started = app.start()
    await vi.waitFor(() => expect(reads).toBeGreaterThan(0))
    await app.close()
    await started
    expect(app.state).toBe('NOT_RUNNING')
    expect((await broker.groups.describe('app')).generation).toBe(-1)
    await producer.abort()
    await producer.close()
  })
})

describe('a topic that records name', () => {
  it('is looked for until the backend is back', async () => {
    await createTopics(broker, { in: 1 })
    let failures = 0
    const describeTopics = async () => {
      failures++
      throw new StreamError('TIMEOUT', 'no broker has answered in time')
    }
    const faulty = withMethods(broker, {
      topics: withMethods(broker.topics, { describe: (names) => (names.includes('named') && failures < 2 ? describeTopics() : broker.topics.describe(names)) }),
    })
    const builder = new StreamsBuilder()
    builder.stream(topic('in', text)).to(() => 'named', text)
    app = new StreamsApp(builder.build(), { applicationId: 'app', broker: faulty, commitInterval: 5 })
    await app.start()
    await createTopics(broker, { named: 1 })
    await write(broker, 'in', [{ value: 'first' }])
    await app.caughtUp()
    expect(await valuesIn('named')).toEqual(['first'])
    expect(failures).toBe(2)
  })
})

describe('a task whose stores are complete, and that could not begin at once because something failed', () => {
  it('reads nothing before it begins: it would be forgotten, and committed with what comes behind it', async () => {
    await createTopics(broker, { in: 2, out: 1 })
    const builder = new StreamsBuilder()
    builder.stream(topic('in', text)).groupByKey().count({ store: 'counts' }).toStream().mapValues(String).to(topic('out', text))
    const topology = builder.build()
    const writeBoth = () => write(broker, 'in', [0, 1].map((partition) => ({ key: `k${partition}`, value: 'x', partition })))
    await writeBoth()
    await start(topology)
    await app.caughtUp()
    await app.close()
    await writeBoth()
    let ends = 0
    const onRestore = ({ step }: RestoreProgress) => {
      if (step === 'end' && ++ends === 2) throw new Error('on purpose')
    }
    app = new StreamsApp(topology, { applicationId: 'app', broker, commitInterval: 5, onRestore, onFailure: () => 'replace' })
    await app.start()
    await app.caughtUp()
    await writeBoth()
    await app.caughtUp()
    expect(await valuesIn('out')).toEqual(['1', '1', '2', '2', '3', '3'])
  })
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

  it('keeps no other from being closed that goes to another instance with it', async () => {
    await createTopics(broker, { in: 4 })
    const open = new Set<string>()
    let fails = true
    const instance = (name: string) => {
      const builder = new StreamsBuilder()
      builder.stream(topic('in', text)).process(() => {
        let id = ''
        return {
          init: ({ taskId }) => void open.add((id = `${name} ${taskId}`)),
          process: () => undefined,
          close: () => {
            open.delete(id)
            if (fails) throw new Error('cannot close')
          },
        }
      })
      return new StreamsApp(builder.build(), { applicationId: 'app', broker, commitInterval: 5, onFailure: () => 'replace' })
    }
    app = instance('first')
    await app.start()
    const other = instance('second')
    await other.start()
    await eventually(async () => expect([app.state, app.metrics().tasks, other.metrics().tasks]).toEqual(['RUNNING', 2, 2]))
    fails = false
    expect([...open].filter((each) => each.startsWith('first'))).toHaveLength(2)
    await other.close()
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

describe('close() while the group waits for another member, which does not read', () => {
  const isWaiting = () => eventually(async () => expect((await broker.groups.describe('app')).state).toBe('preparing-rebalance'))

  /** An instance whose member stands still from `hold` to `release`. */
  function holding(topology: Topology) {
    let held: Promise<void> | null = null
    let release = () => {}
    const itsBroker = withMethods(broker, {
      joinGroup: async (options) => {
        const member = await broker.joinGroup(options)
        return withMethods(member, { read: (asked) => (held ?? Promise.resolve()).then(() => member.read(asked)) })
      },
    })
    const hold = () => { held = new Promise((resolve) => { release = resolve }) }
    return { hold, release: () => release(), instance: new StreamsApp(topology, { applicationId: 'app', broker: itsBroker, commitInterval: 5 }) }
  }

  it('ends a start, and leaves no member behind', async () => {
    await createTopics(broker, { in: 2, out: 1 })
    const { hold, release, instance } = holding(copying())
    await instance.start()
    hold()
    app = appOf(copying())
    const started = app.start()
    await isWaiting()
    await app.close()
    await started
    expect(app.state).toBe('NOT_RUNNING')
    expect((await broker.groups.describe('app')).members).toHaveLength(1)
    release()
    await instance.close()
  })

  it('ends a thread that joins again for a new topic', async () => {
    await createTopics(broker, { 'in-a': 1, 'in-b': 1, 'out': 1 })
    const builder = new StreamsBuilder()
    builder.streamMatching(/in-.*/, text).to(topic('out', text))
    const topology = builder.build()
    const { hold, release, instance } = holding(topology)
    await instance.start()
    app = appOf(topology)
    await app.start()
    await app.caughtUp()
    hold()
    await createTopics(broker, { 'in-c': 1 })
    await isWaiting()
    await eventually(async () => expect((await broker.groups.describe('app')).members).toHaveLength(2))
    await app.close()
    expect(app.state).toBe('NOT_RUNNING')
    expect((await broker.groups.describe('app')).members).toHaveLength(1)
    release()
    await instance.close()
  }, 60_000)
})
