/**
 * Puts a compacted segment in the place of those it was made from, so that a crash at any moment leaves the old ones or the new:
 * ```
 *   cleaned/<base>.log, .index, … written and synced ──▶ millrace.compaction written (from here on it is done)
 *     ──▶ old files removed, new ones renamed ──▶ millrace.compaction removed
 * ```
 * What was interrupted before the commit is thrown away when the log is opened; after it, it is done again to the end.
 */
import { join } from 'node:path'
import { crc32c } from './crc32c.ts'
import { offsetOfFileName, segmentFileName } from './file-names.ts'
import { replaceFile } from './file-system.ts'
import type { FileSystem } from './file-system.ts'

export interface CompactionCommit {
  /** Of the new segment, and of the first that it replaces. */
  readonly baseOffset: number
  /** It replaces all segments that begin before. */
  readonly endOffset: number
  readonly hasTransactionIndex: boolean
}

const renamed = ['log', 'index', 'timeindex', 'txnindex', 'txncheck'] as const
const commitName = 'millrace.compaction'
const maxCommitBytes = 256

/** Where compacted segments are made. */
export function cleanedDirectory(directory: string): string {
  return join(directory, 'cleaned')
}

export function writeCommit(fileSystem: FileSystem, directory: string, commit: CompactionCommit): Promise<void> {
  return replaceFile(fileSystem, join(directory, commitName), Buffer.from(textOf(commit)))
}

function textOf({ baseOffset, endOffset, hasTransactionIndex }: CompactionCommit): string {
  const body = `${baseOffset} ${endOffset} ${hasTransactionIndex ? 1 : 0}`
  return `${body} ${crc32c(Buffer.from(body))}\n`
}

/** The same however often it is done, and from wherever it was interrupted. No reader may look meanwhile. */
export function applyCommit(fileSystem: FileSystem, directory: string, commit: CompactionCommit): void {
  const { baseOffset, endOffset, hasTransactionIndex } = commit
  for (const name of fileSystem.list(directory)) {
    const isReplaced = [...renamed, 'snapshot' as const].some((kind) => {
      const offset = offsetOfFileName(name, kind)
      return offset !== null && offset > baseOffset && offset < endOffset
    })
    if (isReplaced) fileSystem.remove(join(directory, name))
  }
  if (!hasTransactionIndex) for (const kind of ['txnindex', 'txncheck'] as const) fileSystem.remove(join(directory, segmentFileName(baseOffset, kind)))
  for (const kind of renamed) {
    const cleaned = join(cleanedDirectory(directory), segmentFileName(baseOffset, kind))
    if (fileSystem.stat(cleaned) !== null) fileSystem.rename(cleaned, join(directory, segmentFileName(baseOffset, kind)))
  }
}

export async function finishCommit(fileSystem: FileSystem, directory: string): Promise<void> {
  await fileSystem.syncDirectory(directory)
  fileSystem.remove(join(directory, commitName))
  fileSystem.removeDirectory(cleanedDirectory(directory))
}

/** When a log is opened: ends what was committed, and removes what was not. */
export async function recoverCompaction(fileSystem: FileSystem, directory: string): Promise<void> {
  const bytes = fileSystem.readFile(join(directory, commitName), maxCommitBytes)
  const commit = bytes === null ? null : parse(Buffer.from(bytes).toString('latin1'))
  if (commit !== null) applyCommit(fileSystem, directory, commit)
  if (bytes !== null || fileSystem.stat(cleanedDirectory(directory)) !== null) await finishCommit(fileSystem, directory)
}

function parse(text: string): CompactionCommit | null {
  const match = /^(\d+) (\d+) ([01]) \d+\n$/.exec(text)
  if (match === null) return null
  const commit = { baseOffset: Number(match[1]), endOffset: Number(match[2]), hasTransactionIndex: match[3] === '1' }
  return textOf(commit) === text ? commit : null
}
