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

const rounds = Number(process.env['MILLRACE_FAULT_ROUNDS'] ?? 40)
const seed = Number(process.env['MILLRACE_FAULT_SEED'] ?? systemClock.now() % 1_000_000)
const program = fileURLToPath(new URL('./log-until-killed.mjs', import.meta.url))
const longestLifeMs = 300
const keys = 8

let directory: string

beforeAll(() => void (directory = mkdtempSync(join(tmpdir(), 'millrace-killed-log-'))))
afterAll(() => rmSync(directory, { recursive: true, force: true }))

/** Answers the last record that was acknowledged before the kill; -1 for none. */
async function runAndKill(round: number, lifeMs: number): Promise<number> {
  const child = spawn(process.execPath, [program, directory, String(seed + round)], { stdio: ['ignore', 'pipe', 'inherit'] })
  let acknowledged = -1
  const ready = new Promise<void>((resolve, reject) => {
    createInterface({ input: child.stdout }).on('line', (line) => (line === 'ready' ? resolve() : (acknowledged = Number(line.split(' ')[1]))))
    child.once('exit', (code) => reject(new Error(`the program ended with ${code} before it was ready`)))
  })
  await ready
  await sleep(systemClock, lifeMs)
  child.kill('SIGKILL')
  await once(child, 'close')
  return acknowledged
}

/** Offset and number of each record; the log is opened, read, closed and checked. */
async function recovered(name: string): Promise<{ readonly start: number; readonly end: number; readonly records: readonly (readonly [offset: number, value: number])[] }> {
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

describe('a log whose process is killed', () => {
  it(`has everything that was acknowledged, each record where it was appended, over ${rounds} kills (seed ${seed})`, async () => {
    const random = seededRandom(seed)
    for (let round = 0; round < rounds; round++) {
      const acknowledged = await runAndKill(round, randomInteger(random, longestLifeMs))
      const where = `seed ${seed}, round ${round}`
      const retained = await recovered('retained-0')
      expect(retained.end, where).toBeGreaterThan(acknowledged)
      expect(retained.records, where).toEqual(Array.from({ length: retained.end - retained.start }, (_, i) => [retained.start + i, retained.start + i]))
      const compacted = await recovered('compacted-0')
      expect(compacted.end, where).toBeGreaterThan(acknowledged)
      for (const [offset, value] of compacted.records) expect(value, where).toBe(offset)
      const last = new Map(compacted.records.map(([, value]) => [value % keys, value]))
      for (let n = Math.max(0, compacted.end - keys); n < compacted.end; n++) expect(last.get(n % keys), where).toBe(n)
    }
  })
})
