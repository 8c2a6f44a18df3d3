import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { openEmbeddedBroker, sleep, systemClock } from '../../../src/core/index.ts'
import type { Broker, StreamError } from '../../../src/core/index.ts'
import { StreamsApp } from '../../../src/streams/index.ts'
import type { StreamsConfig, StreamsState } from '../../../src/streams/index.ts'
import { createTopics, readAll, write } from '../../kit/streams-harness.ts'
import countWords from './fixtures/count-words.mjs'

/** Node 20 cannot run TypeScript in a thread: the built file is what runs there. */
const threadWorker = new URL('../../../dist/src/streams/threads/thread-worker.js', import.meta.url)
const topologyModule = new URL('./fixtures/count-words.mjs', import.meta.url)

let directory: string
let broker: Broker
let apps: StreamsApp[]

beforeEach(async () => {
  if (!existsSync(fileURLToPath(threadWorker))) throw new Error('build first: npm run build')
  directory = mkdtempSync(join(tmpdir(), 'millrace-threads-'))
  process.env['MILLRACE_TEST_MARKER'] = join(directory, 'died')
  broker = await openEmbeddedBroker({ directory: join(directory, 'log') })
  apps = []
  await createTopics(broker, { words: 4, counts: 1 })
})

afterEach(async () => {
  await Promise.allSettled(apps.map((app) => app.close()))
  await broker.close()
  rmSync(directory, { recursive: true, force: true })
})

function appOf(options: Partial<StreamsConfig> = {}): StreamsApp {
  const app = new StreamsApp(countWords, { applicationId: 'app', broker, cacheMaxBytes: 0, commitInterval: 20, threads: 2, topologyModule, threadWorker, ...options })
  apps.push(app)
  return app
}

/** Threads start slowly where many processes share a core. */
const patienceMs = 90_000

async function eventually(attempt: () => void | Promise<void>): Promise<void> {
  const deadline = systemClock.monotonic() + patienceMs
  for (;;) {
    try {
      return await attempt()
    } catch (error) {
      if (systemClock.monotonic() > deadline) throw error
      await sleep(systemClock, 50)
    }
  }
}

const writeWords = (words: readonly string[]) => write(broker, 'words', words.map((value, index) => ({ key: `line ${index}`, value })))
const manyWords = Array.from({ length: 400 }, (_, index) => `word ${index % 40}`)
/** Every update of every word, in order. */
async function updates(): Promise<ReadonlyMap<string, readonly string[]>> {
  const byWord = new Map<string, string[]>()
  for (const { key, value } of await readAll(broker, 'counts')) byWord.set(key!, [...(byWord.get(key!) ?? []), value!])
  return byWord
}
const tasksOf = (app: StreamsApp) => Object.fromEntries(app.metricValues().filter(({ name }) => name === 'task-count').map(({ tags, value }) => [tags['thread-id'], value]))
const oneTo = (last: number) => Array.from({ length: last }, (_, index) => String(index + 1))
const expectCounts = async (each: number) => {
  const found = await updates()
  const words = [...found.keys()].filter((word) => word.startsWith('word '))
  expect(words).toHaveLength(40)
  for (const word of words) expect(found.get(word)).toEqual(oneTo(each))
}

/** Several turns of each thread's loop. */
async function aWhile(app: StreamsApp): Promise<void> {
  const turns = () => app.metricValues().filter(({ name }) => name === 'poll-total').map(({ value }) => value)
  const before = turns()
  await eventually(() => expect(turns().every((count, index) => count > before[index]! + 3)).toBe(true))
}

