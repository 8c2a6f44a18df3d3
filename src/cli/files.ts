/** The files that a user names on the command line: the one file of the console that reads the disk. */
import { readFileSync, statSync } from 'node:fs'
import { createRequire } from 'node:module'
import { resolve } from 'node:path'
import { StreamError } from '../core/index.ts'

const maxConfigFileBytes = 16 * 1024 * 1024

/** @throws INVALID_ARGUMENT when there is no such file */
export function requireFile(path: string): string {
  if (statSync(path, { throwIfNoEntry: false })?.isFile() === true) return resolve(path)
  throw new StreamError('INVALID_ARGUMENT', `there is no file ${path}`, { details: { file: path } })
}

export function isDirectory(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() === true
}

/** @throws INVALID_ARGUMENT when nothing was ever stored there */
export function requireDirectory(path: string): void {
  if (isDirectory(path)) return
  throw new StreamError('INVALID_ARGUMENT', `there is no data directory ${path}; name one with --data DIR, or create a topic in it with millrace topics --create`, { details: { directory: path } })
}

/** Of this package; it answers from the sources and from dist alike. */
export function readPackageVersion(): string {
  return (createRequire(import.meta.url)('millrace/package.json') as { readonly version: string }).version
}

/** @throws INVALID_ARGUMENT when the file is not there, cannot be read, or is no configuration for its size */
export function readTextFile(path: string): string {
  const size = statSync(requireFile(path)).size
  if (size > maxConfigFileBytes) throw new StreamError('INVALID_ARGUMENT', `${path} has ${size} bytes, more than the ${maxConfigFileBytes} of the largest configuration`, { details: { file: path } })
  try {
    return readFileSync(path, 'utf8')
  } catch (cause) {
    throw new StreamError('INVALID_ARGUMENT', `${path} cannot be read: ${messageOf(cause)}`, { cause, details: { file: path } })
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
