import type { FileHandle, FileSystem } from '../../src/core/log/file-system.ts'
import { MemoryFileSystem } from './memory-file-system.ts'

export interface HeldDisk {
  readonly fileSystem: FileSystem
  readonly memory: MemoryFileSystem
  /** From now on syncs of files whose path contains `part` wait, until the answer is called. */
  hold(part?: string): () => void
}

/** A disk in memory whose syncs a test can hold: what happens while something is on its way to the disk. */
export function heldDisk(memory = new MemoryFileSystem()): HeldDisk {
  let held: { readonly part: string; readonly released: Promise<void> } | null = null
  const wait = async (path: string) => {
    while (held !== null && path.includes(held.part)) await held.released
  }
  const file = (handle: FileHandle): FileHandle => ({
    path: handle.path,
    sizeBytes: () => handle.sizeBytes(),
    read: (...args) => handle.read(...args),
    readAside: (...args) => handle.readAside(...args),
    write: (...args) => handle.write(...args),
    truncate: (sizeBytes) => handle.truncate(sizeBytes),
    sync: async () => {
      await wait(handle.path)
      await handle.sync()
    },
    close: () => handle.close(),
  })
  const fileSystem: FileSystem = {
    open: (path, mode) => file(memory.open(path, mode)),
    readFile: (path, maxBytes) => memory.readFile(path, maxBytes),
    stat: (path) => memory.stat(path),
    list: (directory) => memory.list(directory),
    makeDirectory: (path) => memory.makeDirectory(path),
    rename: (from, to) => memory.rename(from, to),
    link: (existing, path) => memory.link(existing, path),
    remove: (path) => memory.remove(path),
    removeDirectory: (path) => memory.removeDirectory(path),
    syncDirectory: (path) => memory.syncDirectory(path),
    announce: (path) => memory.announce(path),
    isAnnounced: (path) => memory.isAnnounced(path),
  }
  return {
    fileSystem,
    memory,
    hold(part = '') {
      let release = () => undefined as void
      held = { part, released: new Promise((resolve) => (release = resolve)) }
      return () => {
        held = null
        release()
      }
    },
  }
}

/** Longer than any chain of promises and turns that does not wait for a held sync. */
export async function turns(count = 20): Promise<void> {
  for (let turn = 0; turn < count; turn++) await new Promise(setImmediate)
}
