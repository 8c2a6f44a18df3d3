/** The one file of Connect that reads the disk: small files with secrets, and folders of plugins. */
import { readdirSync, readFileSync, realpathSync, statSync } from 'node:fs'
import { isAbsolute, join, relative } from 'node:path'
import { configError, describeError } from './errors.ts'

const maxSecretBytes = 1024 * 1024

/** @throws INVALID_CONFIG when it cannot be read, is too large, or lies outside of `allowed` (null: anywhere) */
export function readSecretFile(path: string, allowed: readonly string[] | null): string {
  try {
    const actual = realpathSync(path)
    if (allowed !== null && !allowed.some((root) => isInside(realpathSync(root), actual))) throw configError(`${path} is not in allowed.paths`)
    const { size } = statSync(actual)
    if (size > maxSecretBytes) throw configError(`${path} has ${size} bytes; a file of secrets has at most ${maxSecretBytes}`)
    return readFileSync(actual, 'utf8')
  } catch (cause) {
    throw configError(`the config provider cannot read ${path}: ${describeError(cause)}`, { cause })
  }
}

/** A key, a certificate or a list of users that a config names. @throws INVALID_CONFIG naming the key of the config */
export function readConfigured(key: string, path: string): Buffer {
  try {
    const { size } = statSync(path)
    if (size > maxSecretBytes) throw configError(`it has ${size} bytes, more than ${maxSecretBytes}`)
    return readFileSync(path)
  } catch (cause) {
    throw configError(`Invalid value ${path} for configuration ${key}: it cannot be read: ${describeError(cause)}`, { cause, details: { key } })
  }
}

/** The folders in a folder, sorted; empty when it is no folder. */
export function subFolders(path: string): readonly string[] {
  if (statSync(path, { throwIfNoEntry: false })?.isDirectory() !== true) return []
  const folders = readdirSync(path).toSorted().map((name) => join(path, name))
  return folders.filter((each) => statSync(each, { throwIfNoEntry: false })?.isDirectory() === true)
}

function isInside(root: string, path: string): boolean {
  const way = relative(root, path)
  return way === '' || (!way.startsWith('..') && !isAbsolute(way))
}
