/**
 * An application on the embedded log, and what a machine may do to it: a disk that is full for a while, power that fails and tears
 * what was not synced, a clock that is set, a second process. MILLRACE_FAULT_ROUNDS sizes the first two.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { longSerde, openEmbeddedBroker, randomInteger, seededRandom, stringSerde, systemClock } from '../../src/core/index.ts'
import type { Broker, Clock } from '../../src/core/index.ts'
import { StreamsApp, StreamsBuilder, topic, tumbling } from '../../src/streams/index.ts'
import type { StreamsConfig } from '../../src/streams/index.ts'
import { MemoryFileSystem } from '../kit/memory-file-system.ts'
import type { FileOperation } from '../kit/memory-file-system.ts'
import { createTopics, write } from '../kit/streams-harness.ts'

const rounds = Number(process.env['MILLRACE_FAULT_ROUNDS'] ?? 40)
const seed = Number(process.env['MILLRACE_FAULT_SEED'] ?? systemClock.now() % 1_000_000)
/** Early enough that none is more than an hour ahead of a clock that is set back two hours, however soon that is: the log refuses such records. */
const baseMs = systemClock.now() - 3_610_000
const records = Array.from({ length: 60 }, (_, index) => ({ key: `k${index % 5}`, value: 'x', timestamp: baseMs + index * 50 }))
const growing: ReadonlySet<FileOperation> = new Set(['create', 'write', 'make directory', 'rename', 'sync', 'sync directory'])
const mostLives = 60

function perSecond() {
  const builder = new StreamsBuilder()
  builder.stream(topic('hits', { key: stringSerde, value: stringSerde })).groupByKey().windowedBy(tumbling('1s', { grace: '1h' })).count()
    .toStream().map((count, { key, start }) => [`${key}@${start}`, count]).to(topic('counts', { key: stringSerde, value: longSerde }))
  return builder.build()
}

function appOn(broker: Broker, settings: Partial<StreamsConfig> = {}): StreamsApp {
  return new StreamsApp(perSecond(), { applicationId: 'app', broker, cacheMaxBytes: 0, commitInterval: 2, ...settings })
}

/** An application waits longer and longer for a disk that is full; here it need not. */
const hurried: Clock = { ...systemClock, setTimer: (delayMs, callback) => systemClock.setTimer(delayMs / 100, callback) }

/** To the end of its input, or until something fails. */
async function live(broker: Broker): Promise<void> {
  const app = appOn(broker, { clock: hurried })
  try {
    await app.start()
    await app.caughtUp()
  } finally {
    await app.close().catch(() => undefined)
  }
}

const openOn = (fileSystem: MemoryFileSystem, clock?: Clock) => openEmbeddedBroker({ directory: '/data', fileSystem, ...(clock && { clock }) })

/** A disk with the input on it. */
async function preparedDisk(): Promise<MemoryFileSystem> {
  const disk = new MemoryFileSystem()
  const broker = await openOn(disk)
  await createTopics(broker, { hits: 2, counts: 1 })
  await write(broker, 'hits', records)
  await broker.close()
  return disk
}

/** Window by window 1, 2, 3 … up to what a plain count gives. */
async function expectEveryCountOnce(broker: Broker, where: string): Promise<void> {
  const expected = new Map<string, number[]>()
  for (const { key, timestamp } of records) {
    const window = `${key}@${timestamp - (timestamp % 1_000)}`
    expected.set(window, [...(expected.get(window) ?? []), (expected.get(window)?.length ?? 0) + 1])
  }
  const found = new Map<string, number[]>()
  const reader = await broker.openReader()
  const [end] = await broker.topics.listOffsets([{ topic: 'counts', partition: 0, at: 'latest' }], { isolation: 'read-committed' })
  reader.assign([{ topic: 'counts', partition: 0, offset: 0 }])
  while (reader.positions()[0]!.offset < end!.offset) {
    for (const { batches } of (await reader.read({ isolation: 'read-committed' })).partitions) {
      for (const batch of batches) {
        for (const { key, value } of batch) {
          const window = stringSerde.deserialize(key!)
          found.set(window, [...(found.get(window) ?? []), Number(longSerde.deserialize(value!))])
        }
      }
    }
  }
  await reader.close()
  expect([...found].toSorted(byKey), where).toEqual([...expected].toSorted(byKey))
}

const byKey = ([a]: readonly [string, unknown], [b]: readonly [string, unknown]) => (a < b ? -1 : 1)

