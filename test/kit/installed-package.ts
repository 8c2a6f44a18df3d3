/** The package as its users get it: packed, and installed into an empty project. */
import { execFile } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { withExtraCertificates } from './extra-certificates.ts'

const run = promisify(execFile)
const projectRoot = fileURLToPath(new URL('../../', import.meta.url))

interface Manifest {
  readonly exports: Readonly<Record<string, unknown>>
  readonly peerDependencies: Readonly<Record<string, string>>
  readonly dependencies: Readonly<Record<string, string>>
  readonly devDependencies: Readonly<Record<string, string>>
}

export interface InstalledPackage {
  /** The project it is installed in. */
  readonly directory: string
  /** `millrace`, `millrace/streams`, …: everything that package.json exports as a module. */
  readonly entryPoints: readonly string[]
  /** Runs a program in the project; its standard output. @throws with the standard error when it fails */
  run(command: string, args: readonly string[]): Promise<string>
  write(file: string, text: string): void
  remove(): void
}

/** Needs dist to be built, and the registry or npm's cache for the dependencies. */
export async function installPackage(): Promise<InstalledPackage> {
  // Outside of this tree, whose node_modules would hide a missing dependency.
  const directory = mkdtempSync(join(tmpdir(), 'millrace-installed-'))
  const manifest = JSON.parse(readFileSync(join(projectRoot, 'package.json'), 'utf8')) as Manifest
  const { stdout } = await run('npm', ['pack', '--json', '--pack-destination', directory], { cwd: projectRoot, maxBuffer: 64 << 20 })
  const [{ filename }] = JSON.parse(stdout) as [{ filename: string }]
  writeFileSync(join(directory, 'package.json'), JSON.stringify({ name: 'empty-project', private: true, type: 'module' }))
  // What a TypeScript program on Node has beside it anyway.
  const beside = { ...manifest.peerDependencies, zod: manifest.dependencies['zod']!, '@types/node': manifest.devDependencies['@types/node']! }
  const packages = Object.entries(beside).map(([name, version]) => `${name}@${version}`)
  await run('npm', ['install', '--prefer-offline', '--no-audit', '--no-fund', `./${filename}`, ...packages], { cwd: directory, env: withExtraCertificates(process.env) })
  return {
    directory,
    entryPoints: Object.keys(manifest.exports).filter((path) => !path.endsWith('.json')).map((path) => join('millrace', path)),
    run: async (command, args) => (await run(command, args, { cwd: directory, maxBuffer: 64 << 20 })).stdout,
    write: (file, text) => writeFileSync(join(directory, file), text),
    remove: () => rmSync(directory, { recursive: true, force: true }),
  }
}
