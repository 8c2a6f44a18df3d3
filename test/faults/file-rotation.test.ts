/**
 * A writer of numbered lines, a rotation of every style, and a reader that loses its memory at any moment, step by step: every line is
 * given once as long as it is on disk. The seed of a run is in the name of its test. With real processes: killed-files.test.ts.
 */
import { appendFileSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { sleep, systemClock } from 'millrace/connect'
import { describe, expect, it } from 'vitest'
import { fileSource } from '../../connectors/file/plugins.ts'
import { logName, rotationStyles } from '../kit/log-rotation.ts'
import type { RotationStyle } from '../kit/log-rotation.ts'
import { SourceHarness } from '../kit/source-harness.ts'
import { randomInteger, seededRandom } from '../../src/core/random.ts'

const seeds = Number(process.env['MILLRACE_FAULT_ROUNDS'] ?? 2)

async function run({ rotate, path = logName, destroys }: RotationStyle, seed: number): Promise<readonly number[]> {
  const folder = mkdtempSync(join(tmpdir(), 'millrace-rotation-'))
  const random = seededRandom(seed)
  const chance = (probability: number) => random.next() < probability
  const int = (bound: number) => randomInteger(random, bound)
  const at = (name: string) => join(folder, name)
  const source = new SourceHarness(fileSource, { path: at(path), topic: 'lines', watch: 'false', 'rescan.interval.ms': '1', 'rotated.idle.ms': '2000', 'batch.bytes': '4096' })
  let written = 0
  let rotations = 0
  const write = (count: number) => {
    appendFileSync(at(logName), Array.from({ length: count }, () => `${written++} ${'x'.repeat(int(40))}\n`).join(''))
  }
  try {
    write(5)
    await source.start()
    await source.poll()
    source.commit() // from here on the log is known: rotated files are looked for
    for (let step = 0; step < 60; step++) {
      write(1 + int(30))
      for (let polls = int(4); polls > 0; polls--) await source.poll()
      if (chance(0.4)) source.commit(int(source.uncommittedCount + 1))
      if (chance(0.3)) {
        source.commit()
        for (let times = chance(0.2) ? 3 : 1; times > 0; times--) {
          const isSafe = source.given.length === written && source.uncommittedCount === 0
          if (isSafe || destroys !== true) rotate({ at, rotations: rotations++ })
          write(1 + int(5))
        }
      }
      if (chance(0.15)) {
        await source.crash()
        if (chance(0.5)) write(1 + int(10))
        await source.start()
      }
    }
    for (let tries = 0; source.given.length < written && tries < 400; tries++) {
      await source.poll()
      source.commit()
      await sleep(systemClock, 5)
    }
    for (let polls = 0; polls < 5; polls++) await source.poll() // nothing comes again
    return [written, ...source.texts.map((text) => Number.parseInt(text, 10))]
  } finally {
    await source.stop()
    rmSync(folder, { recursive: true, force: true })
  }
}

describe.each(Object.entries(rotationStyles))('lines of a log that is rotated by: %s', (_name, style) => {
  it.each(Array.from({ length: seeds }, (_, index) => index + 1))('are given once each, seed %d', async (seed) => {
    const [written, ...numbers] = await run(style, seed)
    const given = style.unordered === true ? numbers.toSorted((a, b) => a - b) : numbers
    const missing = Array.from({ length: written! }, (_, index) => index).filter((number) => !given.includes(number))
    expect({ missing, repeated: given.filter((number, index) => given.indexOf(number) !== index) }).toEqual({ missing: [], repeated: [] })
    expect(given).toEqual(Array.from({ length: written! }, (_, index) => index))
  }, 60_000)
})
