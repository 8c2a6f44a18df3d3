import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { randomInteger, seededRandom, stringSerde, systemClock, sleep } from '../../src/core/index.ts'
import type { Broker } from '../../src/core/index.ts'
import { StreamsApp, StreamsBuilder, topic } from '../../src/streams/index.ts'
import type { StreamsConfig, Topology } from '../../src/streams/index.ts'
import type { AsyncCallback, AsyncOptions } from '../../src/streams/map-async.ts'
import { createTopics, openMemoryBroker, readAll, write } from '../kit/streams-harness.ts'

const texts = { key: stringSerde, value: stringSerde }

function program(callback: AsyncCallback<string, string, string>, options: AsyncOptions = {}): Topology {
  const builder = new StreamsBuilder()
  builder.stream(topic('in', texts)).mapAsync(callback, options).to(topic('out', texts))
  return builder.build()
}

let broker: Broker
const apps: StreamsApp[] = []

beforeEach(async () => {
  broker = await openMemoryBroker()
  await createTopics(broker, { in: 2, out: 2 })
})

afterEach(async () => {
  await Promise.allSettled(apps.splice(0).map((app) => app.close()))
  await broker.close()
})

function appOf(topology: Topology, options: Partial<StreamsConfig> = {}): StreamsApp {
  const app = new StreamsApp(topology, { applicationId: 'app', commitInterval: 5, broker, ...options })
  apps.push(app)
  return app
}

async function runToEnd(topology: Topology, options: Partial<StreamsConfig> = {}): Promise<void> {
  const app = appOf(topology, options)
  await app.start()
  await app.caughtUp()
  await app.close()
}

const numbered = (count: number) => Array.from({ length: count }, (_, index) => ({ key: `key-${index % 5}`, value: String(index) }))

/** Values by key, in the order of the topic. */
async function results(): Promise<Readonly<Record<string, readonly string[]>>> {
  const byKey: Record<string, string[]> = {}
  for (const { key, value } of await readAll(broker, 'out')) (byKey[key!] ??= []).push(value!)
  return byKey
}

function inOrder(count: number): Readonly<Record<string, readonly string[]>> {
  const byKey: Record<string, string[]> = {}
  for (const { key, value } of numbered(count)) (byKey[key] ??= []).push(value)
  return byKey
}

describe('mapAsync in an application', () => {
  it.each(['per-key', 'total'] as const)('gives every result once, in order (%s), although calls end in any order', async (order) => {
    await write(broker, 'in', numbered(300))
    const random = seededRandom(7)
    await runToEnd(program(async (value) => {
      await sleep(systemClock, randomInteger(random, 4))
      return value
    }, { order, maxInFlight: 16 }))
    expect(await results()).toEqual(inOrder(300))
  })

  it('never has more calls under way than it may', async () => {
    await write(broker, 'in', numbered(60))
    let underWay = 0
    let most = 0
    await runToEnd(program(async (value) => {
      most = Math.max(most, ++underWay)
      await sleep(systemClock, 1)
      underWay--
      return value
    }, { maxInFlight: 4 }))
    // Two tasks, one for each partition.
    expect(most).toBeLessThanOrEqual(8)
    expect(await results()).toEqual(inOrder(60))
  })

  it('makes calls again after a failure, and every result is there once', async () => {
    await write(broker, 'in', numbered(100))
    let failuresLeft = 3
    const made: string[] = []
    await runToEnd(program(async (value) => {
      made.push(value)
      await sleep(systemClock, 1)
      if (value === '50' && failuresLeft-- > 0) throw new Error('not now')
      return value
    }), { onFailure: () => 'replace' })
    expect(made.filter((value) => value === '50').length).toBe(4)
    expect(await results()).toEqual(inOrder(100))
  })

  it('commits nothing of a call under way: an application that stops dead leaves it to the next one', async () => {
    await write(broker, 'in', numbered(10))
    const stuck = appOf(program((_value, _key, _record, signal) => new Promise((_resolve, reject) => {
      signal.addEventListener('abort', () => reject(new Error('stopped')))
    }), { timeout: '100ms' }), { onFailure: () => 'shutdown' })
    await stuck.start()
    await expect(stuck.finished()).rejects.toThrow('no result after 100 ms')
    expect(await results()).toEqual({})
    await runToEnd(program(async (value) => value))
    expect(await results()).toEqual(inOrder(10))
  })
})

it.each([0, -1, 1.5, Infinity, NaN])('mapAsync takes no %d for a number of calls, or of tries', (number) => {
  expect(() => program(async (value) => value, { maxInFlight: number })).toThrow(`mapAsync: maxInFlight must be a whole number of at least 1, not ${number}`)
  expect(() => program(async (value) => value, { retry: { maxAttempts: number } })).toThrow(`mapAsync: retry.maxAttempts must be a whole number of at least 1, not ${number}`)
})

it('refuses options that JavaScript misspells', () => {
  const build = (options: unknown) => () => program(async (value) => value, options as AsyncOptions)
  expect(build({ retry: { attempts: 3 } })).toThrow('mapAsync: retry.maxAttempts must be a whole number of at least 1, not undefined')
  expect(build({ order: 'perKey' })).toThrow(`mapAsync: order must be 'per-key' or 'total', not "perKey"`)
})
