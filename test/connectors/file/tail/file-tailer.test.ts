import { appendFileSync, closeSync, copyFileSync, existsSync, mkdtempSync, openSync, renameSync, rmSync, truncateSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { fileSource } from '../../../../connectors/file/plugins.ts'
import { randomInteger, seededRandom } from '../../../../src/core/random.ts'
import type { Random } from '../../../../src/core/random.ts'
import { SourceHarness } from '../../../kit/source-harness.ts'

type Style = 'rename' | 'rename, its writer goes on' | 'copy and truncate'

/** A log of numbered lines that is written and rotated in every order that chance finds. */
class RotatingLog {
  readonly written: string[] = []
  readonly #path: string
  readonly #random: Random
  #handle: number
  #half = ''

  constructor(path: string, random: Random) {
    this.#path = path
    this.#random = random
    this.#handle = openSync(path, 'a')
  }

  write(): void {
    this.#finishLine()
    const count = randomInteger(this.#random, 30)
    let text = ''
    for (let i = 0; i < count; i++) text += `${this.#nextLine()}\n`
    if (randomInteger(this.#random, 4) === 0) {
      const line = this.#nextLine()
      this.#half = `${line.slice(2)}\n`
      text += line.slice(0, 2)
    }
    writeSync(this.#handle, text)
  }

  line(): string {
    this.#finishLine()
    return `${this.#nextLine()}\n`
  }

  rotate(style: Style, between: () => Promise<void>): Promise<void> {
    this.#finishLine()
    for (let n = 40; n >= 1; n--) if (existsSync(`${this.#path}.${n}`)) renameSync(`${this.#path}.${n}`, `${this.#path}.${n + 1}`)
    return style === 'copy and truncate' ? this.#copyAndTruncate(between) : this.#rename(style, between)
  }

  close(): void {
    this.#finishLine()
    closeSync(this.#handle)
  }

  async #rename(style: Style, between: () => Promise<void>): Promise<void> {
    renameSync(this.#path, `${this.#path}.1`)
    await between()
    if (style !== 'rename') this.write()
    await between()
    this.#finishLine()
    closeSync(this.#handle)
    this.#handle = openSync(this.#path, 'a')
  }

  async #copyAndTruncate(between: () => Promise<void>): Promise<void> {
    copyFileSync(this.#path, `${this.#path}.1`)
    await between()
    truncateSync(this.#path, 0)
  }

  #nextLine(): string {
    const line = `${this.written.length} ${Array.from('grün 日本 🦆 abcdefghij').slice(0, randomInteger(this.#random, 20)).join('')}`
    this.written.push(line)
    return line
  }

  #finishLine(): void {
    if (this.#half !== '') writeSync(this.#handle, this.#half)
    this.#half = ''
  }
}

async function run(seed: number, styles: readonly Style[], pattern: string): Promise<{ written: readonly string[]; read: readonly string[] }> {
  const random = seededRandom(seed)
  const folder = mkdtempSync(join(tmpdir(), 'millrace-tailer-'))
  const source = new SourceHarness(fileSource, {
    path: join(folder, pattern), topic: 't', watch: 'false', 'rescan.interval.ms': '1', 'batch.bytes': '4096', 'rotated.idle.ms': styles.includes('rename') && randomInteger(random, 2) === 0 ? '1' : '3000000',
  })
  const log = new RotatingLog(join(folder, 'access.log'), random)
  const readSome = async () => {
    for (let polls = randomInteger(random, 3); polls > 0; polls--) await source.poll()
    if (randomInteger(random, 3) === 0) source.commit(randomInteger(random, source.uncommittedCount + 1))
  }
  await source.start()
  log.write()
  appendFileSync(join(folder, 'access.log'), log.line()) // rotated files are looked for once something of the log was committed
  await source.drain()
  source.commit(1 + randomInteger(random, 3))
  for (let step = 0; step < 25; step++) {
    log.write()
    await readSome()
    if (randomInteger(random, 4) === 0) {
      await source.crash()
      for (let missed = randomInteger(random, 4); missed > 0; missed--) {
        log.write()
        await log.rotate(styles[randomInteger(random, styles.length)]!, () => Promise.resolve())
      }
      await source.start()
    } else if (randomInteger(random, 3) === 0) await log.rotate(styles[randomInteger(random, styles.length)]!, readSome)
  }
  log.close()
  appendFileSync(join(folder, 'access.log'), 'end\n')
  await source.drain()
  await source.drain()
  await source.stop()
  rmSync(folder, { recursive: true })
  return { written: [...log.written, 'end'], read: source.texts }
}

const seeds = Array.from({ length: Number(process.env['MILLRACE_SEEDS'] ?? 20) }, (_, i) => i + Number(process.env['MILLRACE_SEED'] ?? 1))

describe('following a log through random writes, rotations, crashes and rotations while nobody reads', () => {
  for (const pattern of ['access.log', 'access.log*']) {
    for (const styles of [['rename'], ['rename, its writer goes on']] as const) {
      it.each(seeds)(`gives every line of ${pattern} once and in order: ${styles.join()}, seed %i`, async (seed) => {
        const { written, read } = await run(seed, styles, pattern)
        expect(read).toEqual(written)
      })
    }

    it.each(seeds)(`gives every line of ${pattern} once: copy and truncate, seed %i`, async (seed) => {
      const { written, read } = await run(seed, ['copy and truncate'], pattern)
      expect(read.toSorted()).toEqual(written.toSorted())
    })
  }
})
