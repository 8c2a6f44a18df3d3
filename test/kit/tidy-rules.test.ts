import { describe, expect, it } from 'vitest'
import { forbiddenImports, importCycles, importTable } from './import-table.ts'
import { installScripts, looseVersions, registryAddresses } from './package-rules.ts'
import { projectPathsOf, snippetsOfDocument, snippetsOfSource } from './doc-snippets.ts'
import { scanSource } from './source-scan.ts'
import {
  emptyPromises, importsWithoutExtension, indexFilesWithCode, longFiles, longFunctions, machinePaths, namesNotInKebabCase, switchedOffTests,
  testsWithoutSubject, unfinishedPlaces, unwrappedDisk, unwrappedNames,
} from './tidy-rules.ts'

const lines = (count: number) => Array.from({ length: count }, (_, index) => `  f(${index})`).join('\n')
const imports = (path: string, ...specifiers: string[]) => scanSource(path, specifiers.map((specifier, index) => `import { a${index} } from '${specifier}'`).join('\n'))

describe('the size rules', () => {
  it('find a file over the limit, and none at it', () => {
    expect(longFiles([scanSource('a.ts', lines(400)), scanSource('b.ts', lines(401))])).toEqual(['b.ts: 401 lines of code, more than 400'])
  })

  it('find a function over the limit, but not the body of a describe', () => {
    const file = scanSource('a.ts', `function long() {\n${lines(69)}\n}\ndescribe('x', () => {\n${lines(90)}\n})\nawait describeWith('kafka', 'x', () => {\n${lines(90)}\n})`)
    expect(longFunctions([file])).toEqual(['a.ts:1: long has 71 lines of code, more than 70'])
  })

  it('take the parts of a contract suite for lists of tests', () => {
    const part = `export function readerContract() {\n${lines(90)}\n}`
    expect(longFunctions([scanSource('test/contract/reader-contract.ts', part)])).toEqual([])
    expect(longFunctions([scanSource('src/reader-contract.ts', part)])).toHaveLength(1)
  })

  it('let an exception pass, and ask to take it off the list once it is not needed', () => {
    const file = scanSource('a.ts', `function long() {\n${lines(70)}\n}`)
    expect(longFunctions([file], ['a.ts long', 'a.ts gone'])).toEqual(['a.ts gone: no longer an exception, take it off the list'])
  })
})

describe('the import rules', () => {
  it('hold the arrows of the table, for types as well', () => {
    expect(forbiddenImports([
      imports('src/core/log/segment.ts', '../record.ts', './varint.ts', 'node:fs', '../engine/append.ts'),
      scanSource('src/streams/topology/node.ts', "import type { Task } from '../runtime/stream-task.ts'\nimport { map } from 'rxjs'"),
      imports('src/connect/runtime/worker.ts', '../../core/index.ts', '../../core/engine/log-engine.ts'),
      imports('connectors/file/source.ts', 'millrace/connect', '../../src/connect/index.ts', 'pg'),
      imports('lib/new.ts'),
    ])).toEqual([
      'src/core/log/segment.ts:4: core/log must not import src/core/engine/append.ts',
      'src/streams/topology/node.ts:1: streams/topology must not import src/streams/runtime/stream-task.ts',
      'src/streams/topology/node.ts:2: streams/topology must not import rxjs',
      'src/connect/runtime/worker.ts:2: connect must not import src/core/engine/log-engine.ts',
      'connectors/file/source.ts:2: connectors/file must not import src/connect/index.ts',
      'connectors/file/source.ts:3: connectors/file must not import pg',
      'lib/new.ts: no row of the import table names this file',
    ])
  })

  it('give every row of the table its own folder', () => {
    for (const { name, allowed } of importTable) expect(allowed.length, name).toBeGreaterThan(0)
  })

  it('find a circle of modules that run, and let types pass', () => {
    expect(importCycles([
      imports('src/a.ts', './b.ts'), imports('src/b.ts', './deep/c.ts'), imports('src/deep/c.ts', '../a.ts'),
      scanSource('src/d.ts', "import type { E } from './e.ts'"), imports('src/e.ts', './d.ts'),
    ])).toEqual(['src/a.ts → src/b.ts → src/deep/c.ts → src/a.ts'])
  })

  it('want the extension of a file', () => {
    expect(importsWithoutExtension([imports('a.ts', './b.ts', './c', './d.js', 'zod')])).toEqual(['a.ts:2: ./c must name the file, with its extension', 'a.ts:3: ./d.js must name the file, with its extension'])
  })

  it('find code in an index', () => {
    expect(indexFilesWithCode([scanSource('src/x/index.ts', "export * from './a.ts'\nexport const b = 1"), scanSource('src/b.ts', 'const c = 1')])).toEqual(['src/x/index.ts:2: index.ts only re-exports'])
  })
})

describe('the rules about time, chance and disk', () => {
  it('find what reads them outside the file that wraps them', () => {
    const code = 'Date.now()\nnew Date()\nMath.random()\nsetTimeout(f, 1)\nnew Date(5)\nclock.now()'
    expect(unwrappedNames([scanSource('src/streams/a.ts', code)])).toHaveLength(4)
    expect(unwrappedNames([scanSource('src/core/clock.ts', 'Date.now()\nsetTimeout(f, 1)'), scanSource('src/core/random.ts', 'Math.random()')])).toEqual([])
    expect(unwrappedNames([scanSource('src/core/clock.ts', 'Math.random()')])).toHaveLength(1)
  })

  it('find the disk outside the files that may touch it', () => {
    const files = [imports('src/core/engine/a.ts', 'node:fs/promises'), imports('src/core/log/file-system.ts', 'node:fs'), imports('connectors/file/a.ts', 'node:fs'), imports('src/cli/topics.ts', 'fs')]
    expect(unwrappedDisk(files)).toEqual([
      'src/core/engine/a.ts:1: node:fs/promises belongs to the file that wraps it: take a FileSystem',
      'src/cli/topics.ts:1: fs belongs to the file that wraps it: take a FileSystem',
    ])
  })
})

