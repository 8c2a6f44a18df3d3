/**
 * An application under a steady load for a long time: its memory must not grow. MILLRACE_SOAK_SECONDS says how long (30 by
 * default; CI takes five minutes; `npm run soak` an hour), MILLRACE_SOAK_RATE how many records a second (2,000 by default).
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'

const seconds = Number(process.env['MILLRACE_SOAK_SECONDS'] ?? 30)
const recordsPerSecond = Number(process.env['MILLRACE_SOAK_RATE'] ?? 2_000)
const mebibyte = 1024 * 1024
/** What one collection finds more or less than another, whatever happens; of 60,000 records in all, a leak of 300 bytes each is more. */
const noiseBytes = 6 * mebibyte
const program = fileURLToPath(new URL('./streams-until-stopped.mjs', import.meta.url))

interface Sample {
  readonly residentBytes: number
  readonly usedBytes: number
  readonly processedRecords: number
}

describe('an application under a steady load', () => {
  let directory: string
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'millrace-soak-'))
  })
  afterEach(() => rmSync(directory, { recursive: true, force: true }))

  it(`has as much memory in the end as in the middle of ${seconds} seconds`, async () => {
    const samples = await run(directory)
    const [middle, end] = [thirdOf(samples, 1), thirdOf(samples, 2)]
    const inMiB = (bytes: number) => (bytes / mebibyte).toFixed(1)
    console.log(`${samples.at(-1)!.processedRecords} records; resident ${inMiB(middle.residentBytes)} MiB, then ${inMiB(end.residentBytes)}; in use ${inMiB(middle.usedBytes)} MiB, then ${inMiB(end.usedBytes)}`)
    expect(samples.at(-1)!.processedRecords).toBeGreaterThan(samples[0]!.processedRecords)
    expect(end.usedBytes).toBeLessThan(middle.usedBytes + noiseBytes)
    expect(end.residentBytes).toBeLessThan(middle.residentBytes * 1.2 + 2 * noiseBytes)
  }, (seconds * 5 + 120) * 1_000)
})

async function run(directory: string): Promise<readonly Sample[]> {
  const child = spawn(process.execPath, ['--expose-gc', program, directory, String(seconds), String(recordsPerSecond)], { stdio: ['ignore', 'pipe', 'inherit'] })
  const ended = once(child, 'close')
  const samples: Sample[] = []
  createInterface({ input: child.stdout }).on('line', (line) => {
    const [residentBytes, usedBytes, processedRecords] = line.split(' ').map(Number) as [number, number, number]
    samples.push({ residentBytes, usedBytes, processedRecords })
  })
  expect(await ended).toEqual([0, null])
  return samples
}

/** Medians: the first third is for warming up. */
function thirdOf(samples: readonly Sample[], third: number): Sample {
  const part = samples.slice(Math.floor((samples.length * third) / 3), Math.floor((samples.length * (third + 1)) / 3))
  const median = (read: (sample: Sample) => number) => part.map(read).sort((a, b) => a - b)[part.length >> 1]!
  return { residentBytes: median((sample) => sample.residentBytes), usedBytes: median((sample) => sample.usedBytes), processedRecords: median((sample) => sample.processedRecords) }
}
