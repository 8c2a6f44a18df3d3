/** The ⚙ rules of the house, on the real tree. Each rule is itself tested in test/kit/tidy-rules.test.ts. */
import { execFileSync, spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join, posix } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { projectPathsOf, snippetsOfDocument, snippetsOfSource } from './kit/doc-snippets.ts'
import { forbiddenImports, importCycles } from './kit/import-table.ts'
import { installScripts, looseVersions, registryAddresses } from './kit/package-rules.ts'
import type { LockFile, PackageJson } from './kit/package-rules.ts'
import { scanSource } from './kit/source-scan.ts'
import {
  emptyPromises, importsWithoutExtension, indexFilesWithCode, longFiles, longFunctions, machinePaths, namesNotInKebabCase, switchedOffTests,
  testsWithoutSubject, unfinishedPlaces, unwrappedDisk, unwrappedNames,
} from './kit/tidy-rules.ts'

/** A compiler on a machine that is busy with other tests. */
const compilerMs = 300_000

/** May only shrink. */
const longFileExceptions: readonly string[] = []
/** May only shrink: `path name`. */
const longFunctionExceptions: readonly string[] = []

const root = fileURLToPath(new URL('../', import.meta.url))
const read = (path: string) => readFileSync(join(root, path), 'utf8')
const paths = projectFiles()
const all = paths.filter((path) => path.endsWith('.ts')).map((path) => scanSource(path, read(path)))
const shipped = all.filter(({ path }) => /^(src|connectors)\//.test(path))
const tests = all.filter(({ path }) => path.startsWith('test/'))
const documents = paths.filter((path) => path.endsWith('.md') && !path.startsWith('test/vectors/')).map((path) => ({ path, text: read(path) }))
const manifest = JSON.parse(read('package.json')) as PackageJson
const lock = JSON.parse(read('package-lock.json')) as LockFile

/** Everything that is committed or could be: no build output, no dependencies. */
function projectFiles(): readonly string[] {
  const listed = execFileSync('git', ['ls-files', '--cached', '--others', '--exclude-standard'], { cwd: root, encoding: 'utf8', maxBuffer: 64 << 20 })
  return listed.split('\n').filter((path) => path !== '' && existsSync(join(root, path)))
}

describe('the code', () => {
  it('was found', () => {
    expect(shipped.length).toBeGreaterThan(10)
    expect(tests.length).toBeGreaterThan(5)
    expect(documents.length).toBeGreaterThan(1)
  })

  it('has no file over the limit', () => expect(longFiles(all, longFileExceptions)).toEqual([]))

  it('has no function over the limit', () => expect(longFunctions(all, longFunctionExceptions)).toEqual([]))

  it('imports one way', () => expect(forbiddenImports(all.filter(({ path }) => /^(src|connectors|examples|bench)\//.test(path)))).toEqual([]))

  it('has no import cycle', () => expect(importCycles(all)).toEqual([]))

  it('names the files it imports', () => expect(importsWithoutExtension(all)).toEqual([]))

  it('has nothing but re-exports in an index', () => expect(indexFilesWithCode(shipped)).toEqual([]))

  it('takes time and chance as arguments', () => expect(unwrappedNames([...shipped, ...tests.filter(({ path }) => path.startsWith('test/simulation/'))])).toEqual([]))

  it('touches the disk in one file a layer', () => expect(unwrappedDisk(shipped)).toEqual([]))

  it('is finished where it stands', () => {
    expect(unfinishedPlaces(all)).toEqual([])
    expect(emptyPromises(shipped)).toEqual([])
  })

  it('is in files named in kebab-case', () => expect(namesNotInKebabCase(paths.filter((path) => /\.(ts|mjs)$/.test(path)))).toEqual([]))
})

describe('the tests', () => {
  it('stand at the path of what they test', () => expect(testsWithoutSubject(paths)).toEqual([]))

  it('are all switched on', () => expect(switchedOffTests(tests.filter(({ path }) => path.endsWith('.test.ts')))).toEqual([]))

  it('run every example', () => {
    const examples = new Set(paths.filter((path) => path.startsWith('examples/')).map((path) => path.split('/')[1]!.replace(/\.ts$/, '')))
    const untested = [...examples].filter((name) => !tests.some(({ path, text }) => path.endsWith('.test.ts') && text.includes(`examples/${name}`)))
    expect(untested).toEqual([])
  })
})

describe('the repository', () => {
  it('names no place of one machine', () => {
    const readable = paths.filter((path) => /\.(ts|mjs|md|json|ya?ml|sh)$/.test(path) || path === '.ci/run').filter((path) => !path.startsWith('test/vectors/'))
    expect(machinePaths(readable.map((path) => ({ path, text: read(path) })))).toEqual([])
  })

  it('pins every version and runs nothing at install', () => {
    expect(looseVersions(manifest)).toEqual([])
    expect(installScripts(manifest, lock)).toEqual([])
    expect(registryAddresses(lock)).toEqual([])
  })

  it('makes a floating promise an error of the linter', () => {
    const config = JSON.parse(read('.oxlintrc.json')) as { rules: Record<string, unknown>; categories: Record<string, string> }
    expect(config.rules).toMatchObject({ 'typescript/no-floating-promises': 'error', 'typescript/no-explicit-any': 'error' })
    expect(config.categories['correctness']).toBe('error')
    expect(manifest.scripts?.['lint']).toBe('oxlint --type-aware --deny-warnings')
  })
})

describe('the documents', () => {
  it('point only to files that are there', () => {
    const dead = documents
      .flatMap(({ path, text }) => projectPathsOf(path, text).map((found) => ({ ...found, from: path })))
      .filter(({ target, from }) => !existsSync(join(root, target)) && !existsSync(join(root, posix.join(dirname(from), target))))
    expect(dead.map(({ place, target }) => `${place}: ${target}`)).toEqual([])
  })

  it('show only TypeScript that compiles', () => {
    const snippets = [...documents.flatMap(({ path, text }) => snippetsOfDocument(path, text)), ...shipped.flatMap(snippetsOfSource)]
    expect(compile(snippets.map(({ place, code }) => `// ${place}\nexport {}\n${code}`))).toBe('')
  }, compilerMs)

  it('would show what does not compile', () => {
    expect(compile(["import { topic } from 'millrace/streams'\nexport const a: number = 'text'"])).toContain('TS2322')
  }, compilerMs)
})

/** Compiles each text as a module of its own inside the project, so that `millrace/…` is this tree; the compiler's complaints. */
function compile(modules: readonly string[]): string {
  if (modules.length === 0) return ''
  mkdirSync(join(root, '.test-tmp'), { recursive: true })
  const directory = mkdtempSync(join(root, '.test-tmp', 'snippets-'))
  try {
    modules.forEach((text, index) => writeFileSync(join(directory, `snippet-${index}.ts`), text))
    const options = { noUnusedLocals: false, rootDir: '../..' }
    writeFileSync(join(directory, 'tsconfig.json'), JSON.stringify({ extends: '../../tsconfig.json', compilerOptions: options, include: ['*.ts'] }))
    const { stdout } = spawnSync(process.execPath, [join(root, 'node_modules/typescript/bin/tsc'), '-p', directory], { encoding: 'utf8', cwd: directory })
    return stdout.replaceAll(/snippet-(\d+)\.ts/g, (name, index: string) => `${name} (${modules[Number(index)]!.split('\n', 1)[0]!.slice(3)})`)
  } finally {
    rmSync(directory, { recursive: true })
  }
}
