/** Changes of the disk that survive a power cut. */
import { closeSync, existsSync, fsyncSync, mkdirSync, openSync, renameSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'

/** After this, the file is there with its new content, whole, even after a power cut; or as it was before. */
export function replaceFile(path: string, text: string): void {
  const temporary = `${path}.new`
  writeFileSync(temporary, text)
  syncPath(temporary)
  renameSync(temporary, path)
  syncPath(dirname(path))
}

/** Makes the content of a file, or the names in a folder, durable. */
export function syncPath(path: string): void {
  const handle = openSync(path, 'r')
  try {
    fsyncSync(handle)
  } finally {
    closeSync(handle)
  }
}

/** Makes a folder and those above it, durably. */
export function makeFolder(path: string): void {
  if (existsSync(path)) return
  const above = dirname(path)
  makeFolder(above)
  try {
    // not `recursive`: where the system has no such folder and lets none be made, as in /proc, Node tries for ever then
    mkdirSync(path)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error // somebody else was faster
  }
  syncPath(above)
}
