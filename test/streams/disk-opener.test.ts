import { cpSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { randomInteger, seededRandom, stringSerde } from '../../src/core/index.ts'
import type { Broker, Random } from '../../src/core/index.ts'
import { StreamsApp, StreamsBuilder, joinWithin, jsonWindowedSerde, session, topic, tumbling } from '../../src/streams/index.ts'
import type { RestoreProgress, StreamsConfig, Topology } from '../../src/streams/index.ts'
import { createTopics, openMemoryBroker, readAll, write } from '../kit/streams-harness.ts'

const texts = { key: stringSerde, value: stringSerde }
const windowed = { key: jsonWindowedSerde(), value: stringSerde }

function program(): Topology {
  const builder = new StreamsBuilder()
  const grouped = builder.stream(topic('in', texts)).groupByKey()
  grouped.count({ store: 'counts' }).toStream().mapValues(String).to(topic('counts', texts))
  grouped.windowedBy(tumbling(1000)).count({ store: 'windows' }).toStream().mapValues(String).to(topic('windows', windowed))
  grouped.windowedBy(session(500)).count({ store: 'sessions' }).toStream().mapValues(String).to(topic('sessions', windowed))
  grouped.windowedBy(tumbling(1000)).count({ store: 'finals' }).suppress({ until: 'window-closes', name: 'closed' }).toStream().mapValues(String).to(topic('finals', windowed))
  grouped.windowedBy(tumbling(1000)).emit('on-window-close').count({ store: 'emitted' }).toStream().mapValues(String).to(topic('finals', windowed))
  const stream = builder.stream(topic('in', texts))
  const others = builder.stream(topic('others', texts))
  stream.outerJoin(others, (left: string | null, right: string | null) => `${left} ${right}`, { within: joinWithin(100, { grace: 200 }), name: 'pairs' }).to(topic('joined', texts))
  const versions = builder.table(topic('rows', texts), { store: 'versions', history: 400 })
  stream.join(versions, (value, row) => `${value} at ${row}`, { grace: 300, name: 'late' }).to(topic('joined', texts))
  return builder.build()
}

const topics = { in: 2, others: 2, rows: 2, counts: 1, windows: 1, sessions: 1, finals: 1, joined: 1 }

/** Of everything that the program reads, a part that is a little out of order. */
async function writeInput(broker: Broker, round: number): Promise<void> {
  await write(broker, 'in', records(100, round * 100))
  await write(broker, 'others', records(40, round * 100).map((record, index) => ({ ...record, key: `k${index % 5}`, value: `o${index}` })))
  await write(broker, 'rows', records(60, round * 100).map((record, index) => ({ ...record, value: `r${index}`, timestamp: record.timestamp + (index % 3) * 50 })))
}

let broker: Broker
let directory: string
const apps: StreamsApp[] = []

beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), 'millrace-state-'))
  broker = await openMemoryBroker()
  await createTopics(broker, topics)
})

afterEach(async () => {
  await Promise.allSettled(apps.splice(0).map((app) => app.close()))
  await broker.close()
  rmSync(directory, { recursive: true, force: true })
})

function appOf(options: Partial<StreamsConfig>): StreamsApp {
  const app = new StreamsApp(program(), { applicationId: 'app', cacheMaxBytes: 0, commitInterval: 5, broker, ...options })
  apps.push(app)
  return app
}

/** Records restored from the changelog of each store. */
async function runToEnd(options: Partial<StreamsConfig> = { stateDirectory: directory }): Promise<Readonly<Record<string, number>>> {
  const restored: Record<string, number> = {}
  const onRestore = ({ topic: changelog, startOffset, endOffset }: RestoreProgress) => {
    const [, store] = /^app-(.*)-changelog$/.exec(changelog)!
    restored[store!] = Math.max(restored[store!] ?? 0, endOffset - startOffset)
  }
  const app = appOf({ ...options, onRestore })
  await app.start()
  await app.caughtUp()
  await app.close()
  return restored
}

it('refuses a state directory that another instance has, until that is closed', async () => {
  const first = appOf({ stateDirectory: directory })
  await first.start()
  const second = appOf({ stateDirectory: directory })
  await expect(second.start()).rejects.toMatchObject({ code: 'DIRECTORY_LOCKED', message: expect.stringMatching(/\/app is in use by process \d+; stop it, or use another directory/) as string })
  await first.close()
  const third = appOf({ stateDirectory: directory })
  await third.start()
  await third.caughtUp()
})

const records = (count: number, from = 0) => Array.from({ length: count }, (_, index) => ({ key: `k${index % 7}`, value: 'v', timestamp: (from + index) * 40 }))

/** By topic and key: how the results of two tasks interleave says nothing. */
async function outputs(): Promise<unknown> {
  return Promise.all(['counts', 'windows', 'sessions', 'finals', 'joined'].map(async (name) => {
    const byKey: Record<string, unknown[]> = {}
    for (const { key, value, timestamp } of await readAll(broker, name)) (byKey[key ?? ''] ??= []).push([value, timestamp])
    return byKey
  }))
}

