/**
 * Much of one kind at a time, on a real disk, in a process of its own whose memory is watched: what must hold is that everybody
 * is served and that memory has a bound that does not come from the data. The bounds are about twice what was measured.
 */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, it } from 'vitest'

const program = fileURLToPath(new URL('./log-under-load.mjs', import.meta.url))
const topics = Number(process.env['MILLRACE_LOAD_TOPICS'] ?? 10_000)
const timeoutMs = 600_000

interface Outcome {
  /** Resident memory beyond that before the load, at its peak. */
  readonly memoryMb: number
}

function load<T>(name: string, size: number): T & Outcome {
  const directory = mkdtempSync(join(tmpdir(), 'millrace-load-'))
  try {
    const { status, stdout, stderr } = spawnSync(process.execPath, ['--expose-gc', program, directory, name, String(size)], { encoding: 'utf8', timeout: timeoutMs })
    expect(status, stderr).toBe(0)
    return JSON.parse(stdout) as T & Outcome
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
}

it('a thousand readers that wait at the end of a partition are all served by one append', () => {
  const { served, memoryMb } = load<{ served: number }>('waiters', 1000)
  expect(served).toBe(1000)
  expect(memoryMb).toBeLessThan(64)
}, timeoutMs)

it('a record of 32 MiB goes in and out whole, small ones beside it do too, and one that is too large is refused', () => {
  const { memoryMb, ...rest } = load<{ read: readonly number[]; refused: string; sent: number }>('huge', 32)
  expect(rest).toEqual({ refused: 'RECORD_TOO_LARGE', read: [0, 1, 2, 3], sent: 4 })
  expect(memoryMb).toBeLessThan(320)
}, timeoutMs)

it('a reader that hardly reads holds nothing back: memory does not grow with what it has not read, and another partition is read to its end', () => {
  const { memoryMb, quickRecords, slowRecords } = load<{ quickRecords: number; slowRecords: number }>('slow', 200)
  expect(quickRecords).toBe(200)
  expect(slowRecords).toBeGreaterThan(0)
  expect(memoryMb).toBeLessThan(96)
}, timeoutMs)

it(`${topics} topics are made, each takes a record, and each costs little memory`, () => {
  const { records, memoryMb } = load<{ records: number }>('topics', topics)
  expect(records).toBe(topics)
  expect(memoryMb).toBeLessThan(64 + topics * 0.06)
}, timeoutMs)