describe('an application with several threads', { timeout: 180_000 }, () => {
  it('gives each a share of the tasks, and counts as one thread does', async () => {
    await writeWords(manyWords)
    const app = appOf({ threads: 4, instanceId: 'one' })
    const states: StreamsState[] = []
    app.onStateChange((state) => states.push(state))
    await app.start()
    await app.caughtUp()
    await expectCounts(10)
    await eventually(() => {
      expect(app.metrics()).toMatchObject({ inputRecords: 400, processedRecords: 800 })
      expect(tasksOf(app)).toEqual(Object.fromEntries([1, 2, 3, 4].map((index) => [`app-one-StreamThread-${index}`, 2])))
      expect(app.metrics().tasks).toBe(8)
      expect(app.metricValues().find(({ name }) => name === 'alive-stream-threads')!.value).toBe(4)
    })
    await app.close()
    expect([...new Set(states)]).toEqual(['REBALANCING', 'RUNNING', 'PENDING_SHUTDOWN', 'NOT_RUNNING'])
    expect(app.metrics()).toMatchObject({ inputRecords: 400, tasks: 0 })
  })

  it('has caught up before a commit is due in any of them', async () => {
    await writeWords(manyWords)
    const app = appOf({ commitInterval: '1h' })
    await app.start()
    await app.caughtUp()
    await expectCounts(10)
  })

  it('has its stores at hand when it has caught up', async () => {
    for (let round = 0; round < 3; round++) {
      const app = appOf()
      await app.start()
      await app.caughtUp()
      expect(app.store('word-counts').get('nobody')).toBeNull()
      await app.close()
    }
  })

  it('pauses all of them, and those that come later', async () => {
    const app = appOf()
    app.pause()
    await writeWords(manyWords)
    await app.start()
    await app.addThread()
    await aWhile(app)
    expect(app.metrics()).toMatchObject({ inputRecords: 0 })
    expect(app.state).toBe('RUNNING')
    app.resume()
    await app.caughtUp()
    await expectCounts(10)
    app.pause()
    await writeWords(manyWords)
    await aWhile(app)
    await expectCounts(10)
    app.resume()
    await app.caughtUp()
    await expectCounts(20)
  })

  it('ends with what onFailure throws, and with what onRestore throws', async () => {
    await writeWords(manyWords)
    const first = appOf({ onFailure: () => { throw new Error('cannot decide') } })
    await first.start()
    await first.caughtUp()
    await writeWords(['throw!always'])
    await expect(first.finished()).rejects.toThrow('cannot decide')
    const second = appOf({ onRestore: () => { throw new Error('cannot listen') } })
    await second.start().catch(() => undefined)
    await expect(second.finished()).rejects.toThrow('cannot listen')
    await eventually(async () => expect((await broker.groups.describe('app')).members).toEqual([]))
  })

  it('answers questions about stores of all its threads', async () => {
    await writeWords(manyWords)
    const app = appOf()
    await app.start()
    await app.caughtUp()
    const store = app.store<string, number>('word-counts')
    await eventually(() => expect(store.count()).toBe(40))
    expect(store.get('word 7')).toBe(10)
    expect(store.get('no such word')).toBeNull()
    const stale = app.store<string, number>('word-counts', 'key-value', { stale: true })
    expect([stale.get('word 7'), stale.count()]).toEqual([10, 40])
    expect(store.count()).toBe(40)
    expect([...store.all()].map(({ key }) => key).sort()).toEqual([...new Set(manyWords)].sort())
    expect([...store.range('word 30', 'word 39')].map(({ value }) => value)).toEqual(Array(10).fill(10))
    expect(app.store<string, number>('word-counts', 'timestamped-key-value').get('word 7')).toMatchObject({ value: 10, timestamp: expect.any(Number) as number })
    await eventually(() => expect(app.storeMetadata()).toMatchObject([{ name: 'word-counts', partitions: [0, 1, 2, 3], lagRecords: 0 }]))
    expect(await app.keyMetadata('word-counts', 'word 7')).toMatchObject({ isLocal: true })
    await app.close()
    expect(() => store.get('word 7')).toThrow(expect.objectContaining({ code: 'STORE_NOT_AVAILABLE' }) as Error)
  })

  it('loads first, in each thread, what Node was told to load, so that a tracer that is registered there sees the commits', async () => {
    const preload = ['--import', new URL('./fixtures/trace-worker.mjs', import.meta.url).href]
    process.execArgv.push(...preload)
    try {
      await writeWords(manyWords)
      const app = appOf()
      await app.start()
      await app.caughtUp()
      await app.close()
    } finally {
      process.execArgv.splice(-preload.length)
    }
    expect(new Set(readFileSync(join(directory, 'died.spans'), 'utf8').trim().split('\n'))).toEqual(new Set(['process app', 'commit app']))
  })

  it('reads a store of many rows page by page, and ends an iteration that is left', async () => {
    const words = Array.from({ length: 3_000 }, (_, index) => `w${String(index).padStart(5, '0')}`)
    await writeWords(words)
    const app = appOf()
    await app.start()
    await app.caughtUp()
    const store = app.store<string, number>('word-counts')
    await eventually(() => expect(store.count()).toBe(words.length))
    expect([...store.all()].map(({ key }) => key).sort()).toEqual(words)
    for (let round = 0; round < 100; round++) for (const row of store.all()) if (row.value > 0) break
    expect([...store.all()]).toHaveLength(3_000)
  })

  it.each(['in memory', 'on disk'])('gains and loses threads while it runs, with stores %s', async (where) => {
    const app = appOf({ ...(where === 'on disk' && { stateDirectory: join(directory, 'state') }) })
    await app.start()
    expect(await app.addThread()).toMatch(/^app-.*-StreamThread-3$/)
    await writeWords(manyWords)
    expect(await app.removeThread()).toMatch(/-StreamThread-3$/)
    await app.caughtUp()
    await expectCounts(10)
    expect(await app.removeThread()).toMatch(/-StreamThread-2$/)
    await writeWords(manyWords)
    await app.caughtUp()
    await expectCounts(20)
    expect(app.metrics()).toMatchObject({ inputRecords: 800 })
    await eventually(() => expect([app.metrics().tasks, app.state]).toEqual([8, 'RUNNING']))
  })
})

