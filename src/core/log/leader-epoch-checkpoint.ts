import { join } from 'node:path'
import type { FileSystem } from './file-system.ts'

const fileName = 'leader-epoch-checkpoint'
const maxBytes = 64 * 1024

/**
 * `leader-epoch-checkpoint`: version, number of entries, then `epoch startOffset` a line. The epoch of the embedded engine is
 * always 0, so the file has one entry, which begins at the log start offset. Kafka's tools read it; we never need it.
 */
export function writeLeaderEpochCheckpoint(fileSystem: FileSystem, directory: string, logStartOffset: number): void {
  const path = join(directory, fileName)
  const text = `0\n1\n0 ${logStartOffset}\n`
  const known = fileSystem.readFile(path, maxBytes)
  if (known !== null && Buffer.from(known).toString('latin1') === text) return
  const file = fileSystem.open(path, 'write')
  try {
    file.truncate(0)
    file.write([Buffer.from(text)], 0)
  } finally {
    file.close()
  }
}
