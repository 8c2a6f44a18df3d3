import { StreamError } from '../errors.ts'
import { systemRandom } from '../random.ts'
import type { TopicPartition } from '../record.ts'
import type { PartitionCheck } from './check.ts'
import { listPartitions, partitionPath } from './data-directory.ts'
import { DirectoryLock } from './directory-lock.ts'
import { nodeFileSystem } from './file-system.ts'
import type { FileSystem } from './file-system.ts'

export interface DirectoryCheckOptions {
  readonly directory: string
  readonly fileSystem?: FileSystem
}

/**
 * Proves that a data directory is consistent, partition by partition, or names file and position of what is not; nothing in it is
 * changed. A broker's log directory can be checked too. @throws INVALID_ARGUMENT when there is no such directory, DIRECTORY_LOCKED
 */
export async function checkDataDirectory({ directory, fileSystem = nodeFileSystem }: DirectoryCheckOptions): Promise<readonly (TopicPartition & PartitionCheck)[]> {
  if (!fileSystem.stat(directory)?.isDirectory) throw new StreamError('INVALID_ARGUMENT', `${directory} is no directory`, { details: { directory } })
  const { checkPartition } = await import('./check.ts')
  const lock = await DirectoryLock.acquire({ fileSystem, directory, random: systemRandom, pid: process.pid })
  try {
    return listPartitions(fileSystem, directory).map((target) => ({ ...target, ...checkPartition(fileSystem, partitionPath(directory, target)) }))
  } finally {
    lock.release()
  }
}
