import { spawn } from 'node:child_process'
import type { ChildProcessByStdio } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { openEmbeddedBroker, randomInteger, seededRandom, sleep, systemClock } from '../../src/core/index.ts'

const rounds = Number(process.env['MILLRACE_FAULT_ROUNDS'] ?? 4)
const seed = Number(process.env['MILLRACE_FAULT_SEED'] ?? systemClock.now() % 1_000_000)
const program = fileURLToPath(new URL('./connect-until-killed.mjs', import.meta.url))
const longestLifeMs = 500

let directory: string

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'millrace-killed-connect-'))
})
afterEach(() => rmSync(directory, { recursive: true, force: true }))

/** Resolves when the worker's source and all its sink tasks have moved records. */
async function startWorker(isMortal: boolean): Promise<ChildProcessByStdio<null, Readable, null>> {
  const child = spawn(process.execPath, [program, directory, String(isMortal)], { stdio: ['ignore', 'pipe', 'inherit'] })
  await Promise.race([once(child.stdout, 'data'), once(child, 'exit').then(([code]) => { throw new Error(`the worker ended with ${code} before it was ready`) })])
  return child
}

async function end(child: ChildProcessByStdio<null, Readable, null>, signal: 'SIGKILL' | 'SIGTERM'): Promise<number | null> {
  const closed = once(child, 'close')
  child.kill(signal)
  const [code] = (await closed) as [number | null]
  return code
}

/** The counts of each of the source's logs, as a committed reader sees them. */
async function countsInTopic(): Promise<ReadonlyMap<string, readonly number[]>> {
  const broker = await openEmbeddedBroker({ directory: join(directory, 'log') })
  const partitions = [0, 1, 2].map((partition) => ({ topic: 'numbers', partition }))
  const reader = await broker.openReader()
  reader.assign(partitions.map((partition) => ({ ...partition, offset: 0 })))
  const ends = await broker.topics.listOffsets(partitions.map((partition) => ({ ...partition, at: 'latest' as const })))
  const lines: string[] = []
  while (reader.positions().some(({ offset }, index) => offset < ends[index]!.offset)) {
    for (const { batches } of (await reader.read()).partitions) for (const batch of batches) for (const { value } of batch) lines.push(Buffer.from(value!).toString())
  }
  await reader.close()
  await broker.close()
  return countsOf(lines)
}

function countsOf(lines: readonly string[]): ReadonlyMap<string, readonly number[]> {
  const counts = new Map<string, number[]>()
  for (const line of lines) {
    const [log, count] = line.split(' ')
    if (!counts.has(log!)) counts.set(log!, [])
    counts.get(log!)!.push(Number(count))
  }
  return counts
}

/** Line for line it may repeat, since the file is not part of a transaction; it may lack nothing. */
function countsInFile(): ReadonlyMap<string, readonly number[]> {
  const text = readFileSync(join(directory, 'out.txt'), 'utf8')
  return countsOf(text.slice(0, text.lastIndexOf('\n')).split('\n').filter((line) => /^\d \d+$/.test(line)))
}

const upTo = (last: number) => Array.from({ length: last }, (_, index) => index + 1)

async function verify(context: string): Promise<number> {
  const inTopic = await countsInTopic()
  let total = 0
  for (const [log, counts] of inTopic) {
    const last = counts.reduce((most, count) => Math.max(most, count), 0)
    expect(counts.length, `${context}: log ${log}: counts in the topic`).toBe(last)
    expect(counts, `${context}: log ${log}`).toEqual(upTo(last))
    total += last
  }
  return total
}

describe('a Connect worker', () => {
  it(`that is killed ${rounds} times appends each count once, in order, and its sink lacks none (seed ${seed})`, async () => {
    const random = seededRandom(seed)
    for (let round = 0; round < rounds; round++) {
      const child = await startWorker(false)
      await sleep(systemClock, randomInteger(random, longestLifeMs))
      await end(child, 'SIGKILL')
      await verify(`seed ${seed}, round ${round}`)
    }
    await expectCleanEnd(false)
  })

  it('whose task threads end themselves now and then loses and repeats nothing either', async () => {
    const child = await startWorker(true)
    await sleep(systemClock, 200 * rounds)
    expect(await end(child, 'SIGTERM')).toBe(0)
    await verify('mortal tasks')
    await expectCleanEnd(false)
  })
})

/** A last run that stops cleanly: by then the file has everything that earlier runs appended. */
async function expectCleanEnd(isMortal: boolean): Promise<void> {
  const before = await countsInTopic()
  const child = await startWorker(isMortal)
  await waitUntil(() => [...before].every(([log, counts]) => new Set(countsInFile().get(log)).size >= counts.length))
  expect(await end(child, 'SIGTERM')).toBe(0)
  expect(await verify('after a clean stop')).toBeGreaterThan(0)
  for (const [log, counts] of before) {
    const written = new Set(countsInFile().get(log))
    expect(counts.filter((count) => !written.has(count)), `log ${log}: counts that the sink lost`).toEqual([])
  }
}

async function waitUntil(condition: () => boolean): Promise<void> {
  for (let tries = 0; tries < 600 && !condition(); tries++) await sleep(systemClock, 50)
}