describe('the rules about tests and notes', () => {
  it('want a subject for every test, at the same path', () => {
    expect(testsWithoutSubject([
      'src/core/log/segment.ts', 'test/core/log/segment.test.ts', 'test/core/log/gone.test.ts', 'test/contract/any.test.ts',
      'connectors/file/source.ts', 'test/connectors/file/source.test.ts', 'test/connectors/file/sink.test.ts',
    ])).toEqual([
      'test/core/log/gone.test.ts: there is no src/core/log/gone.ts that it could test',
      'test/connectors/file/sink.test.ts: there is no connectors/file/sink.ts or connectors/file/sink/index.ts or connectors/file/sink/main.ts that it could test',
    ])
  })

  it('find notes of unfinished work and silenced checks in comments, not in text', () => {
    const file = scanSource('src/a.ts', "// TO" + "DO later\nconst a = 'TO" + "DO'\n// @ts-" + "ignore\n// oxlint-" + 'disable-next-line\n/* fine */')
    expect(unfinishedPlaces([file])).toHaveLength(3)
  })

  it('let only tests expect a compile error', () => {
    const code = '// @ts-expect-error: no such field'
    expect(unfinishedPlaces([scanSource('src/a.ts', code)])).toHaveLength(1)
    expect(unfinishedPlaces([scanSource('test/types/a.test.ts', code)])).toEqual([])
  })

  it('find functions that only say they are missing, and tests that are switched off', () => {
    expect(emptyPromises([{ ...scanSource('a.ts', ''), text: "throw new Error('not implem" + "ented')" }])).toHaveLength(1)
    expect(switchedOffTests([scanSource('a.test.ts', "it.only('x', f)\ndescribe.skip('y', f)\nit.skipIf(x)('z', f)\nit('only', f)")])).toHaveLength(2)
  })

  it('find the paths of one machine, and names that break the pattern', () => {
    const home = ['', 'home', 'ann', 'x'].join('/')
    expect(machinePaths([{ path: 'a.md', text: `see ${home}\nsee ./home/x and https://a.b/home/x` }])).toHaveLength(1)
    expect(namesNotInKebabCase(['src/a-b.ts', 'test/a-b.test.ts', 'src/aB.ts', 'src/a_b.ts', 'tools/x.mjs'])).toHaveLength(2)
  })
})

describe('the rules about packages', () => {
  it('want exact versions', () => {
    expect(looseVersions({ dependencies: { a: '1.2.3', b: '^1.2.3' }, devDependencies: { c: '*' }, peerDependencies: { d: '^1.2.3', e: '>=1' } })).toHaveLength(3)
  })

  it('allow nothing that runs at install, but for tools of ours', () => {
    const lock = { packages: { 'node_modules/a': { hasInstallScript: true }, 'node_modules/b': { hasInstallScript: true, dev: true }, 'node_modules/c': {} } }
    expect(installScripts({ scripts: { postinstall: 'x', test: 'y' } }, lock)).toEqual([
      'package.json: a script named postinstall would run at install',
      'node_modules/a has an install script and is on the default path',
    ])
  })

  it('find the address of a private registry', () => {
    expect(registryAddresses({ packages: { a: { resolved: 'https://registry.npmjs.org/a.tgz' }, b: { resolved: 'http://mirror.local/b.tgz' }, c: {} } })).toEqual(['b: http://mirror.local/b.tgz'])
  })
})

describe('the reading of documents', () => {
  const block = ['```ts', 'const a = 1', '```'].join('\n')

  it('finds the ts blocks of documents and doc comments, where they stand', () => {
    expect(snippetsOfDocument('a.md', `# A\n\n${block}\n\n\`\`\`json\n{}\n\`\`\`\n`)).toEqual([{ place: 'a.md:3', code: 'const a = 1\n', prints: null }])
    expect(snippetsOfSource(scanSource('src/a.ts', '\n/**\n * Like so:\n * ```ts\n * f(\n *   1)\n * ```\n */\nexport {}'))).toEqual([{ place: 'src/a.ts:4', code: 'f(\n  1)\n', prints: null }])
  })

  it('puts what a page says once before the examples that are run, with what they print', () => {
    const page = '```ts prelude\nconst a = 1\n```\n```ts run\nconsole.log(a)   // → 1\n```\n'
    expect(snippetsOfDocument('a.md', page)).toEqual([
      { place: 'a.md:1', code: 'const a = 1\n', prints: null },
      { place: 'a.md:4', code: 'const a = 1\n\nconsole.log(a)   // → 1\n', prints: ['1'] },
    ])
  })

  it('finds the paths that a document promises', () => {
    expect(projectPathsOf('a.md', 'See `src/core/x.ts` and [b](docs/b.md#part), not [c](https://c.d) or `a/b`.').map(({ target }) => target)).toEqual(['src/core/x.ts', 'docs/b.md'])
  })
})
