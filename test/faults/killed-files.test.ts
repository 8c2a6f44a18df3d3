/**
 * The file connectors as a process that is killed: ten logs of numbered lines are written at full speed, each rotated in its own way, also while
 * nobody reads; a worker moves them into topics and from there into rolled files and into one file each. Whenever it is killed, and in the end, no
 * line is there twice, none is missing, and no file has its name before it is whole. MILLRACE_FAULT_ROUNDS says how many kills; all ten styles take
 * part in each.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { appendFileSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { randomInteger, seededRandom, sleep, systemClock } from '../../src/core/index.ts'
import type { Random } from '../../src/core/index.ts'
import { logName, rotationStyles } from '../kit/log-rotation.ts'
import type { RotationStyle } from '../kit/log-rotation.ts'

const kills = Number(process.env['MILLRACE_FAULT_ROUNDS'] ?? 3)
const seed = Number(process.env['MILLRACE_FAULT_SEED'] ?? systemClock.now() % 1_000_000)
const program = fileURLToPath(new URL('./files-until-killed.mjs', import.meta.url))
const longestLifeMs = 700
/** Of one log: the writer waits for the reader beyond it. */
const mostUncommittedLines = 5_000

let directory: string
let worker: Worker | undefined

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'millrace-killed-files-'))
})
afterEach(async () => {
  await worker?.end('SIGKILL')
  worker = undefined
  seen.clear()
  rmSync(directory, { recursive: true, force: true })
})

class RotatedLog {
  readonly topic: string
  readonly style: RotationStyle
  readonly #folder: string
  written = 0
  #rotations = 0
  #wantsRotation = false

