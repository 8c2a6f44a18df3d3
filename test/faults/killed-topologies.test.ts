import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join as joinPaths } from 'node:path'
import { createInterface } from 'node:readline'
import type { Readable } from 'node:stream'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { longSerde, openEmbeddedBroker, randomInteger, seededRandom, sleep, systemClock } from '../../src/core/index.ts'
import type { Broker, Random, RecordView } from '../../src/core/index.ts'
import { StreamsApp } from '../../src/streams/index.ts'
import type { Topology } from '../../src/streams/index.ts'
import { expectedOf, experimentOf, fill, writtenBy } from '../kit/streams-differential.ts'
import type { Experiment } from '../kit/streams-differential.ts'
import { readAll } from '../kit/streams-harness.ts'
import { topologyOf } from '../kit/streams-model-topology.ts'
import { join, topics, windowedCount } from '../kit/killed-topologies.mjs'

/** Processes that are killed, each with the count and the join. */
const kills = Number(process.env['MILLRACE_FAULT_KILLS'] ?? 300)
const programs = Number(process.env['MILLRACE_FAULT_ROUNDS'] ?? 12)
const killsOfPrograms = 4
const seed = Number(process.env['MILLRACE_FAULT_SEED'] ?? systemClock.now() % 1_000_000)
const script = fileURLToPath(new URL('./topologies-until-killed.mjs', import.meta.url))
/** So that none becomes long. */
const logs = 12
const processesAtOnce = 3
const longestLifeMs = 250
const longestStartMs = 150
const longestRunMs = 100
/** Young enough for every topic's retention. */
const baseMs = systemClock.now() - 3_600_000

let root: string
beforeEach(() => {
  root = mkdtempSync(joinPaths(tmpdir(), 'millrace-killed-'))
})
afterEach(() => rmSync(root, { recursive: true, force: true }))

describe('a process that is killed again and again', () => {
  it(`counts windows and joins streams as one that is not, over ${kills} kills (seed ${seed})`, async () => {
    const directories = Array.from({ length: Math.min(logs, kills) }, (_, index) => joinPaths(root, `app-${index}`))
    const killsOf = (index: number) => Math.floor((kills + index) / directories.length)
    await eachOf(directories, processesAtOnce, async (directory, index) => {
      const random = seededRandom(seed + index)
      await withBroker(directory, (broker) => broker.topics.create(topics.map((topic) => ({ topic, partitions: 1 }))))
      const last = killsOf(index) - 1
      for (let kill = 0; kill < last; kill++) await runOneUntilKilled(random, directory, randomInteger(random, 2) === 1)
      // On a slow machine all the others may have ended before anything was written.
      await runOneUntilKilled(random, directory, true)
      await withBroker(directory, async (broker) => {
        await runToEnd(broker, windowedCount(), 'count', 0)
        await runToEnd(broker, join(), 'join', 0)
        await expectEveryCountOnce(broker)
        await expectEveryPairOnce(broker)
      })
    })
  }, 1_200_000)

  it(`gives for ${programs} random programs, killed ${killsOfPrograms} times, what the test driver gives (seed ${seed})`, async () => {
    const random = seededRandom(seed)
    const experiments = Array.from({ length: programs }, (_, index) => experimentOf(seed + index, baseMs))
    const directoryOf = (experiment: Experiment) => joinPaths(root, `program-${experiment.seed}`)
    for (const experiment of experiments) await withBroker(directoryOf(experiment), (broker) => fill(broker, experiment, 4))
    for (let kill = 0; kill < killsOfPrograms; kill++) await runManyUntilKilled(random, experiments.map((experiment) => `${directoryOf(experiment)}=${experiment.seed}`))
    for (const experiment of experiments) {
      await withBroker(directoryOf(experiment), async (broker) => {
        await runToEnd(broker, topologyOf(experiment.program), 'app', 100_000)
        expect(await writtenBy(broker, experiment), `seed ${experiment.seed}: ${JSON.stringify(experiment.program)}`).toEqual(expectedOf(experiment))
      })
    }
  }, 600_000)
})

/** So many at once. */
async function eachOf<Item>(items: readonly Item[], atOnce: number, work: (item: Item, index: number) => Promise<void>): Promise<void> {
  const left = items.entries()
  const worker = async () => {
    for (const [index, item] of left) await work(item, index)
  }
  await Promise.all(Array.from({ length: atOnce }, worker))
}

