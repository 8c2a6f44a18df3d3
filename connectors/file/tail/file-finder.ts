import { readdirSync, statSync } from 'node:fs'
import type { BigIntStats } from 'node:fs'
import { join } from 'node:path'
import type { Complaints } from '../complaints.ts'
import type { PathPattern } from './path-pattern.ts'
import { compressionOf } from './compressed-file.ts'
import type { Compression } from './compressed-file.ts'
import { isCompressedName, rotationBase } from './rotation-names.ts'

export interface FoundFile {
  readonly path: string
  /** Device and inode: the same file under any name, as long as it lives. */
  readonly key: string
  readonly device: string
  readonly inode: string
  readonly size: number
  readonly modifiedNs: bigint
  /** `wanted`: a pattern names it. `rotated`: a pattern names the file that it was before it was rotated away. */
  readonly role: 'wanted' | 'rotated'
  readonly compression: Compression | undefined
}

export interface SearchScope {
  readonly include: readonly PathPattern[]
  readonly exclude: readonly PathPattern[]
  /** Whether files compressed with gzip or zstd are read, too. */
  readonly compressed: boolean
}

/**
 * Every regular file that the patterns name, and the rotated ones beside them, by path. Symbolic links to files are
 * followed, those to folders are not. What cannot be listed is complained about and looked at again next time.
 */
export function findFiles(scope: SearchScope, complaints: Complaints): FoundFile[] {
  const paths = new Map<string, FoundFile['role']>()
  const depths = new Map<string, number>()
  for (const { root, depth } of scope.include) depths.set(root, Math.max(depth, depths.get(root) ?? 0))
  for (const [root, depth] of depths) listFiles(root, depth, complaints, (path) => {
    const role = roleOf(path, scope)
    if (role === undefined) return
    if (!isCompressedName(path) || (scope.compressed && compressionOf(path) !== undefined)) paths.set(path, role)
    else if (role === 'wanted') complaints.say(`compressed:${path}`, `${path} is not read: it is compressed${scope.compressed ? ' in another way than gzip or zstd' : ', and compressed=false'}`)
  })
  return [...paths].toSorted(([a], [b]) => (a < b ? -1 : 1)).flatMap(([path, role]) => foundFile(path, role, complaints))
}

/** Says which patterns name no file, and why that may be: a slip in a path must not look like a quiet log. */
export function complainOfNothing({ include }: Pick<SearchScope, 'include'>, found: readonly FoundFile[], complaints: Complaints): void {
  for (const pattern of include) {
    const key = `nothing:${pattern.text}`
    if (found.some(({ path, role }) => role === 'wanted' && pattern.matches(path))) complaints.settle(key, `${pattern.text}: found a file`)
    else if (isFolder(pattern)) complaints.say(key, `${pattern.text} is a folder, and nothing of it is read; name the files in it, such as ${join(pattern.text, '*.log')}`)
    else complaints.say(key, `no file is named by ${pattern.text}; waiting for one (relative paths count from ${process.cwd()})`)
  }
}

function isFolder({ text }: PathPattern): boolean {
  try {
    return statSync(text).isDirectory()
  } catch {
    return false
  }
}

function roleOf(path: string, { include, exclude }: SearchScope): FoundFile['role'] | undefined {
  if (exclude.some((pattern) => pattern.matches(path))) return undefined
  if (include.some((pattern) => pattern.matches(path))) return 'wanted'
  const base = rotationBase(path)
  return base !== path && include.some((pattern) => pattern.matches(base)) ? 'rotated' : undefined
}

function listFiles(folder: string, depth: number, complaints: Complaints, visit: (path: string) => void): void {
  const key = `folder:${folder}`
  try {
    for (const entry of readdirSync(folder, { withFileTypes: true })) {
      const path = join(folder, entry.name)
      if (!entry.isDirectory()) visit(path)
      else if (depth > 0) listFiles(path, depth - 1, complaints, visit)
    }
    complaints.settle(key, `${folder} can be listed again`)
  } catch (error) {
    complaints.say(key, `${folder} cannot be listed (${(error as NodeJS.ErrnoException).code}): waiting for it`)
  }
}

function foundFile(path: string, role: FoundFile['role'], complaints: Complaints): FoundFile[] {
  try {
    const stats: BigIntStats | undefined = statSync(path, { bigint: true, throwIfNoEntry: false })
    if (stats === undefined && path.includes('\uFFFD')) complaints.say(`name:${path}`, `${path} is not read: its name is no UTF-8 (shown as \uFFFD). Rename it`)
    if (stats === undefined || !stats.isFile()) return []
    const [device, inode] = [String(stats.dev), String(stats.ino)]
    return [{ path, role, device, inode, key: `${device}:${inode}`, size: Number(stats.size), modifiedNs: stats.mtimeNs, compression: compressionOf(path) }]
  } catch (error) {
    complaints.say(`file:${path}`, `${path} cannot be looked at (${(error as NodeJS.ErrnoException).code}): trying again`)
    return []
  }
}
