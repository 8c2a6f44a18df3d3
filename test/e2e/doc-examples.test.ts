/** Runs every example of the documents that says what it prints, and compares. */
import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { format } from 'node:util'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import * as streams from '../../src/streams/index.ts'
import { snippetsOfDocument } from '../kit/doc-snippets.ts'
import type { Snippet } from '../kit/doc-snippets.ts'

const root = fileURLToPath(new URL('../../', import.meta.url))
const pages = execFileSync('git', ['ls-files', '--cached', '--others', '--exclude-standard', '--', 'README.md', 'docs'], { cwd: root, encoding: 'utf8' })
  .split('\n').filter((path) => path.endsWith('.md'))
const examples = pages.flatMap((path) => snippetsOfDocument(path, readFileSync(join(root, path), 'utf8')))
  .filter((snippet): snippet is Snippet & { prints: readonly string[] } => snippet.prints !== null)

const nouns: readonly Noun[] = [
  streams.StreamsBuilder, streams.TopologyBuilder, streams.Stream, streams.SplitStream, streams.GroupedStream, streams.WindowedStream,
  streams.SessionWindowedStream, streams.CogroupedStream, streams.WindowedCogroupedStream, streams.SessionCogroupedStream, streams.Table,
  streams.GroupedTable,
]
/** Methods of these that an example has called: `Stream.filter`. */
const called = new Set<string>()

let directory = ''
const { TMPDIR: systemDirectory } = process.env
beforeAll(() => {
  mkdirSync(join(root, '.test-tmp'), { recursive: true })
  directory = mkdtempSync(join(root, '.test-tmp', 'doc-examples-'))
  // an example does not put its folder away
  process.env['TMPDIR'] = directory
  nouns.forEach(recordCalls)
})
afterAll(() => {
  if (systemDirectory === undefined) delete process.env['TMPDIR']
  else process.env['TMPDIR'] = systemDirectory
  rmSync(directory, { recursive: true })
})

describe('an example in the documents', () => {
  it.each(examples.map((example, index) => ({ ...example, index })))('prints what it says: $place', async ({ code, prints, index }) => {
    expect(prints.length > 0 || code.includes('assert.'), 'an example that is run says what it prints, or asserts').toBe(true)
    expect(await printedBy(join(directory, `example-${index}.ts`), code)).toEqual(prints)
  })

  it('runs every operator of the fluent surface', () => {
    const missing = nouns.flatMap((noun) => methodsOf(noun).map((method) => `${noun.name}.${method}`)).filter((name) => !called.has(name))
    expect(missing).toEqual([])
  })
})

type Noun = { readonly name: string; readonly prototype: object }

function methodsOf({ prototype }: Noun): readonly string[] {
  return Object.getOwnPropertyNames(prototype).filter((name) => name !== 'constructor')
}

function recordCalls(noun: Noun): void {
  for (const method of methodsOf(noun)) {
    const original = Reflect.get(noun.prototype, method) as (...parameters: readonly unknown[]) => unknown
    Reflect.set(noun.prototype, method, function recorded(this: unknown, ...parameters: readonly unknown[]) {
      called.add(`${noun.name}.${method}`)
      return original.apply(this, parameters as unknown[])
    })
  }
}

async function printedBy(file: string, code: string): Promise<readonly string[]> {
  const lines: string[] = []
  const log = vi.spyOn(console, 'log').mockImplementation((...parts: unknown[]) => void lines.push(...format(...parts).split('\n')))
  try {
    writeFileSync(file, code)
    await import(pathToFileURL(file).href)
  } finally {
    log.mockRestore()
  }
  return lines
}
