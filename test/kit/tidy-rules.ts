/** The rules of the house that a program can hold, as pure functions: files in, one line for each breach out. */
import type { SourceFile } from './source-scan.ts'

export const maxFileLines = 400
export const maxFunctionLines = 70

export function longFiles(files: readonly SourceFile[], exceptions: readonly string[] = []): readonly string[] {
  return ratchet(
    files.filter(({ codeLines }) => codeLines > maxFileLines).map(({ path, codeLines }) => ({ key: path, text: `${path}: ${codeLines} lines of code, more than ${maxFileLines}` })),
    exceptions,
  )
}

/** The body of a `describe` or `describeWith`, or of a part of a contract suite, is a list of tests and no function in this sense. */
export function longFunctions(files: readonly SourceFile[], exceptions: readonly string[] = []): readonly string[] {
  const long = files.flatMap((file) =>
    file.functions
      .filter(({ codeLines, argumentOf, name }) => codeLines > maxFunctionLines && argumentOf?.startsWith('describe') !== true && !isContractPart(file.path, name))
      .map(({ name, line, codeLines }) => ({ key: `${file.path} ${name}`, text: `${file.path}:${line}: ${name} has ${codeLines} lines of code, more than ${maxFunctionLines}` })),
  )
  return ratchet(long, exceptions)
}

function isContractPart(path: string, name: string): boolean {
  return path.startsWith('test/contract/') && name.endsWith('Contract')
}

/** An exception that is no longer needed is a breach too, so that the list can only shrink. */
function ratchet(breaches: readonly { readonly key: string; readonly text: string }[], exceptions: readonly string[]): readonly string[] {
  const found = new Set(breaches.map(({ key }) => key))
  return [
    ...breaches.filter(({ key }) => !exceptions.includes(key)).map(({ text }) => text),
    ...exceptions.filter((exception) => !found.has(exception)).map((exception) => `${exception}: no longer an exception, take it off the list`),
  ]
}

export function indexFilesWithCode(files: readonly SourceFile[]): readonly string[] {
  return files
    .filter(({ path }) => path.endsWith('/index.ts'))
    .flatMap((file) => file.ownStatements.map((line) => `${file.path}:${line}: index.ts only re-exports`))
}

export interface WrappedName {
  /** As `NameUse.name` spells it. */
  readonly name: RegExp
  /** The file that may use it, and hands it on as an argument. */
  readonly home: RegExp
  readonly instead: string
}

export const wrappedNames: readonly WrappedName[] = [
  { name: /^(Date\.now|new Date\(\)|performance\.now|process\.hrtime)$/, home: /^src\/core\/clock\.ts$/, instead: 'take a Clock' },
  { name: /^(setTimeout|setInterval|clearTimeout|clearInterval)$/, home: /^src\/core\/clock\.ts$/, instead: 'take a Clock and use setTimer or sleep' },
  { name: /^(Math\.random|crypto\.randomUUID|randomUUID|randomBytes)$/, home: /^src\/core\/random\.ts$/, instead: 'take a Random' },
]

/** Real time and chance outside the file that wraps them: no simulation can own those. */
export function unwrappedNames(files: readonly SourceFile[], wrapped: readonly WrappedName[] = wrappedNames): readonly string[] {
  return files.flatMap((file) =>
    file.names.flatMap(({ name, line }) => {
      const rule = wrapped.find((entry) => entry.name.test(name) && !entry.home.test(file.path))
      return rule === undefined ? [] : [`${file.path}:${line}: ${name} belongs to ${rule.home.source}: ${rule.instead}`]
    }),
  )
}