async function withBroker(directory: string, use: (broker: Broker) => Promise<void>): Promise<void> {
  const broker = await openEmbeddedBroker({ directory })
  try {
    await use(broker)
  } finally {
    await broker.close()
  }
}

async function runToEnd(broker: Broker, topology: Topology, applicationId: string, cacheMaxBytes: number): Promise<void> {
  const app = new StreamsApp(topology, { applicationId, broker, cacheMaxBytes, commitInterval: 10 })
  await app.start()
  await app.caughtUp()
  await app.close()
}

/** Killed while it starts and restores, or while it runs. */
async function runOneUntilKilled(random: Random, place: string, runs: boolean): Promise<void> {
  await runUntilKilled(random, [place], runs ? 2 : 1, randomInteger(random, runs ? longestRunMs : longestStartMs))
}

/** Killed while none of their applications run, some, or all. */
async function runManyUntilKilled(random: Random, places: readonly string[]): Promise<void> {
  await runUntilKilled(random, places, randomInteger(random, places.length + 2), randomInteger(random, longestLifeMs))
}

/** Killed `lifeMs` after it wrote `lineCount` lines. */
async function runUntilKilled(random: Random, places: readonly string[], lineCount: number, lifeMs: number): Promise<void> {
  const child = spawn(process.execPath, [script, String(baseMs), String(randomInteger(random, 1_000_000)), ...places], { stdio: ['ignore', 'pipe', 'inherit'] })
  const ended = new Promise<NodeJS.Signals | null>((resolve) => child.once('exit', (_code, signal) => resolve(signal)))
  await Promise.race([linesOf(child.stdout, lineCount), ended])
  await sleep(systemClock, lifeMs)
  child.kill('SIGKILL')
  expect(await ended, 'it ran until it was killed').toBe('SIGKILL')
}

async function linesOf(output: Readable, count: number): Promise<void> {
  if (count === 0) return
  let seen = 0
  await new Promise<void>((resolve) => createInterface({ input: output }).on('line', () => void (++seen === count && resolve())))
}

/** Window by window 1, 2, 3 … up to what a plain count of the input gives. */
async function expectEveryCountOnce(broker: Broker): Promise<void> {
  const expected = new Map<string, number>()
  for (const { key, timestamp } of await readAll(broker, 'hits')) {
    const window = `${key}@${timestamp - (timestamp % 1_000)}`
    expected.set(window, (expected.get(window) ?? 0) + 1)
  }
  const found = new Map<string, number>()
  for (const { key, value } of await views(broker, 'counts')) {
    const window = Buffer.from(key!).toString()
    expect(longSerde.deserialize(value!), `${window} (seed ${seed})`).toBe((found.get(window) ?? 0) + 1)
    found.set(window, (found.get(window) ?? 0) + 1)
  }
  expect(expected.size).toBeGreaterThan(0)
  expect([...found].toSorted(byKey), `seed ${seed}`).toEqual([...expected].toSorted(byKey))
}

const byKey = ([a]: readonly [string, number], [b]: readonly [string, number]) => (a < b ? -1 : 1)

/** Each key is once on both sides. */
async function expectEveryPairOnce(broker: Broker): Promise<void> {
  const count = Math.min((await readAll(broker, 'left')).length, (await readAll(broker, 'right')).length)
  const found = (await readAll(broker, 'pairs')).map(({ value }) => value!)
  const numbers = found.map((value) => Number(value.split('+')[0]!.replace('left ', ''))).toSorted((a, b) => a - b)
  expect(count).toBeGreaterThan(0)
  expect(numbers, `seed ${seed}`).toEqual(Array.from({ length: count }, (_, index) => index))
}

/** Committed records of partition 0. */
async function views(broker: Broker, topic: string): Promise<readonly RecordView[]> {
  const reader = await broker.openReader()
  const [end] = await broker.topics.listOffsets([{ topic, partition: 0, at: 'latest' }], { isolation: 'read-committed' })
  reader.assign([{ topic, partition: 0, offset: 0 }])
  const found: RecordView[] = []
  for (let position = 0; position < end!.offset;) {
    const [records] = (await reader.read({ isolation: 'read-committed' })).partitions
    if (records === undefined) continue
    for (const batch of records.batches) found.push(...batch)
    position = records.nextOffset
  }
  await reader.close()
  return found
}
