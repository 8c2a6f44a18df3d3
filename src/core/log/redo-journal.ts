import { join } from 'node:path'
import { StreamError } from '../errors.ts'
import { offsetOfFileName, segmentFileName } from './file-names.ts'
import type { FileHandle, FileSystem } from './file-system.ts'
import { decodeFrame, maxFrameBytes, sectorBytes } from './journal-frame.ts'
import type { JournalEntry, JournalFrame } from './journal-frame.ts'
import { readCheckpoint } from './log-checkpoint.ts'
import type { JournalledBytes } from './redone-files.ts'
import { journalFileBytes, journalPaths } from './sync-journal.ts'

export interface RedoOptions {
  readonly fileSystem: FileSystem
  /** The data directory. */
  readonly directory: string
  /** Whether the partition's directory belongs to the topic of this id: one of the same name may have taken its place. */
  readonly isCurrent: (name: string, topicId: string) => boolean
}

/** Syncs that are asked for at once. */
const syncingAtOnce = 16

/**
 * After an end that was not clean, before any log is opened:
 * 1. read the frames of both files, the older generation first, up to the first that is not whole: nobody was told that one is durable
 * 2. write each frame's bytes where they belong, unless the log has vouched for its files beyond (then compaction may have changed them)
 * 3. sync the logs, then remove the journal: what they append from now on must not be written over by it
 *
 * May be interrupted and repeated. @throws STORAGE_CORRUPT when a frame in the middle is damaged, STORAGE_ERROR, STORAGE_FULL
 */
export async function redoJournal(options: RedoOptions): Promise<void> {
  const { fileSystem, directory } = options
  const paths = journalPaths(fileSystem, directory)
  if (paths.length === 0) return
  const needed = [...journalledBytes(options)]
  for (let at = 0; at < needed.length; at += syncingAtOnce) {
    await Promise.all(needed.slice(at, at + syncingAtOnce).map(([path, entries]) => rewrite(fileSystem, path, entries)))
  }
  for (const path of paths) fileSystem.remove(path)
  await fileSystem.syncDirectory(directory)
}

/** What `redoJournal` would write, and where; nothing is changed. @throws STORAGE_CORRUPT, STORAGE_ERROR */
export function journalledBytes(options: RedoOptions): JournalledBytes {
  const { fileSystem, directory } = options
  const files = journalPaths(fileSystem, directory).map((path) => scanFile(path, fileSystem.readFile(path, journalFileBytes + maxFrameBytes)!))
  for (const file of files) ensureNotDamaged(file, files)
  const frames = files.flatMap(({ frames: ofFile }) => ofFile).toSorted((a, b) => a.generation - b.generation || a.sequence - b.sequence)
  return neededBytes(options, frames)
}

// ---------------------------------------------------------------------------------------------------- reading

interface ScannedFile {
  readonly path: string
  /** From the beginning on, one behind the other. */
  readonly frames: readonly JournalFrame[]
  /** Where they end. */
  readonly position: number
  /** The newest generation of a whole frame behind that; 0 without one. */
  readonly generationBehind: number
}

function scanFile(path: string, bytes: Uint8Array): ScannedFile {
  const frames: JournalFrame[] = []
  let at = 0
  for (let found; (found = decodeFrame(bytes, at)) !== null && isNext(found.frame, frames.at(-1)); at = found.nextAt) frames.push(found.frame)
  let generationBehind = 0
  for (let behind = at; behind < bytes.length; behind += sectorBytes) {
    generationBehind = Math.max(generationBehind, decodeFrame(bytes, behind)?.frame.generation ?? 0)
  }
  return { path, frames, position: at, generationBehind }
}

function isNext({ generation, sequence }: JournalFrame, last: JournalFrame | undefined): boolean {
  return last === undefined ? sequence === 0 : generation === last.generation && sequence === last.sequence + 1
}

/**
 * Frames are written one after the other, each when the one before is on disk. So whole ones behind the end of a file are left over
 * from an older use; one of the same use, or of one newer than the other file's, shows that a frame before it was damaged.
 */
function ensureNotDamaged(file: ScannedFile, files: readonly ScannedFile[]): void {
  const used = file.frames[0]?.generation ?? 1 + Math.max(0, ...files.filter((other) => other !== file).map(newestGeneration))
  if (file.generationBehind < used) return
  const message = `${file.path} is damaged at position ${file.position}: it may hold writes that were acknowledged before a power cut and are nowhere else. ` +
    'To open the directory without them, move this file away; `check` then tells what each partition has'
  throw new StreamError('STORAGE_CORRUPT', message, { details: { path: file.path, position: file.position } })
}

function newestGeneration({ frames, generationBehind }: ScannedFile): number {
  return Math.max(generationBehind, frames.at(-1)?.generation ?? 0)
}

// ---------------------------------------------------------------------------------------------------- writing

function neededBytes(options: RedoOptions, frames: readonly JournalFrame[]): JournalledBytes {
  const byPath = new Map<string, JournalEntry[]>()
  for (const entry of frames.flatMap(({ entries }) => entries)) {
    if (!options.isCurrent(entry.name, entry.topicId)) continue
    const path = join(options.directory, entry.name, segmentFileName(entry.segmentBaseOffset, 'log'))
    const ofPath = byPath.get(path)
    if (ofPath === undefined) byPath.set(path, [entry])
    else ofPath.push(entry)
  }
  return new Map([...byPath].filter(([, [entry]]) => isNeeded(options, entry!)))
}

/** Segments before the one that the log's checkpoint is in are sealed and whole on disk; they may have been compacted or deleted since. */
function isNeeded({ fileSystem, directory }: RedoOptions, { name, segmentBaseOffset }: JournalEntry): boolean {
  const path = join(directory, name)
  if (fileSystem.stat(path) === null) return false
  const checkpoint = readCheckpoint(fileSystem, path)
  return segmentBaseOffset >= (checkpoint?.segmentBaseOffset ?? newestSegment(fileSystem, path))
}

function newestSegment(fileSystem: FileSystem, directory: string): number {
  return fileSystem.list(directory).map((name) => offsetOfFileName(name, 'log') ?? 0).reduce((newest, offset) => Math.max(newest, offset), 0)
}

async function rewrite(fileSystem: FileSystem, path: string, entries: readonly JournalEntry[]): Promise<void> {
  const file: FileHandle = fileSystem.open(path, 'write')
  try {
    for (const { bytes, position } of entries) file.write([bytes], position)
    await file.sync()
  } finally {
    file.close()
  }
}
