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

const rounds = Number(process.env['MILLRACE_FAULT_ROUNDS'] ?? 20)
const seed = Number(process.env['MILLRACE_FAULT_SEED'] ?? systemClock.now() % 1_000_000)
const program = fileURLToPath(new URL('./transactions-until-killed.mjs', import.meta.url))
const longestLifeMs = 400

let directory: string

beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'millrace-killed-'))
})
afterAll(() => rmSync(directory, { recursive: true, force: true }))

/** Lets the program run for a while after it is ready, kills it, and answers the last transaction that it saw committed. */
async function runAndKill(first: number, lifeMs: number): Promise<number> {
  const child = spawn(process.execPath, [program, directory, String(first)], { stdio: ['ignore', 'pipe', 'inherit'] })
  let committed = first - 1
  const ready = new Promise<void>((resolve, reject) => {
    createInterface({ input: child.stdout }).on('line', (line) => (line === 'ready' ? resolve() : (committed = Number(line.split(' ')[1]))))
    child.once('exit', (code) => reject(new Error(`the program ended with ${code} before it was ready`)))
  })
  await ready
  await sleep(systemClock, lifeMs)
  child.kill('SIGKILL')
  await once(child, 'close')
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
      const committed = await runAndKill(next, randomInteger(random, longestLifeMs))
      const broker = await openEmbeddedBroker({ directory })
      const seen = await readTransactions(broker)
      await broker.close()
      const everything = Array.from({ length: seen[0]!.length }, (_, index) => index)
      expect(seen, `seed ${seed}, round ${round}`).toEqual([everything, everything, everything])
      expect(everything.length, `seed ${seed}, round ${round}: transactions seen, of ${committed + 1} acknowledged`).toBeGreaterThanOrEqual(committed + 1)
      // At most the one in flight was committed without its acknowledgement being heard.
      expect(everything.length).toBeLessThanOrEqual(committed + 2)
      next = everything.length
    }
    expect(next, 'transactions over all rounds').toBeGreaterThan(rounds)
  })
})
