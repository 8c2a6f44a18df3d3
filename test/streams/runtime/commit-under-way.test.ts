import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { StreamError, sleep, stringSerde, systemClock } from '../../../src/core/index.ts'
import type { Broker, Producer } from '../../../src/core/index.ts'
import { StreamsApp, StreamsBuilder, topic } from '../../../src/streams/index.ts'
import { CommitUnderWay } from '../../../src/streams/runtime/commit-under-way.ts'
import { createTopics, openMemoryBroker, readAll, write } from '../../kit/streams-harness.ts'
import { withMethods } from '../../kit/with-methods.ts'

describe('CommitUnderWay', () => {
  it('throws what a commit failed with once, to the first who asks', async () => {
    const commit = new CommitUnderWay()
    commit.begin(Promise.reject(new Error('refused')))
    expect(commit.isUnderWay).toBe(true)
    commit.check()
    await expect(commit.ended()).rejects.toThrow('refused')
    expect(commit.isUnderWay).toBe(false)
    await commit.ended()
  })

  it('forgets it for who undoes everything anyway', async () => {
    const commit = new CommitUnderWay()
    commit.begin(Promise.reject(new Error('refused')))
    await commit.settled()
    commit.check()
  })
})

/** A commit with offsets, held until the test lets it go on. */
interface HeldCommit {
  readonly commit: () => Promise<void>
  readonly end: (error?: Error) => void
}

const text = { key: stringSerde, value: stringSerde }
const lost = () => new StreamError('BACKEND_UNAVAILABLE', 'the coordinator does not answer', { retriable: true })

describe('records that come while a commit is on its way', () => {
  let broker: Broker
  let app: StreamsApp
  let held: HeldCommit[]
  let isHolding: boolean
  let seen: string[]
  let failsOn: string | null

  beforeEach(async () => {
    broker = await openMemoryBroker()
    await createTopics(broker, { in: 1, out: 1 })
    ;[held, isHolding, seen, failsOn] = [[], false, [], null]
    const builder = new StreamsBuilder()
    builder.stream(topic('in', text)).peek((value) => {
      seen.push(value)
      if (value === failsOn) throw new Error(`no ${value}`)
    }).groupByKey().count({ store: 'counts' }).toStream().mapValues(String).to(topic('out', text))
    app = new StreamsApp(builder.build(), { applicationId: 'app', broker: holding(broker), commitInterval: 5, cacheMaxBytes: 0, onFailure: () => (failsOn = null, 'replace') })
    await app.start()
    await app.caughtUp()
    isHolding = true
  })

  afterEach(async () => {
    isHolding = false
    for (const { end } of held) end()
    await app.close().catch(() => undefined)
    await broker.close()
  })

  /** Its transactional producers hold the commits of offsets. */
  function holding(inner: Broker): Broker {
    return withMethods(inner, {
      openProducer: async (options) => {
        const producer = await inner.openProducer(options)
        const commit: Producer['commit'] = (offsets) => {
          if (!isHolding || (offsets?.offsets.length ?? 0) === 0) return producer.commit(offsets)
          return new Promise((resolve, reject) => held.push({ commit: () => producer.commit(offsets), end: (error) => (error === undefined ? resolve() : reject(error)) }))
        }
        return options?.transactionalId === undefined ? producer : withMethods(producer, { commit })
      },
    })
  }

  async function until(isTrue: () => boolean): Promise<void> {
    while (!isTrue()) await sleep(systemClock, 2)
  }

  /** The first record is processed, and its commit is held; the second one is processed behind it. */
  async function processTwo(): Promise<HeldCommit> {
    await write(broker, 'in', [{ key: 'a', value: 'x' }])
    await until(() => held.length === 1)
    await write(broker, 'in', [{ key: 'a', value: 'y' }])
    await until(() => seen.includes('y'))
    expect(await outputs()).toEqual([])
    return held[0]!
  }

  const outputs = async () => (await readAll(broker, 'out')).map(({ value }) => value)

  it('are processed, and committed by the next one', async () => {
    const { commit, end } = await processTwo()
    await commit()
    end()
    await until(() => held.length === 2)
    expect(await outputs()).toEqual(['1'])
    await held[1]!.commit()
    held[1]!.end()
    await app.caughtUp()
    expect(await outputs()).toEqual(['1', '2'])
    expect(seen).toEqual(['x', 'y'])
  })

  it('are processed again, with those before them, when it is refused', async () => {
    const { end } = await processTwo()
    isHolding = false
    end(lost())
    await app.caughtUp()
    expect(await outputs()).toEqual(['1', '2'])
    expect(seen).toEqual(['x', 'y', 'x', 'y'])
  })

  it('are processed again, and those before them are not, when its answer is lost and it took effect', async () => {
    const { commit, end } = await processTwo()
    await commit()
    isHolding = false
    end(lost())
    await app.caughtUp()
    expect(await outputs()).toEqual(['1', '2'])
    expect(seen).toEqual(['x', 'y', 'y'])
  })

  it('are rolled back to it when one of them fails', async () => {
    failsOn = 'y'
    const { commit, end } = await processTwo()
    isHolding = false
    await commit()
    end()
    await app.caughtUp()
    expect(await outputs()).toEqual(['1', '2'])
    expect(seen).toEqual(['x', 'y', 'y'])
  })

  it('are committed before the application ends', async () => {
    const { commit, end } = await processTwo()
    isHolding = false
    const closed = app.close()
    await commit()
    end()
    await closed
    expect(await outputs()).toEqual(['1', '2'])
  })

  it('leave the store at its last commit when both are undone', async () => {
    const { end } = await processTwo()
    await write(broker, 'in', [{ key: 'b', value: 'z' }])
    isHolding = false
    end(lost())
    await app.caughtUp()
    expect(await outputs()).toEqual(['1', '2', '1'])
    const counted = await readAll(broker, 'app-counts-changelog')
    expect(counted.map(({ key }) => key)).toEqual(['a', 'a', 'b'])
  })
})