describe('an application on a disk that is full for a while', () => {
  it(`counts every record once, wherever in its work that begins (${rounds} places)`, async () => {
    const prepared = await preparedDisk()
    let refused = 0
    for (let round = 0; round < rounds; round++) {
      const from = round * 4
      let operations = 0
      const disk = prepared.kill({
        fault(operation) {
          if (!growing.has(operation)) return null
          const index = operations++
          if (index < from || index >= from + 20) return null
          refused++
          return 'ENOSPC'
        },
      })
      await liveUntilDone(() => openOn(disk), `full from operation ${from}`)
    }
    expect(refused).toBeGreaterThan(rounds)
  }, 300_000)
})

/** Starts again and again, as whoever looks after it would, until a life comes to its end. */
async function liveUntilDone(open: () => Promise<Broker>, where: string): Promise<void> {
  for (let lives = 0; ; lives++) {
    let broker: Broker | null = null
    try {
      broker = await open()
      await live(broker)
      await expectEveryCountOnce(broker, where)
      return
    } catch (error) {
      if (lives === mostLives || !(error instanceof Error) || error.name === 'AssertionError') throw error
    } finally {
      await broker?.close().catch(() => undefined)
    }
  }
}

describe('an application whose machine loses power', () => {
  it(`counts every record once, whatever the disk has forgotten or torn (${rounds} cuts, seed ${seed})`, async () => {
    const random = seededRandom(seed)
    let disk = await preparedDisk()
    let cuts = 0
    for (let round = 0; round < rounds; round++) {
      // From the beginning again now and then.
      if (round % 4 === 3) disk = await preparedDisk()
      let left = 5 + randomInteger(random, 120)
      let stopped: MemoryFileSystem | null = null
      const running: MemoryFileSystem = disk.kill({
        random,
        fault() {
          if (left-- > 0) return null
          stopped ??= running.crash({ random })
          return 'EIO'
        },
      })
      const broker = await openOn(running).catch(() => null)
      if (broker !== null) await live(broker).catch(() => undefined)
      await broker?.close().catch(() => undefined)
      if (stopped !== null) cuts++
      disk = stopped ?? running
      const after = disk.kill({ random })
      await liveUntilDone(() => openOn(after), `seed ${seed}, round ${round}`)
    }
    expect(cuts).toBeGreaterThan(rounds / 2)
  }, 300_000)
})

describe('an application whose machine has its clock set', () => {
  it.each([['ahead', 3_600_000], ['back', -7_200_000]])('goes on counting when that is an hour %s, and no window is lost', async (_direction, jumpMs) => {
    let offsetMs = 0
    const clock: Clock = { ...systemClock, now: () => systemClock.now() + offsetMs }
    const broker = await openOn(new MemoryFileSystem(), clock)
    await createTopics(broker, { hits: 2, counts: 1 })
    const app = appOn(broker, { clock })
    await app.start()
    for (let index = 0; index < records.length; index += 20) {
      await write(broker, 'hits', records.slice(index, index + 20))
      await app.caughtUp()
      offsetMs = index === 0 ? jumpMs : 0
    }
    await app.close()
    await expectEveryCountOnce(broker, 'after the jumps')
    await broker.close()
  })
})

describe('a second process on the directories of an application', () => {
  it('is told who has them, and the first one goes on', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'millrace-two-'))
    const program = fileURLToPath(new URL('./stores-until-killed.mjs', import.meta.url))
    try {
      const setUp = await openEmbeddedBroker({ directory: join(directory, 'log') })
      await createTopics(setUp, { words: 2, counted: 2 })
      await setUp.close()
      const child = spawn(process.execPath, [program, directory], { stdio: ['ignore', 'pipe', 'inherit'] })
      const ended = once(child, 'close')
      const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
      const committed = async () => {
        for (;;) {
          const { done, value } = await lines.next()
          if (done === true) throw new Error('the first process ended')
          if (value.startsWith('committed')) return Number(value.split(' ')[1])
        }
      }
      const before = await committed()
      await expect(openEmbeddedBroker({ directory: join(directory, 'log') })).rejects.toMatchObject({ code: 'DIRECTORY_LOCKED', message: expect.stringContaining(String(child.pid)) as string })
      const other = await openOn(await preparedDisk())
      const app = appOn(other, { applicationId: 'killed', stateDirectory: join(directory, 'stores') })
      await expect(app.start()).rejects.toMatchObject({ code: 'DIRECTORY_LOCKED', message: expect.stringContaining(String(child.pid)) as string })
      await other.close()
      expect(await committed()).toBeGreaterThan(before)
      child.kill('SIGKILL')
      expect(await ended).toEqual([null, 'SIGKILL'])
    } finally {
      rmSync(directory, { recursive: true, force: true })
    }
  }, 120_000)
})
