import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openEmbeddedBroker, randomInteger, seededRandom, sleep, systemClock } from '../../src/core/index.ts'
import type { Broker } from '../../src/core/index.ts'
import { engineFailpoints } from './log-failpoints.mjs'

const rounds = Number(process.env['MILLRACE_FAULT_ROUNDS'] ?? 20)
/** Kills at each failpoint, half of them before it and half after. */
const roundsEach = Number(process.env['MILLRACE_FAULT_ROUNDS'] ?? 4)
const seed = Number(process.env['MILLRACE_FAULT_SEED'] ?? systemClock.now() % 1_000_000)
const program = fileURLToPath(new URL('./transactions-until-killed.mjs', import.meta.url))
const longestLifeMs = 400
/** For a failpoint that is not reached. */
const longestWaitMs = 20_000

let directory: string

beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'millrace-killed-'))
})
afterAll(() => rmSync(directory, { recursive: true, force: true }))

interface Life {
  /** The first transaction's number. */
  readonly first: number
  /** At least so many transactions are committed in it. */
  readonly transactions?: number
  /** What follows that. */
  readonly lifeMs: number
  readonly failpoint?: readonly string[]
}

/** Lets the program run for a while after it is ready, kills it unless it did that itself, and answers the last transaction that it saw committed. */
async function runAndKill({ first, transactions = 0, lifeMs, failpoint = [] }: Life): Promise<number> {
  const child = spawn(process.execPath, [program, directory, String(first), ...failpoint], { stdio: ['ignore', 'pipe', 'inherit'] })
  let committed = first - 1
  const closed = once(child, 'close') as Promise<[number | null, string | null]>
  const ready = new Promise<void>((resolve) => {
    createInterface({ input: child.stdout }).on('line', (line) => {
      if (line !== 'ready') committed = Number(line.split(' ')[1])
      if (committed - first + 1 >= transactions) resolve()
    })
  })
  const early = await Promise.race([ready, closed])
  if (early !== undefined && early[1] !== 'SIGKILL') throw new Error(`the program ended with ${early[0]} before it was ready`)
  const ended = await Promise.race([sleep(systemClock, lifeMs).then(() => null), closed])
  child.kill('SIGKILL')
  await closed
  if (failpoint.length > 0 && ended?.[1] !== 'SIGKILL') throw new Error(`failpoint ${failpoint.join(' ')} was not reached`)
  return committed
}

/** The numbers of the transactions that a committed reader sees, per partition and in order. */
async function readTransactions(broker: Broker): Promise<readonly (readonly number[])[]> {
  const partitions = [0, 1, 2].map((partition) => ({ topic: 'transfers', partition }))
  const reader = await broker.openReader()
  reader.assign(partitions.map((partition) => ({ ...partition, offset: 0 })))
  const ends = await broker.topics.listOffsets(partitions.map((partition) => ({ ...partition, at: 'latest' as const })))
  const numbers: number[][] = [[], [], []]
  while (reader.positions().some(({ offset }, index) => offset < ends[index]!.offset)) {
    for (const { partition, batches } of (await reader.read()).partitions) {
      for (const batch of batches) for (const record of batch) numbers[partition]!.push(Number(Buffer.from(record.value!).toString()))
    }
  }
  await reader.close()
  return numbers
}

describe('a producer that is killed', () => {
  it(`loses no committed transaction and leaves no half of one, over ${rounds} kills (seed ${seed})`, async () => {
    const random = seededRandom(seed)
    let next = 0
    for (let round = 0; round < rounds; round++) {
      // On a slow machine most lives may end before their first transaction: the last one makes up for them.
      const transactions = round === rounds - 1 ? Math.max(0, rounds + 1 - next) : 0
      const committed = await runAndKill({ first: next, transactions, lifeMs: randomInteger(random, longestLifeMs) })
      next = await expectWhole(committed, `seed ${seed}, round ${round}`)
    }
    expect(next, 'transactions over all rounds').toBeGreaterThan(rounds)
  })

  it.each(Object.keys(engineFailpoints))(`nor when it is killed at: %s (${roundsEach} times)`, async (failpoint) => {
    let next = await expectWhole(-1, 'before')
    for (let round = 1; round <= roundsEach; round++) {
      const committed = await runAndKill({ first: next, lifeMs: longestWaitMs, failpoint: [failpoint, String(round)] })
      next = await expectWhole(committed, `${failpoint}, at time ${round}`)
    }
  })
})

/** Everything acknowledged is there, whole, with its offset, and at most the one in flight besides; the number of transactions. */
async function expectWhole(committed: number, where: string): Promise<number> {
  const broker = await openEmbeddedBroker({ directory })
  if (!(await broker.topics.list()).includes('transfers')) await broker.topics.create([{ topic: 'transfers', partitions: 3 }])
  const seen = await readTransactions(broker)
  const everything = Array.from({ length: seen[0]!.length }, (_, index) => index)
  expect(seen, where).toEqual([everything, everything, everything])
  expect(everything.length, `${where}: transactions seen, of ${committed + 1} acknowledged`).toBeGreaterThanOrEqual(committed + 1)
  if (committed >= 0) expect(everything.length, where).toBeLessThanOrEqual(committed + 2)
  const { offsets } = await broker.groups.describe('transfers')
  expect(offsets.map(({ offset }) => offset), where).toEqual(everything.length === 0 ? [] : [everything.length])
  const names = await broker.topics.list()
  expect((await broker.topics.describe(names)).map(({ topic, partitions }) => [topic, partitions.length]), where).toEqual(names.map((name) => [name, name === 'passing' ? 2 : 3]))
  await broker.close()
  return everything.length
}
