/**
 * What the work of a topology takes when somebody writes it by hand for this one case, with nothing else: no keys, offsets, timestamps,
 * transactions or restart, text in files with a length before it, counts in a Map. From file to file, with a checksum of each block on both ways, and on disk
 * ten times a second: a yardstick for `streams.js`, of a plain program that nobody has made fast.
 * `node dist/bench/by-hand.js [name…]`; MILLRACE_BENCH_RECORDS is the size of a run.
 */
import { closeSync, fdatasyncSync, openSync, readSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { crc32c } from '../src/core/log/crc32c.ts'
import { bench, benchDirectory } from './harness.ts'
import { lineTexts, parseEvents, sideTexts, wordsIn } from './reference-programs.ts'

const recordCount = Number(process.env['MILLRACE_BENCH_RECORDS'] ?? 1_000_000)
const lineCount = recordCount / 10
const blockBytes = 256 * 1024
/** More than any text here has. */
const longest = 256
const syncIntervalMs = 100

const directory = benchDirectory()

/** Texts of up to 255 bytes, each behind its length, in a file. */
class TextFile {
  readonly #fd: number
  readonly #block = Buffer.allocUnsafeSlow(blockBytes + 2 * longest)
  #used = 0
  #written = 0
  #read = 0

  constructor(name: string) {
    this.#fd = openSync(join(directory.path, name), 'w+')
  }

  add(text: string): void {
    if (this.#used >= blockBytes) this.drain()
    const at = this.#used
    const length = text.length < 24 ? this.#addShort(text, at + 1) : this.#block.write(text, at + 1, 'utf8')
    this.#block[at] = length
    this.#used = at + 1 + length
  }

  #addShort(text: string, at: number): number {
    for (let index = 0; index < text.length; index++) this.#block[at + index] = text.charCodeAt(index)
    return text.length
  }

  drain(): void {
    crc32c(this.#block.subarray(0, this.#used))
    this.#written += writeSync(this.#fd, this.#block, 0, this.#used, this.#written)
    this.#used = 0
  }

  /** Those that were drained and not read yet. */
  readNew(block: Buffer, visit: (text: string) => void): void {
    while (this.readBlock(block, visit)) { /* the next one */ }
  }

  /** As `readNew`, of one block; false: there was nothing new. */
  readBlock(block: Buffer, visit: (text: string) => void): boolean {
    // Behind what was written may stand what was there before.
    const length = Math.min(block.length, this.#written - this.#read)
    if (length === 0) return false
    const end = readSync(this.#fd, block, 0, length, this.#read)
    crc32c(block.subarray(0, end))
    let at = 0
    for (; at < end && at + 1 + block[at]! <= end; at += 1 + block[at]!) visit(block.toString('latin1', at + 1, at + 1 + block[at]!))
    this.#read += at
    return true
  }

  rewind(): void {
    this.#read = 0
  }

  empty(): void {
    this.#used = this.#written = this.#read = 0
  }

  sync(): void {
    this.drain()
    fdatasyncSync(this.#fd)
  }

  close(): void {
    closeSync(this.#fd)
  }
}

/** Calls `commit` when it is due, and at the end. */
class Commits {
  readonly #commit: () => void
  #last = performance.now()

  constructor(commit: () => void) {
    this.#commit = commit
  }

  check(): void {
    if (performance.now() - this.#last < syncIntervalMs) return
    this.#commit()
    this.#last = performance.now()
  }

  end(): void {
    this.#commit()
  }
}

function filled(name: string, texts: Iterable<string>): TextFile {
  const file = new TextFile(name)
  for (const text of texts) file.add(text)
  file.sync()
  return file
}

/** As `chainProgram(3)`. */
function stateless(): () => void {
  const lines = filled('lines', lineTexts(recordCount))
  const out = new TextFile('out')
  const block = Buffer.allocUnsafeSlow(1024 * 1024)
  return () => {
    lines.rewind()
    out.empty()
    let seen = 0
    let count = 0
    const commits = new Commits(() => out.sync())
    lines.readNew(block, (line) => {
      if ((++count & 4095) === 0) commits.check()
      if (line.charCodeAt(0) === 97) return
      const value = line.slice(1)
      seen += value.length
      out.add(value)
    })
    commits.end()
    if (seen === 0) throw new Error('nothing was seen')
  }
}

/** As `wordCountProgram`: each word goes through a file as key and value; with each commit the counts that changed go to a changelog and to the output. */
function words(): () => void {
  const lines = filled('word-lines', lineTexts(lineCount))
  const [between, changelog, out] = [new TextFile('words'), new TextFile('changelog'), new TextFile('counts')]
  const [block, wordBlock] = [Buffer.allocUnsafeSlow(64 * 1024), Buffer.allocUnsafeSlow(1024 * 1024)]
  return () => {
    lines.rewind()
    for (const file of [between, changelog, out]) file.empty()
    const counts = new Map<string, number>()
    const changed = new Set<string>()
    let isKey = false
    const commits = new Commits(() => {
      for (const word of changed) for (const file of [changelog, out]) {
        file.add(word)
        file.add(String(counts.get(word)))
      }
      changed.clear()
      for (const file of [between, changelog, out]) file.sync()
    })
    const count = (word: string) => {
      isKey = !isKey
      if (!isKey) return
      counts.set(word, (counts.get(word) ?? 0) + 1)
      changed.add(word)
    }
    let lineNumber = 0
    lines.readNew(block, (line) => {
      for (const word of line.split(' ')) {
        between.add(word)
        between.add(word)
      }
      if ((++lineNumber & 1023) !== 0) return
      between.drain()
      between.readNew(wordBlock, count)
      commits.check()
    })
    between.drain()
    between.readNew(wordBlock, count)
    commits.end()
  }
}

/** Both sides of a join of tables, with what is kept and written of each. */
class TwoTables {
  readonly sides = (['left', 'right'] as const).map((side) => filled(side, sideTexts(side, recordCount / 2)))
  readonly tables = this.sides.map(() => new Map<string, string>())
  readonly block = Buffer.allocUnsafeSlow(64 * 1024)
  readonly #out = new TextFile('joined')
  readonly #changelogs = this.sides.map((_, index) => new TextFile(`changelog-${index}`))

  begin(): void {
    for (const file of this.sides) file.rewind()
    for (const file of [this.#out, ...this.#changelogs]) file.empty()
    for (const table of this.tables) table.clear()
  }

  /** The change, and the joined row where the other side has one. */
  write(index: number, key: string, text: string): void {
    const changelog = this.#changelogs[index]!
    changelog.add(key)
    changelog.add(text)
    const other = this.tables[1 - index]!.get(key)
    if (other === undefined) return
    this.#out.add(key)
    this.#out.add(index === 0 ? text + other : other + text)
  }

  sync(): void {
    for (const file of [this.#out, ...this.#changelogs]) file.sync()
  }
}

/**
 * As `tableTableProgram`: both tables in memory, each change in a changelog, the joined rows in the output. It writes a row once, when the second side comes;
 * tables with caches, which are emptied one after the other, write nearly all of them twice (as Kafka Streams).
 */
function tableTable(): () => void {
  const two = new TwoTables()
  const { sides, tables, block } = two
  return () => {
    two.begin()
    const commits = new Commits(() => two.sync())
    for (const [index, side] of sides.entries()) {
      let key: string | null = null
      let count = 0
      side.readNew(block, (text) => {
        if (key === null) return void (key = text)
        tables[index]!.set(key, text)
        two.write(index, key, text)
        key = null
        if ((++count & 1023) === 0) commits.check()
      })
    }
    commits.end()
  }
}

/**
 * As `tableTable`, with as many rows written as by tables with caches: both sides are read in turns, and with each commit the rows that changed are joined
 * and written, one side after the other.
 */
function cachedTables(): () => void {
  const two = new TwoTables()
  const { sides, tables, block } = two
  return () => {
    two.begin()
    const changed = sides.map(() => new Set<string>())
    const keys: (string | null)[] = sides.map(() => null)
    const flush = (index: number) => {
      for (const key of changed[index]!) two.write(index, key, tables[index]!.get(key)!)
      changed[index]!.clear()
    }
    const commits = new Commits(() => {
      for (const index of sides.keys()) flush(index)
      two.sync()
    })
    const readBlock = (side: TextFile, index: number) => side.readBlock(block, (text) => {
      const key = keys[index]!
      keys[index] = key === null ? text : null
      if (key === null) return
      tables[index]!.set(key, text)
      changed[index]!.add(key)
    })
    while (sides.map(readBlock).includes(true)) commits.check()
    commits.end()
  }
}

const cases = {
  'stateless-3': { make: stateless, units: () => recordCount },
  'words': { make: words, units: () => wordsIn(lineCount) },
  'table-table': { make: tableTable, units: () => recordCount },
  'cached-table-table': { make: cachedTables, units: () => recordCount },
}

const asked = process.argv.slice(2)
for (const [name, { make, units }] of Object.entries(cases)) {
  if (asked.length > 0 && !asked.some((part) => name.startsWith(part))) continue
  await bench({ name: `by-hand-${name}`, records: units(), bytes: 0, run: make(), against: parseEvents(units()) })
}
directory.remove()
