/**
 * How much of a partition is known to be whole and on disk, so that opening it need not look at that part again. It is our own
 * file among Kafka's; without it everything is scanned. It is only ever replaced whole, and after what it vouches for is on disk.
 */
import { dirname, join } from 'node:path'
import { crc32c } from './crc32c.ts'
import { allEnded, replaceFile } from './file-system.ts'
import type { FileSystem } from './file-system.ts'

export interface LogCheckpoint {
  readonly logStartOffset: number
  /** Everything before this offset is on disk, in its segment's indexes, and in the producer snapshot of that name. */
  readonly recoveryOffset: number
  /** Where that offset begins: in the segment of this base offset, at this position. */
  readonly segmentBaseOffset: number
  readonly position: number
  /** Entries of that segment's indexes up to there; what their files hold beyond is not vouched for. */
  readonly offsetEntries: number
  readonly timeEntries: number
  readonly transactionEntries: number
  /** Everything before was compacted. */
  readonly cleanedOffset: number
}

const fileName = 'millrace.checkpoint'
const maxBytes = 1024
const keys = ['logStartOffset', 'recoveryOffset', 'segmentBaseOffset', 'position', 'offsetEntries', 'timeEntries', 'transactionEntries', 'cleanedOffset'] as const

/** null when there is none, or none that can be believed. */
export function readCheckpoint(fileSystem: FileSystem, directory: string): LogCheckpoint | null {
  const path = join(directory, fileName)
  const sizeBytes = fileSystem.stat(path)?.sizeBytes ?? Infinity
  const bytes = sizeBytes > maxBytes ? null : fileSystem.readFile(path, maxBytes)
  return bytes === null ? null : parse(Buffer.from(bytes).toString('latin1'))
}

export async function writeCheckpoint(fileSystem: FileSystem, directory: string, checkpoint: LogCheckpoint): Promise<void> {
  const body = bodyOf(checkpoint)
  await replaceFile(fileSystem, join(directory, fileName), Buffer.from(`${body}crc=${crc32c(Buffer.from(body))}\n`))
}

/** The checkpoint of an open log: what was last written, or found. Written by one at a time. */
export class CheckpointFile {
  readonly #log: { readonly fileSystem: FileSystem; readonly directory: string }
  #last: LogCheckpoint | null

  /** `last`: as `readCheckpoint` found it. */
  constructor(log: { readonly fileSystem: FileSystem; readonly directory: string }, last: LogCheckpoint | null) {
    this.#log = log
    this.#last = last
  }

  get logStartOffset(): number {
    return this.#last?.logStartOffset ?? 0
  }

  /**
   * Of a log that nobody knows yet, whose directory and first segment were made just now: a crash may leave any part of it. Their names are on disk
   * afterwards, and a checkpoint, so that no gap is ever taken for compaction's. Indexes and a snapshot of nothing are not needed.
   */
  async begin(): Promise<void> {
    const nothing = { recoveryOffset: 0, segmentBaseOffset: 0, position: 0, offsetEntries: 0, timeEntries: 0, transactionEntries: 0 }
    const steps = [this.#log.fileSystem.syncDirectory(dirname(this.#log.directory)), this.write({ logStartOffset: 0, cleanedOffset: 0, ...nothing })]
    await allEnded(steps)
  }

  async write(checkpoint: LogCheckpoint): Promise<void> {
    await writeCheckpoint(this.#log.fileSystem, this.#log.directory, checkpoint)
    this.#last = checkpoint
  }

  /** Whether nothing has changed since, and the next one would say the same. `segmentBaseOffset`: of the active one. */
  vouchesFor({ logStartOffset, logEndOffset }: { readonly logStartOffset: number; readonly logEndOffset: number }, cleanedOffset: number, segmentBaseOffset: number): boolean {
    const last = this.#last
    const isSame = last?.logStartOffset === logStartOffset && last.recoveryOffset === logEndOffset
    return isSame && last.cleanedOffset === cleanedOffset && last.segmentBaseOffset === segmentBaseOffset
  }
}

function bodyOf(checkpoint: LogCheckpoint): string {
  return ['version=1', ...keys.map((key) => `${key}=${checkpoint[key]}`), ''].join('\n')
}

function parse(text: string): LogCheckpoint | null {
  const values = new Map(text.split('\n').map((line) => line.split('=', 2) as [string, string | undefined]))
  const numbers = keys.map((key) => Number(values.get(key)))
  if (!numbers.every((value) => Number.isSafeInteger(value) && value >= 0)) return null
  const checkpoint = Object.fromEntries(keys.map((key, i) => [key, numbers[i]!])) as unknown as LogCheckpoint
  const body = bodyOf(checkpoint)
  return text === `${body}crc=${crc32c(Buffer.from(body))}\n` ? checkpoint : null
}
