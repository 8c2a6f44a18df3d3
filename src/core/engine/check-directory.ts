import { StreamError } from '../errors.ts'
import type { CheckFinding, PartitionCheck } from '../log/check.ts'
import { listPartitions, partitionPath } from '../log/data-directory.ts'
import { DirectoryLock } from '../log/directory-lock.ts'
import { nodeFileSystem } from '../log/file-system.ts'
import type { FileSystem } from '../log/file-system.ts'
import { systemRandom } from '../random.ts'
import type { TopicPartition } from '../record.ts'

export type { CheckFinding, PartitionCheck }

export interface DirectoryCheckOptions {
  readonly directory: string
  readonly fileSystem?: FileSystem
}

/**
 * Proves that a data directory is consistent, partition by partition, or names file and position of what is not; nothing in it is
 * changed. What a journal holds is taken for written, as the next start does it. A broker's log directory can be checked too.
 * @throws INVALID_ARGUMENT when there is no such directory, DIRECTORY_LOCKED, STORAGE_CORRUPT when the journal or the catalog is damaged
 */
export async function checkDataDirectory(options: DirectoryCheckOptions): Promise<readonly (TopicPartition & PartitionCheck)[]> {
  const [{ checkPartition }, { asRedone }] = await Promise.all([import('../log/check.ts'), import('./directory-journal.ts')])
  return inLockedDirectory(options, (fileSystem, directory) => {
    const redone = asRedone(fileSystem, directory)
    return listPartitions(fileSystem, directory).map((target) => ({ ...target, ...checkPartition(redone, partitionPath(directory, target)) }))
  })
}

/** @throws INVALID_ARGUMENT when there is no such directory, DIRECTORY_LOCKED */
export async function inLockedDirectory<T>({ directory, fileSystem = nodeFileSystem }: DirectoryCheckOptions, run: (fileSystem: FileSystem, directory: string) => T | Promise<T>): Promise<T> {
  if (!fileSystem.stat(directory)?.isDirectory) throw new StreamError('INVALID_ARGUMENT', `${directory} is no directory`, { details: { directory } })
  const lock = await DirectoryLock.acquire({ fileSystem, directory, random: systemRandom, pid: process.pid })
  try {
    return await run(fileSystem, directory)
  } finally {
    lock.release()
  }
}
