/**
 * A writer of numbered lines, a rotation of every style, and a reader that loses its memory at any moment: every line is given
 * once as long as it is on disk. The seed of a run is in the name of its test.
 */
import { appendFileSync, copyFileSync, existsSync, mkdtempSync, readFileSync, renameSync, rmSync, statSync, symlinkSync, truncateSync, unlinkSync, utimesSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { sleep, systemClock } from 'millrace/connect'
import { describe, expect, it } from 'vitest'
import { fileSource } from '../../connectors/file/plugins.ts'
import { SourceHarness } from '../kit/source-harness.ts'
import { randomInteger, seededRandom } from '../../src/core/random.ts'

const seeds = Number(process.env['MILLRACE_FAULT_ROUNDS'] ?? 3)

interface Scene {
  /** Where the writer writes now. */
  readonly at: (name: string) => string
  /** Rotations so far. */
  readonly rotations: number
  /** Everything that was written is given and committed. */
  readonly isSafe: boolean
}

interface Style {
  readonly path?: string
  /** Rotates, or says by false that it cannot now. */
  readonly rotate: (scene: Scene) => boolean | void
  /** Lines of copy and original, or of a compressed file and its successor, may change places. */
  readonly unordered?: true
}

const log = 'app.log'

/** `app.log.1` becomes `app.log.2` and so on, as logrotate does. */
function shift({ at }: Scene, suffix = ''): void {
  let last = 1
  while (existsSync(at(`${log}.${last}${suffix}`))) last++
  for (; last > 1; last--) renameSync(at(`${log}.${last - 1}${suffix}`), at(`${log}.${last}${suffix}`))
}

function compress(path: string, target: string): void {
  const { atime, mtime } = statSync(path)
  writeFileSync(target, gzipSync(readFileSync(path)))
  utimesSync(target, atime, mtime)
  unlinkSync(path)
}

function renameAndCreate(scene: Scene): void {
  shift(scene)
  renameSync(scene.at(log), scene.at(`${log}.1`))
  writeFileSync(scene.at(log), '')
}

const styles: Readonly<Record<string, Style>> = {
  'rename and create': { rotate: renameAndCreate },
  'rename, and create at the next line': {
    rotate: (scene) => {
      shift(scene)
      renameSync(scene.at(log), scene.at(`${log}.1`))
    },
  },
  'rename to a date at the end': { rotate: ({ at, rotations }) => renameSync(at(log), at(`${log}-202611${String(rotations).padStart(2, '0')}`)) },
  'rename to a number before the extension': { rotate: ({ at, rotations }) => renameSync(at(log), at(`app-2026-11-${String(rotations).padStart(2, '0')}.log`)) },
  'delete and create': {
    rotate: ({ at, isSafe }) => {
      if (!isSafe) return false
      unlinkSync(at(log))
      return true
    },
  },
  'copy and truncate': {
    unordered: true,
    rotate: (scene) => {
      shift(scene)
      copyFileSync(scene.at(log), scene.at(`${log}.1`))
      truncateSync(scene.at(log), 0)
    },
  },
  'truncate in place': {
    rotate: ({ at, isSafe }) => {
      if (isSafe) truncateSync(at(log), 0)
      return isSafe
    },
  },
  'a symbolic link that is turned': {
    path: 'app.log',
    rotate: ({ at, rotations, isSafe }) => {
      if (!isSafe) return false
      writeFileSync(at(`target-${rotations}`), '')
      symlinkSync(at(`target-${rotations}`), at('turning'))
      renameSync(at('turning'), at(log))
      return true
    },
  },
  'rename and compress at once': {
    unordered: true,
    path: `${log}*`,
    rotate: (scene) => {
      shift(scene, '.gz')
      compress(scene.at(log), scene.at(`${log}.1.gz`))
    },
  },
  'rename, and compress one rotation later': {
    unordered: true,
    path: `${log}*`,
    rotate: (scene) => {
      let last = 2
      while (existsSync(scene.at(`${log}.${last}.gz`))) last++
      for (; last > 2; last--) renameSync(scene.at(`${log}.${last - 1}.gz`), scene.at(`${log}.${last}.gz`))
      if (existsSync(scene.at(`${log}.1`))) compress(scene.at(`${log}.1`), scene.at(`${log}.2.gz`))
      renameSync(scene.at(log), scene.at(`${log}.1`))
    },
  },
}

async function run({ rotate, path = log }: Style, seed: number): Promise<readonly number[]> {
  const folder = mkdtempSync(join(tmpdir(), 'millrace-rotation-'))
  const random = seededRandom(seed)
  const chance = (probability: number) => random.next() < probability
  const int = (bound: number) => randomInteger(random, bound)
  const at = (name: string) => join(folder, name)
  const source = new SourceHarness(fileSource, { path: at(path), topic: 'lines', watch: 'false', 'rescan.interval.ms': '1', 'rotated.idle.ms': '2000', 'batch.bytes': '4096' })
  let written = 0
  let rotations = 0
  const write = (count: number) => {
    appendFileSync(at(log), Array.from({ length: count }, () => `${written++} ${'x'.repeat(int(40))}\n`).join(''))
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
          const scene = { at, rotations, isSafe: source.given.length === written && source.uncommittedCount === 0 }
          if (rotate(scene) !== false) rotations++
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

describe.each(Object.entries(styles))('lines of a log that is rotated by: %s', (_name, style) => {
  it.each(Array.from({ length: seeds }, (_, index) => index + 1))('are given once each, seed %d', async (seed) => {
    const [written, ...numbers] = await run(style, seed)
    const given = style.unordered === true ? numbers.toSorted((a, b) => a - b) : numbers
    const missing = Array.from({ length: written! }, (_, index) => index).filter((number) => !given.includes(number))
    expect({ missing, repeated: given.filter((number, index) => given.indexOf(number) !== index) }).toEqual({ missing: [], repeated: [] })
    expect(given).toEqual(Array.from({ length: written! }, (_, index) => index))
  }, 60_000)
})
