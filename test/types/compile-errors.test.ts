/**
 * What the compiler says to a program that is wrong: every line under `@ts-expect-error` of this folder is compiled without
 * that comment, and its messages are compared with compile-errors.txt, where people read them.
 * MILLRACE_UPDATE_TYPES=1 writes that file anew, to be reviewed.
 */
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, it } from 'vitest'

const folder = fileURLToPath(new URL('.', import.meta.url))
const root = join(folder, '..', '..')
const pinned = join(folder, 'compile-errors.txt')
const files = readdirSync(folder).filter((name) => name.endsWith('.ts') && !name.endsWith('.test.ts')).sort()
const mark = /\/\/ @ts-expect-error: /

interface Mistake {
  /** Why it is one, in our words. */
  readonly why: string
  readonly code: string
  readonly message: string
}

it('are told in messages that name what is wrong', () => {
  const mistakes = mistakesOf(files)
  expect(mistakes.length).toBeGreaterThanOrEqual(40)
  const text = mistakes.map(({ why, code, message }) => `${why}\n    ${code}\n${message}\n`).join('\n')
  if (process.env['MILLRACE_UPDATE_TYPES'] === '1') writeFileSync(pinned, text)
  expect(text).toBe(existsSync(pinned) ? readFileSync(pinned, 'utf8') : '')
}, 300_000)

it('has at least 80 inferences, which the type check of the project compiles', () => {
  const inferences = files.flatMap((file) => [...readFileSync(join(folder, file), 'utf8').matchAll(/expectType<.*\.of\(/g)])
  expect(inferences.length).toBeGreaterThanOrEqual(80)
})

function mistakesOf(names: readonly string[]): readonly Mistake[] {
  mkdirSync(join(root, '.test-tmp'), { recursive: true })
  const directory = mkdtempSync(join(root, '.test-tmp', 'types-'))
  try {
    for (const name of names) writeFileSync(join(directory, name), readFileSync(join(folder, name), 'utf8').replaceAll(new RegExp(mark, 'g'), '// wrong: '))
    writeFileSync(join(directory, 'tsconfig.json'), JSON.stringify({ extends: '../../tsconfig.json', compilerOptions: { rootDir: '../..' }, include: ['*.ts'] }))
    const { stdout } = spawnSync(process.execPath, [join(root, 'node_modules/typescript/bin/tsc'), '-p', directory, '--pretty', 'false'], { encoding: 'utf8', cwd: directory })
    return names.flatMap((name) => mistakesIn(name, messagesByLine(stdout, name)))
  } finally {
    rmSync(directory, { recursive: true })
  }
}

/** The compiler's messages about a file, with their indented continuations, by the line they point at. */
function messagesByLine(output: string, name: string): ReadonlyMap<number, string> {
  const messages = new Map<number, string>()
  for (const [, file, line, text] of output.matchAll(/^(\S+?)\((\d+),\d+\): error (TS\d+: .*(?:\n +.*)*)/gm)) {
    if (file!.endsWith(name)) messages.set(Number(line), [messages.get(Number(line)), text!].filter((part) => part !== undefined).join('\n'))
  }
  return messages
}

/** One mistake for each mark; a statement may go over several lines, to any of which the compiler may point. */
function mistakesIn(name: string, messages: ReadonlyMap<number, string>): readonly Mistake[] {
  const lines = readFileSync(join(folder, name), 'utf8').split('\n')
  return lines.flatMap((line, index) => {
    if (!mark.test(line)) return []
    const message = messages.get(index + 2)
    expect(message, `${name}:${index + 2} compiles, or the compiler points to another line`).toBeDefined()
    // How many other members a type has changes with every operator.
    return [{ why: line.split(mark)[1]!, code: lines[index + 1]!.trim(), message: message!.replaceAll(/and \d+ more/g, 'and more') }]
  })
}
