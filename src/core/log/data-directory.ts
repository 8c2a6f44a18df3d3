import { join } from 'node:path'
import { StreamError } from '../errors.ts'
import type { TopicPartition } from '../record.ts'
import { systemRandom } from '../random.ts'
import type { Random } from '../random.ts'
import { DirectoryLock } from './directory-lock.ts'
import { replaceFile } from './file-system.ts'
import type { FileSystem } from './file-system.ts'

export interface DataDirectoryOptions {
  readonly directory: string
  readonly fileSystem: FileSystem
  readonly random?: Random
  /** Default: of this process. */
  readonly pid?: number
}

/** The version of the layout below a data directory. Raised when an older program could not read what a newer one writes. */
export const directoryFormat = 1

const formatFileName = 'millrace.format'
const maxFormatBytes = 64

/** A directory that this process owns: one subdirectory a partition, `<topic>-<partition>`, as a Kafka broker's. */
export class DataDirectory {
  readonly path: string
  readonly #fileSystem: FileSystem
  readonly #lock: DirectoryLock

  private constructor(path: string, fileSystem: FileSystem, lock: DirectoryLock) {
    this.path = path
    this.#fileSystem = fileSystem
    this.#lock = lock
  }

  /** Creates or opens. @throws DIRECTORY_LOCKED, UNSUPPORTED_FORMAT, STORAGE_ERROR */
  static async open({ directory, fileSystem, random = systemRandom, pid = process.pid }: DataDirectoryOptions): Promise<DataDirectory> {
    fileSystem.makeDirectory(directory)
    const lock = await DirectoryLock.acquire({ fileSystem, directory, random, pid })
    try {
      await ensureFormat(fileSystem, directory)
      return new DataDirectory(directory, fileSystem, lock)
    } catch (error) {
      lock.release()
      throw error
    }
  }

  /** In the order of topics and partitions. */
  partitions(): readonly TopicPartition[] {
    return listPartitions(this.#fileSystem, this.path)
  }

  partitionPath(target: TopicPartition): string {
    return partitionPath(this.path, target)
  }

  /** Lets another process in. Safe to call twice. */
  close(): void {
    this.#lock.release()
  }
}

/** In the order of topics and partitions. */
export function listPartitions(fileSystem: FileSystem, directory: string): readonly TopicPartition[] {
  const found = fileSystem.list(directory).map(parsePartition).filter((partition) => partition !== null)
  return found.toSorted((a, b) => (a.topic === b.topic ? a.partition - b.partition : a.topic < b.topic ? -1 : 1))
}

export function partitionPath(directory: string, { topic, partition }: TopicPartition): string {
  return join(directory, `${topic}-${partition}`)
}

/** null: the name of a directory that is no partition's. */
export function parsePartition(name: string): TopicPartition | null {
  const match = /^([a-zA-Z0-9._-]+)-(\d+)$/.exec(name)
  return match === null ? null : { topic: match[1]!, partition: Number(match[2]) }
}

async function ensureFormat(fileSystem: FileSystem, directory: string): Promise<void> {
  const path = join(directory, formatFileName)
  const bytes = fileSystem.readFile(path, maxFormatBytes)
  if (bytes === null) return replaceFile(fileSystem, path, Buffer.from(`${directoryFormat}\n`))
  const text = Buffer.from(bytes).toString('latin1').trim()
  const format = /^\d+$/.test(text) ? Number(text) : Number.NaN
  if (format === directoryFormat) return
  if (format > directoryFormat) {
    throw new StreamError('UNSUPPORTED_FORMAT', `${directory} was written by a newer version: its format is ${format}, this version knows format ${directoryFormat}; update to open it`, { details: { directory, format } })
  }
  throw new StreamError('STORAGE_CORRUPT', `${path} should hold the number of a directory format, but holds ${JSON.stringify(text)}`, { details: { path } })
}
