import { StreamError } from '../errors.ts'
import { systemRandom } from '../random.ts'
import type { TopicPartition } from '../record.ts'
import type { DirectoryCheckOptions } from './check-directory.ts'
import { listPartitions, partitionPath } from './data-directory.ts'
import { DirectoryLock } from './directory-lock.ts'
import { nodeFileSystem } from './file-system.ts'

/** Bytes of a log that hold no good batch, and the offsets that are missing with them. */
export interface LostRange {
  readonly path: string
  readonly position: number
  readonly bytes: number
  readonly firstOffset: number
  /** Below `firstOffset` where nothing but noise between two batches goes. null: up to the end, which nothing tells. */
  readonly lastOffset: number | null
}

export interface PartitionRepair extends TopicPartition {
  /** In the order of offsets; empty for a sound partition. */
  readonly lost: readonly LostRange[]
}

/** `none` only says what would be lost; `cut` does it. */
export type RepairMode = 'none' | 'cut'

/**
 * What would have to be given up so that a damaged data directory can be written again: every good batch stays at its offset, before
 * and behind the damage. With `cut` the damaged logs are replaced by what is left; the originals stay beside them, under the
 * name `<segment>.log.damaged`. Indexes and snapshots are made again at the next open. A crash in between leaves the damaged
 * log or the repaired one. A directory whose journal holds writes that are to be put in place first is refused: any start does that.
 * @throws INVALID_ARGUMENT when there is no such directory, or it has a journal, DIRECTORY_LOCKED, STORAGE_FULL, STORAGE_ERROR
 */
export async function repairDataDirectory({ directory, fileSystem = nodeFileSystem }: DirectoryCheckOptions, mode: RepairMode): Promise<readonly PartitionRepair[]> {
  if (!fileSystem.stat(directory)?.isDirectory) throw new StreamError('INVALID_ARGUMENT', `${directory} is no directory`, { details: { directory } })
  const [{ hasJournal }, { repairPartition }] = await Promise.all([import('./redo-journal.ts'), import('./repair-partition.ts')])
  const lock = await DirectoryLock.acquire({ fileSystem, directory, random: systemRandom, pid: process.pid })
  try {
    if (hasJournal(fileSystem, directory)) {
      throw new StreamError('INVALID_ARGUMENT', `${directory} was not closed, and its journal may hold acknowledged writes that are not in the logs yet; open it once (any command that reads a topic does), then repair it`, { details: { directory } })
    }
    const repairs: PartitionRepair[] = []
    for (const target of listPartitions(fileSystem, directory)) repairs.push({ ...target, lost: await repairPartition(fileSystem, partitionPath(directory, target), mode) })
    return repairs
  } finally {
    lock.release()
  }
}
