import { systemRandom } from '../random.ts'
import { DirectoryLock } from './directory-lock.ts'
import { nodeFileSystem } from './file-system.ts'

/**
 * Keeps everybody else out of a directory, in this process too, until it is released; makes the directory when it is not there.
 * @throws DIRECTORY_LOCKED naming the process that has it
 */
export async function lockDirectory(directory: string): Promise<{ release(): void }> {
  nodeFileSystem.makeDirectory(directory)
  return DirectoryLock.acquire({ fileSystem: nodeFileSystem, directory, random: systemRandom, pid: process.pid })
}
