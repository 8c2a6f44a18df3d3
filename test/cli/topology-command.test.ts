import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { runConsole } from '../../src/cli/run-console.ts'
import { MemoryTerminal } from '../kit/memory-terminal.ts'

let directory: string
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'millrace-topology-'))
})
afterEach(() => rmSync(directory, { recursive: true, force: true }))

function programCounting(name: string, store: string): string {
  const file = join(directory, name)
  writeFileSync(file, [
    "import { StreamsBuilder, topic } from 'millrace/streams'",
    "import { stringSerde } from 'millrace'",
    'const builder = new StreamsBuilder()',
    `builder.stream(topic('words', { key: stringSerde, value: stringSerde })).groupByKey().count({ store: '${store}' })`,
    'export default builder.build()',
  ].join('\n'))
  return file
}

async function millrace(...args: readonly string[]) {
  const terminal = new MemoryTerminal()
  const code = await runConsole(args, terminal)
  return { code, output: terminal.output, errors: terminal.errors }
}

describe('millrace topology diff', () => {
  it('compares the saved description of a deployed program with a module', async () => {
    const saved = join(directory, 'deployed.json')
    writeFileSync(saved, (await millrace('describe', programCounting('app.ts', 'counts'), '--format', 'json')).output)
    const same = await millrace('topology', 'diff', saved, programCounting('same.ts', 'counts'))
    expect(same).toMatchObject({ code: 0, errors: '' })
    expect(same.output).toMatch(/^restored +store +counts +goes on with its rows$/m)

    const renamed = await millrace('topology', 'diff', saved, programCounting('renamed.ts', 'totals'))
    expect(renamed.code).toBe(1)
    expect(renamed.output).toMatch(/^orphaned +store +counts +its changelog topic stays/m)
    expect(renamed.errors).toMatch(/^error: state would be lost or misread/)
    expect(JSON.parse((await millrace('topology', 'diff', saved, programCounting('renamed.ts', 'totals'), '--json')).output)).toMatchObject([{ kind: 'orphaned' }, { kind: 'new' }])
  })

  it('says how such a description is made', async () => {
    const other = join(directory, 'other.json')
    writeFileSync(other, '{}')
    expect((await millrace('topology', 'diff', other, other)).errors).toMatch(/millrace describe app\.ts --format json/)
  })
})
