/** The journal of a data directory, whose bytes belong to the topics that the catalog still has. */
import { parsePartition } from '../log/data-directory.ts'
import type { FileSystem } from '../log/file-system.ts'
import { RedoneFileSystem } from '../log/redone-files.ts'
import { journalledBytes, redoJournal } from '../log/redo-journal.ts'
import type { RedoOptions } from '../log/redo-journal.ts'
import { journalPaths } from '../log/sync-journal.ts'
import { TopicCatalog } from './topic-catalog.ts'

/** Puts in place what the journal holds, before a log is opened. @throws as `redoJournal`; STORAGE_CORRUPT, UNSUPPORTED_FORMAT for the catalog */
export async function redoDirectory(fileSystem: FileSystem, directory: string, catalog?: TopicCatalog): Promise<void> {
  if (journalPaths(fileSystem, directory).length > 0) await redoJournal(redoOptions(fileSystem, directory, catalog))
}

/** The directory as `redoDirectory` would make it, for reading; nothing is written. @throws as `redoDirectory` */
export function asRedone(fileSystem: FileSystem, directory: string): FileSystem {
  return journalPaths(fileSystem, directory).length > 0 ? new RedoneFileSystem(fileSystem, journalledBytes(redoOptions(fileSystem, directory))) : fileSystem
}

function redoOptions(fileSystem: FileSystem, directory: string, catalog = TopicCatalog.open(fileSystem, directory)): RedoOptions {
  return { fileSystem, directory, isCurrent: (name, topicId) => catalog.topics.get(parsePartition(name)?.topic ?? '')?.topicId === topicId }
}
