/**
 * Puts the lines of each file together to entries.
 *
 *   line ──continues?──► open entry ──complete, next begins, bound reached, or quiet for too long──► given
 *
 * The stored position moves only behind entries that were given, so after a crash an entry is read again from its first line.
 */
import type { SourceOffset, SourcePartition } from 'millrace/connect'
import type { TailedFile } from '../tail/tailed-file.ts'
import type { EntryRule } from './entry-rule.ts'

/** One line with where it stands. */
export interface PlacedLine {
  readonly file: TailedFile
  /** Who the file was when the line was read. */
  readonly sourcePartition: SourcePartition
  readonly text: string
  /** Position of its first byte. */
  readonly start: number
  readonly bytes: number
  /** Its number, from 1; unset where nobody counts. */
  readonly line: number | undefined
  /** The offset to store once it was given; to be asked before the next poll. */
  readonly offset: () => SourceOffset
  /** Why its bytes are no text; it is an entry by itself then. */
  readonly error?: unknown
}

export interface Entry extends PlacedLine {
  readonly lineCount: number
}

export interface AssemblerLimits {
  readonly maxLines: number
  readonly maxBytes: number
  /** How long an entry waits for its next line. */
  readonly timeoutMs: number
}

interface OpenEntry extends Entry {
  readonly touchedMs: number
}

export class EntryAssembler {
  readonly #rule: EntryRule
  readonly #limits: AssemblerLimits
  /** By the key of the file. */
  readonly #open = new Map<string, OpenEntry>()

  constructor(rule: EntryRule, limits: AssemblerLimits) {
    this.#rule = rule
    this.#limits = limits
  }

  /** The entries that are complete now, oldest first. */
  add(line: PlacedLine, nowMs: number): Entry[] {
    const { key } = line.file
    const given: Entry[] = []
    let before = this.#open.get(key)
    if (before !== undefined && !this.#fits(before, line)) {
      given.push(before)
      this.#open.delete(key)
      before = undefined
    }
    const entry = before === undefined ? { ...line, lineCount: 1, touchedMs: nowMs } : joined(before, line, nowMs)
    const isFull = entry.lineCount >= this.#limits.maxLines || entry.bytes >= this.#limits.maxBytes
    if (isFull || entry.error !== undefined || this.#rule.isComplete(entry.text)) {
      this.#open.delete(key)
      given.push(entry)
    } else {
      this.#open.set(key, remembered(entry))
    }
    return given
  }

  /** Entries that have waited long enough. */
  flush(nowMs: number): Entry[] {
    const due = [...this.#open].filter(([, { touchedMs }]) => nowMs - touchedMs >= this.#limits.timeoutMs)
    for (const [key] of due) this.#open.delete(key)
    return due.map(([, entry]) => entry)
  }

  /** The open entry of a file, whatever it waits for. */
  take({ key }: TailedFile): Entry | undefined {
    const open = this.#open.get(key)
    this.#open.delete(key)
    return open
  }

  get isEmpty(): boolean {
    return this.#open.size === 0
  }

  #fits(before: OpenEntry, line: PlacedLine): boolean {
    const follows = line.start >= before.start + before.bytes // not so when the file was written anew
    return follows && line.error === undefined && before.bytes + 1 + line.bytes <= this.#limits.maxBytes && this.#rule.continues(line.text, before.text)
  }
}

/** Open entries are given by later polls. */
function remembered(entry: OpenEntry): OpenEntry {
  const offset = entry.offset()
  return { ...entry, offset: () => offset }
}

function joined(before: OpenEntry, line: PlacedLine, nowMs: number): OpenEntry {
  return { ...before, text: `${before.text}\n${line.text}`, bytes: before.bytes + 1 + line.bytes, offset: line.offset, lineCount: before.lineCount + 1, touchedMs: nowMs }
}
