/** SIGKILL at any moment of appending, rolling, sealing, retention, compaction, closing and opening, on a real disk. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { randomInteger, seededRandom, sleep, systemClock } from '../../src/core/index.ts'
import { checkPartition } from '../../src/core/log/check.ts'
import { nodeFileSystem } from '../../src/core/log/file-system.ts'
import { defaultLogConfig } from '../../src/core/log/log-config.ts'
import { PartitionLog } from '../../src/core/log/partition-log.ts'
import { failpoints } from './log-failpoints.mjs'

/** SIGKILLs at random moments; each ends the logs of several directories. */
const rounds = Number(process.env['MILLRACE_FAULT_ROUNDS'] ?? 56)
const together = 4
/** Kills at each failpoint, half of them before it and half after. */
const roundsEach = Number(process.env['MILLRACE_FAULT_ROUNDS'] ?? 4)
const seed = Number(process.env['MILLRACE_FAULT_SEED'] ?? systemClock.now() % 1_000_000)
const program = fileURLToPath(new URL('./log-until-killed.mjs', import.meta.url))
const longestLifeMs = 300
/** For a failpoint that is not reached. */
const longestWaitMs = 20_000
const keys = 8

let root: string

beforeAll(() => void (root = mkdtempSync(join(tmpdir(), 'millrace-killed-log-'))))
afterAll(() => rmSync(root, { recursive: true, force: true }))

interface Death {
  /** By directory, the last record that was acknowledged before the kill; -1 for none. */
  readonly acknowledged: readonly number[]
  /** It ended before its time was up. */
  readonly byItself: boolean
}

/** With a failpoint the program kills itself; otherwise, and at the latest, it is killed so long after a first directory's logs are open. */
async function runAndKill(round: number, directories: readonly string[], lifeMs: number, failpoint: readonly string[] = []): Promise<Death> {
  const child = spawn(process.execPath, [program, String(seed + round), directories.join(','), ...failpoint], { stdio: ['ignore', 'pipe', 'inherit'] })
  const acknowledged = directories.map(() => -1)
  const closed = once(child, 'close') as Promise<[number | null, string | null]>
  const ready = new Promise<void>((resolve) => {
    createInterface({ input: child.stdout }).on('line', (line) => {
      if (line === 'ready') return resolve()
      const [, index, offset] = line.split(' ').map(Number)
      acknowledged[index!] = offset!
    })
  })
  await Promise.race([ready, closed])
  const ended = await Promise.race([sleep(systemClock, lifeMs).then(() => null), closed])
  child.kill('SIGKILL')
  await closed
  return { acknowledged, byItself: ended?.[1] === 'SIGKILL' }
}

/** Offset and number of each record; the log is opened, read, closed and checked. */
async function recovered(directory: string, name: string): Promise<{ readonly start: number; readonly end: number; readonly records: readonly (readonly [offset: number, value: number])[] }> {
  const log = await PartitionLog.open({ directory: join(directory, name), name, fileSystem: nodeFileSystem, clock: systemClock, config: { ...defaultLogConfig, segmentBytes: 4000, indexIntervalBytes: 500 } })
  expect(log.failure).toBeNull()
  const records: (readonly [number, number])[] = []
  for (let offset = log.logStartOffset; offset < log.logEndOffset;) {
    const read = log.read({ offset, maxBytes: 10_000, isolation: 'read-uncommitted' })
    for (const batch of read.batches) batch.forEach((record) => records.push([record.offset, Number.parseInt(Buffer.from(record.value!).toString(), 10)]))
    offset = read.nextOffset
  }
  const { logStartOffset: start, logEndOffset: end } = log
  await log.close()
  expect(checkPartition(nodeFileSystem, join(directory, name)).findings).toEqual([])
  return { start, end, records }
}

/** Everything acknowledged is there, in its place, and nothing else. */
async function expectWhole(directory: string, acknowledged: number, where: string): Promise<void> {
  const retained = await recovered(directory, 'retained-0')
  expect(retained.end, where).toBeGreaterThan(acknowledged)
  expect(retained.records, where).toEqual(Array.from({ length: retained.end - retained.start }, (_, i) => [retained.start + i, retained.start + i]))
  const compacted = await recovered(directory, 'compacted-0')
  expect(compacted.end, where).toBeGreaterThan(acknowledged)
  for (const [offset, value] of compacted.records) expect(value, where).toBe(offset)
  const last = new Map(compacted.records.map(([, value]) => [value % keys, value]))
  for (let n = Math.max(0, compacted.end - keys); n < compacted.end; n++) expect(last.get(n % keys), where).toBe(n)
  // What a deletion left half done is nobody's: the engine clears it before a topic of the same name is made.
  rmSync(join(directory, 'deleted-0'), { recursive: true, force: true })
}

describe('a log whose process is killed', () => {
  it(`has everything that was acknowledged, each record where it was appended, over ${rounds * together} kills at random moments (seed ${seed})`, async () => {
    const random = seededRandom(seed)
    const directories = Array.from({ length: together }, (_, index) => join(root, `logs-${index}`))
    for (let round = 0; round < rounds; round++) {
      const { acknowledged } = await runAndKill(round, directories, randomInteger(random, longestLifeMs))
      for (const [index, directory] of directories.entries()) await expectWhole(directory, acknowledged[index]!, `seed ${seed}, round ${round}, directory ${index}`)
    }
  })

  it.each(Object.keys(failpoints))(`has it killed at: %s (${roundsEach} times, seed ${seed})`, async (failpoint) => {
    const directory = join(root, 'failpoints')
    for (let round = 1; round <= roundsEach; round++) {
      const where = `seed ${seed}, ${failpoint}, at time ${round}`
      const { acknowledged, byItself } = await runAndKill(round, [directory], longestWaitMs, [failpoint, String(round)])
      expect(byItself, `${where}: it was not reached`).toBe(true)
      await expectWhole(directory, acknowledged[0]!, where)
    }
  })
})
