/** Each file and each module that a start loads costs it time, so what is not needed for opening, appending and reading is loaded when it is asked for. */
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, relative, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

const root = fileURLToPath(new URL('../../', import.meta.url))
const built = new URL('../../dist/src/', import.meta.url)
let directory: string

beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'millrace-start-'))
})
afterAll(() => rmSync(directory, { recursive: true, force: true }))

interface Loaded {
  readonly files: readonly string[]
  /** As paths in `src`: those whose code stands in the files. */
  readonly modules: readonly string[]
  readonly packages: readonly string[]
}

/** What Node has loaded when the program ends; it tells so itself, by its coverage. */
function loadedBy(name: string, program: string): Loaded {
  const coverage = join(directory, name)
  mkdirSync(coverage)
  const script = join(directory, `${name}.mjs`)
  writeFileSync(script, program)
  const { status, stderr } = spawnSync(process.execPath, [script, join(directory, 'data')], { encoding: 'utf8', env: { ...process.env, NODE_V8_COVERAGE: coverage } })
  expect(status, stderr).toBe(0)
  const scripts = readdirSync(coverage).flatMap((file) => (JSON.parse(readFileSync(join(coverage, file), 'utf8')) as { readonly result: readonly { readonly url: string }[] }).result)
  const urls = [...new Set(scripts.map(({ url }) => url))]
  const files = urls.filter((url) => url.startsWith(new URL('../', built).href)).map((url) => fileURLToPath(url))
  return {
    files: files.map((file) => relative(root, file)),
    modules: files.flatMap(modulesIn),
    packages: urls.flatMap((url) => /\/node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(url)?.[1] ?? []),
  }
}

/** By its source map. */
function modulesIn(file: string): readonly string[] {
  if (!existsSync(`${file}.map`)) return []
  const { sources } = JSON.parse(readFileSync(`${file}.map`, 'utf8')) as { readonly sources: readonly string[] }
  return sources.map((source) => relative(join(root, 'src'), resolve(file, '..', source)))
}

const core = fileURLToPath(new URL('core/index.js', built))
const onlyOnDemand = /core\/kafka\/(kafka-(?!properties)|wire)|core\/log\/(compact|check\.ts|repair-partition)|core\/engine\/(embedded-group-member|join-round)/

describe('a start', () => {
  it('of the embedded log loads neither the client of Kafka, nor compaction, nor groups, nor any package but the one for checksums', () => {
    const { files, modules, packages } = loadedBy('embedded', `
      import { openEmbeddedBroker } from ${JSON.stringify(core)}
      const broker = await openEmbeddedBroker({ directory: process.argv[2] })
      await broker.topics.create([{ topic: 'orders' }])
      const producer = await broker.openProducer()
      await producer.append({ topic: 'orders', value: Buffer.from('a') })
      const reader = await broker.openReader()
      reader.assign([{ topic: 'orders', partition: 0, offset: 0 }])
      await reader.read()
      await broker.close()
    `)
    expect(modules).toContain('core/engine/local-engine.ts')
    expect(modules.filter((module) => onlyOnDemand.test(module) && module !== 'core/log/compaction-commit.ts')).toEqual([])
    expect(packages.filter((name) => !name.startsWith('@node-rs/'))).toEqual([])
    expect(modules.length).toBeLessThanOrEqual(132)
    expect(files.length).toBeLessThanOrEqual(4)
  })

  it('of a program that only names the package loads no engine', () => {
    const { files, modules } = loadedBy('named', `import ${JSON.stringify(core)}`)
    expect(modules.filter((module) => onlyOnDemand.test(module) || /local-engine|log-engine|partition-log/.test(module))).toEqual([])
    expect(modules.length).toBeLessThanOrEqual(72)
    expect(files.length).toBeLessThanOrEqual(2)
  })

  it('of a thread of an application loads no engine: the log stays in the thread that opened it', () => {
    const { modules } = loadedBy('streams', `import ${JSON.stringify(fileURLToPath(new URL('streams/index.js', built)))}`)
    expect(modules.filter((module) => onlyOnDemand.test(module) || /local-engine|log-engine|partition-log/.test(module))).toEqual([])
  })

  it('of the file connectors loads what writes Parquet, and what watches folders, with the tasks that need it', () => {
    const { packages } = loadedBy('files', `import ${JSON.stringify(fileURLToPath(new URL('../connectors/file/index.js', built)))}`)
    expect(packages).toContain('zod')
    expect(packages.filter((name) => /hyparquet|chokidar/.test(name))).toEqual([])
  })

  it('of the console loads one command', () => {
    const { modules } = loadedBy('console', `
      process.argv = [process.argv[0], 'millrace', 'topics', '--help']
      await import(${JSON.stringify(fileURLToPath(new URL('cli/main.js', built)))})
    `)
    expect(modules.filter((module) => module.endsWith('-command.ts'))).toEqual(['cli/topics-command.ts'])
  })
})
