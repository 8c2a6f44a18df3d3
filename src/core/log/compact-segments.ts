import { applyCommit, finishCommit, writeCommit } from './compaction-commit.ts'
import { countCompactable, groupSegments } from './compaction-plan.ts'
import { Compaction } from './compaction.ts'
import type { CompactionJob } from './compaction.ts'
import type { SegmentList } from './segment-list.ts'
import { Segment } from './segment.ts'

export interface CompactionRun extends Omit<CompactionJob, 'segments' | 'aborted'> {
  readonly segments: SegmentList
  readonly lastStableOffset: number
  /** Runs what replaces files, alone. */
  readonly exclusively: <T>(run: () => Promise<T>) => Promise<T>
}

/**
 * One pass of compaction over a log:
 * 1. Decide which segments may and should be compacted.
 * 2. Find the last offset of every key.
 * 3. Copy each group of segments without what was replaced, and put the copy in its place.
 * Resolves to the offset that everything before was compacted up to now; `dirtyFrom` when there was nothing to do.
 * @throws STORAGE_CORRUPT, STORAGE_FULL, STORAGE_ERROR: what was not put in place yet is as it was
 */
export async function compactSegments(run: CompactionRun): Promise<number> {
  const { segments, config, nowMs, dirtyFrom, lastStableOffset } = run
  for (const segment of segments) segment.ensureTimeIndex()
  const count = countCompactable({ segments: segments.first(segments.count), config, nowMs, cleanedOffset: dirtyFrom, lastStableOffset })
  if (count === 0) return dirtyFrom
  const wanted = segments.first(count)
  const aborted = segments.abortedIn(wanted[0]!.baseOffset, wanted.at(-1)!.endOffset)
  const compaction = new Compaction({ ...run, segments: wanted, aborted })
  const known = await compaction.findKeys()
  for (const group of groupSegments(known.segments, config.segmentBytes)) {
    const cleaned = await compaction.copy(group)
    if (!await run.exclusively(() => replaceSegments(run, group, cleaned))) return dirtyFrom
  }
  return known.knownTo
}

/** False when retention took one of them meanwhile: the rest is left for the next pass. */
async function replaceSegments(run: CompactionRun, group: readonly Segment[], cleaned: Segment): Promise<boolean> {
  const { fileSystem, directory, handles, config } = run
  const commit = { baseOffset: cleaned.baseOffset, endOffset: group.at(-1)!.endOffset, hasTransactionIndex: cleaned.transactionIndex.file.count > 0 }
  cleaned.close()
  if (!run.segments.includes(group)) return false
  await writeCommit(fileSystem, directory, commit)
  // No reader comes between here and the replacement: all of it is synchronous.
  for (const segment of group) segment.close()
  applyCommit(fileSystem, directory, commit)
  run.segments.replace(group, Segment.openSealed({ fileSystem, directory, handles, baseOffset: commit.baseOffset, indexIntervalBytes: config.indexIntervalBytes })!)
  await finishCommit(fileSystem, directory)
  return true
}