  constructor(topic: string, style: RotationStyle) {
    this.topic = topic
    this.style = style
    this.#folder = join(directory, 'logs', topic)
    mkdirSync(this.#folder, { recursive: true })
  }

  get path(): string {
    return join(this.#folder, this.style.path ?? logName)
  }

  write(count: number): void {
    appendFileSync(join(this.#folder, logName), Array.from({ length: count }, () => `${this.written++} ${'x'.repeat(this.written % 60)}\n`).join(''))
  }

  /** Writes, and rotates now and then. A style that destroys lines stops writing before, until all of them are committed. */
  step(random: Random, committed: number): void {
    if (!this.#wantsRotation && this.written - committed < mostUncommittedLines) this.write(1 + randomInteger(random, 150))
    this.#wantsRotation ||= committed > 0 && random.next() < 0.03
    if (!this.#wantsRotation || (this.style.destroys === true && committed < this.written)) return
    this.#wantsRotation = false
    this.style.rotate({ at: (name) => join(this.#folder, name), rotations: this.#rotations++ })
    this.write(1 + randomInteger(random, 5))
  }
}

interface Worker {
  /** Committed records of each topic, by what it said last. */
  readonly counts: Readonly<Record<string, number>>
  readonly isAlive: boolean
  end(signal: 'SIGKILL' | 'SIGTERM'): Promise<number | null>
}

async function startWorker(logs: readonly RotatedLog[]): Promise<Worker> {
  const paths = JSON.stringify(Object.fromEntries(logs.map(({ topic, path }) => [topic, path])))
  const child = spawn(process.execPath, [program, directory, paths], { stdio: ['ignore', 'pipe', 'inherit'] })
  const closed = once(child, 'close') as Promise<[number | null]>
  let counts: Readonly<Record<string, number>> = {}
  const lines = createInterface(child.stdout)
  lines.on('line', (line) => { counts = JSON.parse(line) as typeof counts })
  await Promise.race([once(lines, 'line'), closed.then(([code]) => { throw new Error(`the worker ended with ${code} before it was ready`) })])
  return {
    get counts() { return counts },
    get isAlive() { return child.exitCode === null && child.signalCode === null },
    async end(signal) {
      child.kill(signal)
      return (await closed)[0]
    },
  }
}

/** The numbers of whole lines, in their order. */
function numbersOf(text: string): number[] {
  return text.split('\n').slice(0, -1).map((line) => {
    const [number, padding] = line.split(' ')
    expect(padding, line).toBe('x'.repeat((Number(number) + 1) % 60))
    return Number(number)
  })
}

/** What each published file of a topic held when it was first seen: it never changes. */
const seen = new Map<string, { readonly numbers: readonly number[]; readonly identity: string }>()

function rolledNumbers(topic: string): number[] {
  const folder = join(directory, 'rolled', topic)
  if (!existsSync(folder)) return []
  return readdirSync(folder).toSorted().flatMap((name) => {
    const path = join(folder, name)
    const { ino, size, mtimeMs } = statSync(path)
    const identity = `${ino} ${size} ${mtimeMs}`
    const known = seen.get(path)
    if (known !== undefined) {
      expect(identity, `${path} has changed`).toBe(known.identity)
      return known.numbers
    }
    const text = readFileSync(path, 'utf8')
    expect(text.endsWith('\n'), `${path} is whole`).toBe(true)
    const numbers = numbersOf(text)
    seen.set(path, { numbers, identity })
    return numbers
  })
}

/** Up to the length in its manifest: what is behind is taken back at the next start. */
function appendedNumbers(topic: string): number[] {
  const path = join(directory, 'appended', topic)
  if (!existsSync(`${path}.offsets.json`)) return []
  const { length } = JSON.parse(readFileSync(`${path}.offsets.json`, 'utf8')) as { readonly length: number }
  const bytes = readFileSync(path)
  expect(bytes.length, `${path} is as long as its manifest says`).toBeGreaterThanOrEqual(length)
  return numbersOf(bytes.subarray(0, length).toString())
}

/** Both sinks copy the topic in its order: so one of them holds the beginning of what the other one holds. */
function verify(logs: readonly RotatedLog[], context: string): void {
  for (const { topic, style, written } of logs) {
    const [rolled, appended] = [rolledNumbers(topic), appendedNumbers(topic)]
    const [shorter, longer] = rolled.length < appended.length ? [rolled, appended] : [appended, rolled]
    const where = `${context}, ${topic}`
    expect(longer.slice(0, shorter.length), `${where}: rolled and appended`).toEqual(shorter)
    expect(new Set(longer).size, `${where}: lines that are there twice`).toBe(longer.length)
    expect(Math.max(-1, ...longer.slice(-1)), where).toBeLessThan(written)
    if (style.unordered !== true) expect(longer, `${where}: in order, without a gap`).toEqual(upTo(longer.length))
  }
}

const upTo = (count: number) => Array.from({ length: count }, (_, index) => index)

async function waitUntil(condition: () => boolean): Promise<void> {
  for (let tries = 0; tries < 2_400 && !condition(); tries++) await sleep(systemClock, 50)
}

describe('the file source and the file sinks', () => {
  it(`keep each line once, in ten styles of rotation, through ${kills} kills (fluent-bit#1108, #2110; seed ${seed})`, async () => {
    const random = seededRandom(seed)
    const logs = Object.entries(rotationStyles).map(([name, style]) => new RotatedLog(name.replaceAll(/[^a-z]+/g, '-'), style))
    const step = (counts: Readonly<Record<string, number>>) => { for (const log of logs) log.step(random, counts[log.topic] ?? 0) }
    for (const log of logs) log.write(5)
    for (let kill = 0; kill < kills; kill++) {
      worker = await startWorker(logs)
      if (kill === 0) await waitUntil(() => logs.every(({ topic, written }) => worker!.counts[topic] === written)) // from here on rotated files are looked for
      const killAtMs = systemClock.monotonic() + randomInteger(random, longestLifeMs)
      while (systemClock.monotonic() < killAtMs && worker.isAlive) {
        step(worker.counts)
        await sleep(systemClock, 2)
      }
      expect(worker.isAlive, `seed ${seed}: the worker runs until it is killed`).toBe(true)
      await worker.end('SIGKILL')
      verify(logs, `seed ${seed}, kill ${kill}`)
      for (let steps = randomInteger(random, 20); steps > 0; steps--) step(worker.counts) // rotations while nobody reads
    }
    worker = await startWorker(logs)
    const areComplete = () => logs.every(({ topic, written }) => rolledNumbers(topic).length >= written && appendedNumbers(topic).length >= written)
    await waitUntil(areComplete)
    expect(await worker.end('SIGTERM')).toBe(0)
    verify(logs, `seed ${seed}, in the end`)
    for (const { topic, written } of logs) {
      expect(rolledNumbers(topic).toSorted((a, b) => a - b), `seed ${seed}, ${topic}: rolled`).toEqual(upTo(written))
      expect(appendedNumbers(topic).toSorted((a, b) => a - b), `seed ${seed}, ${topic}: appended`).toEqual(upTo(written))
    }
  })
})