describe('a thread that fails', { timeout: 180_000 }, () => {
  it.each(['exit', 'uncaught', 'memory'])('is replaced when it dies (%s), and nothing is lost or counted twice', async (death) => {
    const failures: StreamError[] = []
    const app = appOf({ maxThreadMemoryMiB: 64, onFailure: (failure) => { failures.push(failure); return 'replace' } })
    await app.start()
    await writeWords([...manyWords.slice(0, 200), `${death}!once`, ...manyWords.slice(200)])
    await app.caughtUp()
    await expectCounts(10)
    await eventually(() => expect([failures.map(({ code }) => code), app.state]).toEqual([['THREAD_DIED'], 'RUNNING']))
    expect(app.metricValues().find(({ name }) => name === 'failed-stream-threads')!.value).toBe(1)
  })

  it('goes on from its last commit when a function threw and the application says so', async () => {
    const failures: StreamError[] = []
    const app = appOf({ onFailure: (failure) => { failures.push(failure); return 'replace' } })
    await app.start()
    await writeWords([...manyWords, 'throw!once'])
    await app.caughtUp()
    await expectCounts(10)
    expect(failures).toMatchObject([{ code: 'PROCESSING_FAILED', message: expect.stringContaining('on purpose') as string, details: { topic: 'words' } }])
  })

  it('ends all threads of the application, unless it says otherwise', async () => {
    const app = appOf()
    await app.start()
    await writeWords(['throw!always'])
    await expect(app.finished()).rejects.toMatchObject({ code: 'PROCESSING_FAILED', message: expect.stringContaining("onProcessingError: 'dead-letter'") as string })
    expect(app.state).toBe('ERROR')
    expect((await broker.groups.describe('app')).members).toEqual([])
  })

  it('says what is wrong with a module that is not the application\'s topology', async () => {
    const missing = appOf({ topologyModule: new URL('./fixtures/no-such-module.mjs', import.meta.url) })
    await expect(missing.start()).rejects.toMatchObject({ code: 'TOPOLOGY_INVALID', message: expect.stringMatching(/no-such-module.mjs cannot be loaded/) as string })
    const other = appOf({ topologyModule: new URL('./fixtures/another-topology.mjs', import.meta.url) })
    await expect(other.start()).rejects.toMatchObject({ code: 'TOPOLOGY_INVALID', message: expect.stringMatching(/exports another topology/) as string })
    expect(other.state).toBe('ERROR')
  })
})

it('more threads than one need a module to load', () => {
  expect(() => new StreamsApp(countWords, { applicationId: 'app', broker, threads: 2 })).toThrow(/threads is 2, and worker threads load the topology themselves/)
})

it('the tasks of an application with threads go to another instance when it stops', { timeout: 180_000 }, async () => {
  const [first, second] = [appOf(), appOf()]
  await first.start()
  await second.start()
  await eventually(async () => expect([first.metrics().tasks, second.metrics().tasks]).toEqual([4, 4]))
  await writeWords(manyWords)
  await first.close()
  await second.caughtUp()
  await expectCounts(10)
  await eventually(() => expect(second.metrics().tasks).toBe(8))
})

describe('an application that is to end everywhere', { timeout: 180_000 }, () => {
  it.each(['throw', 'exit'])('ends all its instances and threads when one fails (%s)', async (death) => {
    const failing = appOf({ onFailure: () => 'shutdown-application' })
    const others = [appOf({ onFailure: () => 'shutdown-application' }), appOf({ threads: 1, onFailure: () => 'shutdown-application' })]
    // Words that end a process must not be read by the thread of the test.
    await Promise.all([failing, others[0]!].map((app) => app.start()))
    if (death === 'throw') await others[1]!.start()
    await writeWords([`${death}!once`])
    const started = death === 'throw' ? [failing, ...others] : [failing, others[0]!]
    const failures = await Promise.all(started.map((app) => app.finished().then(() => null, (error: unknown) => error as StreamError)))
    const codes = failures.map((failure) => failure?.code ?? 'none').toSorted((a, b) => (a < b ? -1 : 1))
    expect(codes.filter((code) => code !== 'SHUTDOWN_REQUESTED')).toEqual([death === 'throw' ? 'PROCESSING_FAILED' : 'THREAD_DIED'])
    expect(started.map(({ state }) => state)).toEqual(started.map(() => 'ERROR'))
    expect((await broker.groups.describe('app')).members).toEqual([])
  })
})
