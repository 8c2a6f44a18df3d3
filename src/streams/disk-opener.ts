import { join } from 'node:path'
import type { ResolvedConfig } from './config.ts'
import type { OpenDisk } from './runtime/task-factory.ts'
import { DiskState } from './state/disk-state.ts'
import { loadLmdb } from './state/lmdb.ts'

/** How the tasks of an application open their stores on disk; null without a state directory. @throws UNSUPPORTED when the package for it is not installed */
export async function diskOpener({ stateDirectory, applicationId, clock }: ResolvedConfig): Promise<OpenDisk | null> {
  if (stateDirectory === null) return null
  const lmdb = await loadLmdb()
  return (taskId) => new DiskState({ lmdb, directory: join(stateDirectory, applicationId, taskId), clock })
}
