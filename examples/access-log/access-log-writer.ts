import { appendFileSync, existsSync, mkdirSync, readdirSync, renameSync } from 'node:fs'
import { join } from 'node:path'
import { type Random, randomInteger, seededRandom } from 'millrace'
import { formatAccessLine } from './access-line.ts'

export interface AccessLogOptions {
  readonly directory: string
  readonly seed: number
  /** Time of the first line, in milliseconds since the epoch. */
  readonly startAt: number
  /** Of the log's own time that pass from one line to the next. */
  readonly millisecondsPerLine: number
  /** `access.log` is renamed to `access.log.1`, the older ones to `.2` and so on, after so many lines. */
  readonly linesPerFile: number
}

const paths = '/ /products /products/shoes /products/hats /cart /checkout /search /login /api/orders /api/prices /about /favicon.ico'.split(' ')
const statuses = [200, 200, 200, 200, 200, 200, 301, 304, 404, 500]
/** Lines of one second are written in any order, as by the workers of a real server; less than the topology's grace. */
const disorderMs = 3_000
const oneBadLineIn = 400

/** A web server, as far as its access log goes: the file grows, is rotated by renaming, and now and then a line is broken. */
export class AccessLogWriter {
  readonly path: string
  #options: AccessLogOptions
  #random: Random
  #lines = 0
  #held = ''

  constructor(options: AccessLogOptions) {
    this.#options = options
    this.#random = seededRandom(options.seed)
    this.path = join(options.directory, 'access.log')
    mkdirSync(options.directory, { recursive: true })
  }

  get lines(): number {
    return this.#lines
  }

  /** What is written may end in the middle of a line; the rest comes with the next call, or with `finish`. */
  write(lineCount: number): void {
    let text = this.#held
    for (let line = 0; line < lineCount; line++) {
      if (this.#lines > 0 && this.#lines % this.#options.linesPerFile === 0) {
        this.#append(text)
        text = ''
        this.#rotate()
      }
      text += `${this.#nextLine()}\n`
    }
    const cut = text.length - randomInteger(this.#random, 40)
    this.#append(text.slice(0, cut))
    this.#held = text.slice(cut)
  }

  finish(): void {
    this.#append(this.#held)
    this.#held = ''
  }

  #append(text: string): void {
    appendFileSync(this.path, text)
  }

  #nextLine(): string {
    const clock = this.#options.startAt + this.#lines++ * this.#options.millisecondsPerLine
    if (randomInteger(this.#random, oneBadLineIn) === 0) return `upstream timed out, request ${this.#lines} was dropped`
    const hit = {
      // the square makes the first paths the popular ones
      path: pick(paths, this.#random.next() ** 2),
      method: this.#random.next() < 0.9 ? 'GET' : 'POST',
      status: pick(statuses, this.#random.next()),
      at: clock - randomInteger(this.#random, disorderMs),
    }
    return formatAccessLine(hit, `203.0.113.${randomInteger(this.#random, 256)}`, randomInteger(this.#random, 20_000))
  }

  #rotate(): void {
    for (const { file, number } of rotatedFiles(this.#options.directory)) renameSync(file, `${this.path}.${number + 1}`)
    renameSync(this.path, `${this.path}.1`)
  }
}

/** The files of a log that was rotated by renaming, oldest first. */
export function logFiles(directory: string): string[] {
  const current = join(directory, 'access.log')
  return [...rotatedFiles(directory).map(({ file }) => file), ...(existsSync(current) ? [current] : [])]
}

function rotatedFiles(directory: string): { file: string; number: number }[] {
  return readdirSync(directory)
    .flatMap((name) => {
      const number = /^access\.log\.(\d+)$/.exec(name)?.[1]
      return number === undefined ? [] : [{ file: join(directory, name), number: Number(number) }]
    })
    .sort((a, b) => b.number - a.number)
}

function pick<T>(choices: readonly T[], fraction: number): T {
  return choices[Math.floor(fraction * choices.length)] as T
}
