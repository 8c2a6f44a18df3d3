import { join } from 'node:path'
import { openUnsyncedDirectory } from '../core/index.ts'
import type { UnsyncedDirectory } from '../core/index.ts'
import type { ResolvedConfig } from './config.ts'
import type { OpenDisk } from './runtime/task-factory.ts'
import { DiskState } from './state/disk-state.ts'
import { loadLmdb } from './state/lmdb.ts'

/**
 * Keeps other instances out of the state directory of the application, and empties it when the machine may have lost a part of it;
 * null without one. @throws DIRECTORY_LOCKED naming the process that has it
 */
export async function openState({ stateDirectory, applicationId, stateSync }: ResolvedConfig): Promise<UnsyncedDirectory | null> {
  return stateDirectory === null ? null : openUnsyncedDirectory(join(stateDirectory, applicationId), { syncsItself: stateSync === 'on-commit' })
}

/** How the tasks of an application open their stores on disk; null without a state directory. @throws UNSUPPORTED when the package for it is not installed */
export async function diskOpener({ stateDirectory, applicationId, stateSync, clock }: ResolvedConfig): Promise<OpenDisk | null> {
  if (stateDirectory === null) return null
  const lmdb = await loadLmdb()
  return (taskId) => new DiskState({ lmdb, directory: join(stateDirectory, applicationId, taskId), syncs: stateSync === 'on-commit', clock })
}
