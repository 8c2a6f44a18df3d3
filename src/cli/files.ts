/** The files that a user names on the command line: the one file of the console that reads the disk. */
import { readFileSync, statSync } from 'node:fs'
import { createRequire } from 'node:module'
import { resolve } from 'node:path'
import { StreamError } from '../core/index.ts'

const maxJsonFileBytes = 16 * 1024 * 1024

/** @throws INVALID_ARGUMENT when the file cannot be read or holds no JSON object */
export function readJsonObject(path: string): Readonly<Record<string, unknown>> {
  const text = readText(path)
  const value = parseJson(path, text)
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Readonly<Record<string, unknown>>
  throw new StreamError('INVALID_ARGUMENT', `${path} must hold one JSON object`, { details: { file: path } })
}

/** @throws INVALID_ARGUMENT when there is no such file */
export function requireFile(path: string): string {
  if (statSync(path, { throwIfNoEntry: false })?.isFile() === true) return resolve(path)
  throw new StreamError('INVALID_ARGUMENT', `there is no file ${path}`, { details: { file: path } })
}

/** @throws INVALID_ARGUMENT when nothing was ever stored there */
export function requireDirectory(path: string): void {
  if (statSync(path, { throwIfNoEntry: false })?.isDirectory() === true) return
  throw new StreamError('INVALID_ARGUMENT', `there is no data directory ${path}; name one with --data DIR, or create a topic in it with millrace topics --create`, { details: { directory: path } })
}

/** Of this package; it answers from the sources and from dist alike. */
export function readPackageVersion(): string {
  return (createRequire(import.meta.url)('millrace/package.json') as { readonly version: string }).version
}

function readText(path: string): string {
  const size = statSync(requireFile(path)).size
  if (size > maxJsonFileBytes) throw new StreamError('INVALID_ARGUMENT', `${path} has ${size} bytes, more than the ${maxJsonFileBytes} a configuration may have`, { details: { file: path } })
  try {
    return readFileSync(path, 'utf8')
  } catch (cause) {
    throw new StreamError('INVALID_ARGUMENT', `${path} cannot be read: ${messageOf(cause)}`, { cause, details: { file: path } })
  }
}

function parseJson(path: string, text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (cause) {
    throw new StreamError('INVALID_ARGUMENT', `${path} is not JSON: ${messageOf(cause)}`, { cause, details: { file: path } })
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
