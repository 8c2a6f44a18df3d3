/**
 * SIGKILL at any moment of processing, committing and restoring, with stores on disk: what was not committed is undone, and the
 * rest is kept, so that only the end of a changelog is restored. MILLRACE_FAULT_ROUNDS says how many kills.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { longSerde, openEmbeddedBroker, randomInteger, seededRandom, sleep, stringSerde, systemClock } from '../../src/core/index.ts'
import type { Broker, Random, RecordView } from '../../src/core/index.ts'
import { StreamsApp, StreamsBuilder, topic } from '../../src/streams/index.ts'

const rounds = Number(process.env['MILLRACE_FAULT_ROUNDS'] ?? 10)
const seed = Number(process.env['MILLRACE_FAULT_SEED'] ?? systemClock.now() % 1_000_000)
const program = fileURLToPath(new URL('./stores-until-killed.mjs', import.meta.url))
const partitions = 2

describe('stores on disk of an application that is killed', () => {
  let directory: string
  beforeEach(async () => {
    directory = mkdtempSync(join(tmpdir(), 'millrace-killed-stores-'))
    const broker = await openEmbeddedBroker({ directory: join(directory, 'log') })
    await broker.topics.create(['words', 'counted'].map((name) => ({ topic: name, partitions })))
    await broker.close()
  })
  afterEach(() => rmSync(directory, { recursive: true, force: true }))

  it(`keep what was committed, and nothing else, over ${rounds} kills (seed ${seed})`, async () => {
    const random = seededRandom(seed)
    const lives: Life[] = []
    for (let round = 0; round < rounds; round++) lives.push(await live(directory, random))
    const later = lives.slice(1).flatMap(({ restored }) => restored)
    // Never from the beginning again, however much there is by then.
    expect(later.filter(({ from, to }) => from === 0 && to > 0)).toEqual([])
    console.log(`${later.length} changelogs went on from disk, the longest restored ${Math.max(...later.map(({ from, to }) => to - from))} of up to ${Math.max(...later.map(({ to }) => to))} records`)
    const broker = await openEmbeddedBroker({ directory: join(directory, 'log') })
    const expected = counted(await recordsOf(broker, 'words'))
    expect(await countsOf(broker, directory)).toEqual(expected)
    const newest = new Map((await recordsOf(broker, 'counted')).map(({ key, value }) => [stringSerde.deserialize(key!), longSerde.deserialize(value!)]))
    expect(newest).toEqual(expected)
    await broker.close()
  }, 600_000)
})

interface Life {
  readonly restored: readonly { readonly from: number; readonly to: number }[]
}

/** Starts the program, and kills it some time after it has committed something. */
async function live(directory: string, random: Random): Promise<Life> {
  const child = spawn(process.execPath, [program, directory], { stdio: ['ignore', 'pipe', 'inherit'] })
  const ended = once(child, 'close')
  const restored: { from: number; to: number }[] = []
  await new Promise<void>((resolve, reject) => {
    void ended.then(([code]) => reject(new Error(`the program ended by itself with ${code}`)))
    createInterface({ input: child.stdout }).on('line', (line) => {
      const [, from, to] = /^restores \d from (\d+) to (\d+)$/.exec(line) ?? []
      if (from !== undefined) restored.push({ from: Number(from), to: Number(to) })
      if (line.startsWith('committed')) resolve()
    })
  })
  await sleep(systemClock, randomInteger(random, 150))
  child.kill('SIGKILL')
  await ended
  return { restored }
}

async function recordsOf(broker: Broker, name: string): Promise<readonly RecordView[]> {
  const targets = Array.from({ length: partitions }, (_, partition) => ({ topic: name, partition }))
  const ends = await broker.topics.listOffsets(targets.map((target) => ({ ...target, at: 'latest' as const })), { isolation: 'read-committed' })
  const reader = await broker.openReader()
  reader.assign(targets.map((target) => ({ ...target, offset: 0 })))
  const records: RecordView[] = []
  while (reader.positions().some(({ partition, offset }) => offset < ends[partition]!.offset)) {
    for (const { batches } of (await reader.read({ isolation: 'read-committed' })).partitions) for (const batch of batches) records.push(...batch)
  }
  await reader.close()
  return records
}

function counted(records: readonly RecordView[]): ReadonlyMap<string, number> {
  const counts = new Map<string, number>()
  for (const { key } of records) {
    const word = stringSerde.deserialize(key!)
    counts.set(word, (counts.get(word) ?? 0) + 1)
  }
  return counts
}

/** As the stores have them, after what was left is processed. */
async function countsOf(broker: Broker, directory: string): Promise<ReadonlyMap<string, number>> {
  const builder = new StreamsBuilder()
  builder.stream(topic('words', { key: stringSerde, value: stringSerde })).groupByKey().count({ store: 'counts' }).toStream()
    .to(topic('counted', { key: stringSerde, value: longSerde }))
  const app = new StreamsApp(builder.build(), { applicationId: 'killed', broker, stateDirectory: join(directory, 'stores') })
  await app.start()
  await app.caughtUp()
  const counts = new Map([...app.store<string, number>('counts').all()].map(({ key, value }) => [key, value]))
  await app.close()
  return counts
}