/** The one file of each layer that touches the disk; connectors read and write files because that is their work. */
export const diskFiles = [/^src\/core\/log\/file-system\.ts$/, /^src\/cli\/files\.ts$/, /^src\/connect\/disk\.ts$/, /^connectors\//] as const

export function unwrappedDisk(files: readonly SourceFile[], homes: readonly RegExp[] = diskFiles): readonly string[] {
  return files
    .filter(({ path }) => !homes.some((home) => home.test(path)))
    .flatMap((file) =>
      file.imports
        .filter(({ specifier, typeOnly }) => !typeOnly && /^(node:)?fs(\/promises)?$/.test(specifier))
        .map(({ line, specifier }) => `${file.path}:${line}: ${specifier} belongs to the file that wraps it: take a FileSystem`),
    )
}

/** `test/core/log/segment.test.ts` must have a `src/core/log/segment.ts` to test; these folders have another order. */
const foldersOfTheirOwn = /^test\/(contract|conformance|simulation|faults|kit|types|e2e|vectors)\//

export function testsWithoutSubject(paths: readonly string[]): readonly string[] {
  const known = new Set(paths)
  return paths
    .filter((path) => path.endsWith('.test.ts') && !foldersOfTheirOwn.test(path) && path !== 'test/tidy.test.ts')
    .filter((path) => !subjectsOf(path).some((subject) => known.has(subject)))
    .map((path) => `${path}: there is no ${subjectsOf(path).join(' or ')} that it could test`)
}

function subjectsOf(path: string): readonly string[] {
  const inner = path.slice('test/'.length, -'.test.ts'.length)
  return /^(connectors|examples|bench|tools)\//.test(inner) ? [`${inner}.ts`, `${inner}/index.ts`, `${inner}/main.ts`] : [`src/${inner}.ts`]
}

const unfinished = /\b(TODO|FIXME|XXX|HACK)\b/
const silenced = /@ts-(ignore|nocheck)|(eslint|oxlint)-disable/
const expected = /@ts-expect-error/

/** Notes of unfinished work, and comments that switch a check off. A type test says which error it expects. */
export function unfinishedPlaces(files: readonly SourceFile[]): readonly string[] {
  return files.flatMap((file) =>
    file.comments
      .filter(({ text }) => unfinished.test(text) || silenced.test(text) || (expected.test(text) && !file.path.startsWith('test/')))
      .map(({ line, text }) => `${file.path}:${line}: ${text.split('\n', 1)[0]!.trim()}`),
  )
}

/** Code that admits it is not there. */
export function emptyPromises(files: readonly SourceFile[]): readonly string[] {
  return linesMatching(files, /not (yet )?implemented|unimplemented/i, 'what is not there has no public name')
}

/** A test that never runs, or that keeps the others from running. `skipIf` and `context.skip` carry their reason. */
export function switchedOffTests(files: readonly SourceFile[]): readonly string[] {
  return files.flatMap((file) =>
    file.names
      .filter(({ name }) => /^(it|test|describe)\.(skip|only|todo)$/.test(name))
      .map(({ line, name }) => `${file.path}:${line}: ${name} is not committed`),
  )
}

/** Places of one machine. */
export function machinePaths(files: readonly Pick<SourceFile, 'path' | 'text'>[]): readonly string[] {
  return linesMatching(files, /(?<![\w.~-])\/(work|root|Users)\/\w|(?<![\w.])\/home\/(?!user\b)\w|\b[A-Z]:\\\\?Users\b/, 'no path of one machine')
}

function linesMatching(files: readonly Pick<SourceFile, 'path' | 'text'>[], pattern: RegExp, why: string): readonly string[] {
  return files.flatMap(({ path, text }) =>
    text.split('\n').flatMap((line, index) => (pattern.test(line) ? [`${path}:${index + 1}: ${why}: ${line.trim().slice(0, 100)}`] : [])),
  )
}

export function namesNotInKebabCase(paths: readonly string[]): readonly string[] {
  return paths.filter((path) => !/^[a-z0-9]+(-[a-z0-9]+)*(\.[a-z]+)*$/.test(path.slice(path.lastIndexOf('/') + 1))).map((path) => `${path}: file names are in kebab-case`)
}

export function importsWithoutExtension(files: readonly SourceFile[]): readonly string[] {
  return files.flatMap((file) =>
    file.imports
      .filter(({ specifier }) => specifier.startsWith('.') && !/\.(ts|mjs|json)$/.test(specifier))
      .map(({ specifier, line }) => `${file.path}:${line}: ${specifier} must name the file, with its extension`),
  )
}