describe('an application with a state directory', { timeout: 120_000 }, () => {
  it('gives the same results as one in memory, over restarts', async () => {
    for (let round = 0; round < 3; round++) {
      await writeInput(broker, round)
      await runToEnd()
    }
    const onDisk = await outputs()
    const other = await openMemoryBroker()
    await createTopics(other, topics)
    for (let round = 0; round < 3; round++) {
      await writeInput(other, round)
      broker = other
      await runToEnd({})
    }
    expect(onDisk).toEqual(await outputs())
  })

  it('restores nothing that it has, after a clean stop', async () => {
    await writeInput(broker, 0)
    await writeInput(broker, 1)
    await runToEnd()
    const restored = await runToEnd()
    // A transaction ends with a marker, which is an offset without a record.
    expect(Math.max(...Object.values(restored))).toBeLessThanOrEqual(1)
  })

  it('is filled from the changelogs when the directory is gone, or has another log\'s state', async () => {
    await write(broker, 'in', records(50))
    await runToEnd()
    rmSync(directory, { recursive: true, force: true })
    await write(broker, 'in', records(7, 50))
    await runToEnd()
    const counts = new Map((await readAll(broker, 'counts')).map(({ key, value }) => [key, value]))
    expect([...counts.values()].map(Number).reduce((sum, count) => sum + count)).toBe(57)
  })

  it('keeps what was committed, and only that, when it dies between two commits', async () => {
    await write(broker, 'in', records(70))
    await runToEnd()
    await write(broker, 'in', [{ key: 'k1', value: 'v', timestamp: 5000 }, { key: 'bad', value: 'v', timestamp: 5001 }])
    const builder = new StreamsBuilder()
    builder.stream(topic('in', texts)).peek((_value, key) => {
      if (key === 'bad') throw new Error('dies')
    }).groupByKey().count({ store: 'counts' })
    const dying = new StreamsApp(builder.build(), { applicationId: 'app', cacheMaxBytes: 0, commitInterval: '10s', broker, stateDirectory: directory })
    apps.push(dying)
    await dying.start()
    await expect(dying.finished()).rejects.toThrow('dies')
    await runToEnd()
    const counts = new Map((await readAll(broker, 'counts')).map(({ key, value }) => [key, Number(value)]))
    expect(counts.get('k1')).toBe(11)
    expect(counts.get('bad')).toBe(1)
  })
})

/** The files as they are while the application runs, after it has committed everything. */
async function runAndCopy(stateDirectory: string, copies: readonly string[], settings: Partial<StreamsConfig> = {}): Promise<void> {
  const app = appOf({ stateDirectory, ...settings })
  await app.start()
  for (const [round, copy] of copies.entries()) {
    await writeInput(broker, round)
    await app.caughtUp()
    cpSync(stateDirectory, copy, { recursive: true, filter: (path) => !path.endsWith('.socket') })
  }
  await app.close()
}

/** What a power cut may leave of the files in `directory`: pages of them as they were in `before`. */
function tearPages(directory: string, before: string, random: Random): number {
  const pageBytes = 4096
  let torn = 0
  for (const name of readdirSync(directory, { recursive: true }) as string[]) {
    if (!name.endsWith('data.mdb')) continue
    const bytes = readFileSync(join(directory, name))
    const old = readFileSync(join(before, name))
    for (let at = 0; at < bytes.length; at += pageBytes) {
      if (randomInteger(random, 2) === 0) continue
      const page = Buffer.alloc(Math.min(pageBytes, bytes.length - at))
      old.subarray(at).copy(page)
      if (page.equals(bytes.subarray(at, at + page.length))) continue
      torn++
      page.copy(bytes, at)
    }
    writeFileSync(join(directory, name), bytes)
  }
  return torn
}

/** As if the machine had been started anew since. */
function restartMachine(directory: string): void {
  const file = join(directory, 'app', '.synced')
  writeFileSync(file, readFileSync(file, 'utf8').replace(/"bootId":"\w/, '"bootId":"-'))
}

describe('a state directory after a power cut', { timeout: 120_000 }, () => {
  const [first, second] = [() => join(directory, 'first'), () => join(directory, 'second')]

  it('is emptied and filled from the changelogs, since a part of what was written may be missing', async () => {
    await runAndCopy(join(directory, 'state'), [first(), second()])
    expect(tearPages(second(), first(), seededRandom(1))).toBeGreaterThan(10)
    restartMachine(second())
    await writeInput(broker, 2)
    const restored = await runToEnd({ stateDirectory: second() })
    expect(apps.at(-1)!.stateWasDiscarded).toBe(true)
    expect(restored['counts']).toBeGreaterThan(50)
    const counts = new Map((await readAll(broker, 'counts')).map(({ key, value }) => [key, Number(value)]))
    expect([...counts.values()].reduce((sum, count) => sum + count)).toBe(300)
  })

  it('is as it was after a kill, which loses nothing that was written', async () => {
    await runAndCopy(join(directory, 'state'), [first()])
    const restored = await runToEnd({ stateDirectory: first() })
    expect(apps.at(-1)!.stateWasDiscarded).toBe(false)
    expect(Math.max(...Object.values(restored))).toBeLessThanOrEqual(1)
  })

  it('is as it was where each commit waits for the disk', async () => {
    await runAndCopy(join(directory, 'state'), [first()], { stateSync: 'on-commit' })
    restartMachine(first())
    const restored = await runToEnd({ stateDirectory: first(), stateSync: 'on-commit' })
    expect(apps.at(-1)!.stateWasDiscarded).toBe(false)
    expect(Math.max(...Object.values(restored))).toBeLessThanOrEqual(1)
  })
})

it('says where stores cannot be opened, and what to do', async () => {
  await runToEnd()
  for (const task of ['0_0', '0_1']) {
    rmSync(join(directory, 'app', task), { recursive: true })
    writeFileSync(join(directory, 'app', task), 'no directory')
  }
  const app = appOf({ stateDirectory: directory })
  await expect(app.start().then(() => app.finished())).rejects.toMatchObject({ code: 'STORAGE_ERROR', message: expect.stringMatching(/the stores in .*app\/0_\d cannot be opened: .*; see to it or remove it, and they are filled from their changelogs/) as string })
})
