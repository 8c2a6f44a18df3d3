/** Runs the commands of docs/guide/how-the-log-works.md, one after the other on one log, and compares what the page says they print. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, describe, expect, it } from 'vitest'
import { runConsole } from '../../src/cli/run-console.ts'
import { MemoryTerminal } from '../kit/memory-terminal.ts'

const guide = readFileSync(fileURLToPath(new URL('../../docs/guide/how-the-log-works.md', import.meta.url)), 'utf8')
const blocks = [...guide.matchAll(/^```sh\n(?<commands>[\s\S]*?)^```\n```text\n(?<output>[\s\S]*?)^```$/gm)].map(({ groups }) => groups as { commands: string; output: string })
const directory = mkdtempSync(join(tmpdir(), 'millrace-guide-'))

afterAll(() => rmSync(directory, { recursive: true, force: true }))

/** `millrace …`, or `printf '…' | millrace …`. */
async function run(line: string): Promise<string> {
  const { text = '', args } = /^(?:printf '(?<text>[^']*)' \| )?millrace (?<args>.*)$/.exec(line)!.groups as { text?: string; args: string }
  const terminal = new MemoryTerminal(text.replaceAll('\\n', '\n'))
  const code = await runConsole([...args.split(' '), '--data', directory], terminal)
  expect(code, `${line}\n${terminal.errors}`).toBe(0)
  return terminal.output
}

describe('the guide to the log', () => {
  it('has every command in a block with its output', () => {
    expect(guide.match(/^(?:printf .* \| )?millrace /gm)).toHaveLength(blocks.flatMap(({ commands }) => commands.trimEnd().split('\n')).length)
    expect(blocks.length).toBeGreaterThan(5)
  })

  it.each(blocks)('prints what the page says: $commands', async ({ commands, output }) => {
    let printed = ''
    for (const line of commands.trimEnd().split('\n')) printed += await run(line)
    expect(asShown(printed, output)).toBe(output)
  }, 60_000)
})

/** A line of the page that ends in … says how a line begins. */
function asShown(printed: string, page: string): string {
  const shown = page.split('\n')
  return printed.split('\n').map((line, index) => {
    const wanted = shown[index] ?? ''
    return wanted.endsWith('…') && line.startsWith(wanted.slice(0, -1)) ? wanted : line
  }).join('\n')
}
