import { listPartitions, partitionPath } from '../log/data-directory.ts'
import type { LostRange, RepairMode } from '../log/repair-partition.ts'
import type { TopicPartition } from '../record.ts'
import { inLockedDirectory } from './check-directory.ts'
import type { DirectoryCheckOptions } from './check-directory.ts'

export type { LostRange, RepairMode }

export interface PartitionRepair extends TopicPartition {
  /** In the order of offsets; empty for a sound partition. */
  readonly lost: readonly LostRange[]
}

/**
 * What would have to be given up so that a damaged data directory can be written again: every good batch stays at its offset, before
 * and behind the damage. With `cut` the damaged logs are replaced by what is left; the originals stay beside them, under the
 * name `<segment>.log.damaged`. Indexes and snapshots are made again at the next open. A crash in between leaves the damaged
 * log or the repaired one. What a journal holds is taken for written, and with `cut` put in place before, as at any start.
 * @throws INVALID_ARGUMENT when there is no such directory, DIRECTORY_LOCKED, STORAGE_CORRUPT when the journal or the catalog is damaged, STORAGE_FULL, STORAGE_ERROR
 */
export async function repairDataDirectory(options: DirectoryCheckOptions, mode: RepairMode): Promise<readonly PartitionRepair[]> {
  const [{ repairPartition }, { asRedone, redoDirectory }] = await Promise.all([import('../log/repair-partition.ts'), import('./directory-journal.ts')])
  return inLockedDirectory(options, async (fileSystem, directory) => {
    if (mode === 'cut') await redoDirectory(fileSystem, directory)
    const files = mode === 'cut' ? fileSystem : asRedone(fileSystem, directory)
    const repairs: PartitionRepair[] = []
    for (const target of listPartitions(fileSystem, directory)) repairs.push({ ...target, lost: await repairPartition(files, partitionPath(directory, target), mode) })
    return repairs
  })
}
