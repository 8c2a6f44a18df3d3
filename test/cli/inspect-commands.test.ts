import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { runConsole } from '../../src/cli/run-console.ts'
import { MemoryTerminal } from '../kit/memory-terminal.ts'

let directory: string

beforeEach(() => { directory = mkdtempSync(join(tmpdir(), 'millrace-inspect-')) })
afterEach(() => rmSync(directory, { recursive: true, force: true }))

async function millrace(...args: readonly string[]) {
  const terminal = new MemoryTerminal()
  return { code: await runConsole(['connect', ...args], terminal), output: terminal.output, errors: terminal.errors }
}

function write(name: string, content: unknown): string {
  const path = join(directory, name)
  writeFileSync(path, typeof content === 'string' ? content : JSON.stringify(content))
  return path
}

const log = () => write('in.log', 'first line\nsecond line\n')
const config = () => ({ 'connector.class': 'FileSource', 'path': log(), 'topic': 'lines', 'value.converter': 'StringConverter' })

describe('millrace connect validate', () => {
  it('names the connector of a good file, and fails with every complaint about a bad one', async () => {
    const good = write('good.json', { name: 'good', config: config() })
    const bad = write('bad.json', { name: 'bad', config: { ...config(), 'tasks.max': 'x', 'pth': 'y' } })
    expect(await millrace('validate', good)).toMatchObject({ code: 0, output: `${good}: good is valid (millrace.file.FileSource)\n` })
    const { code, errors } = await millrace('validate', good, bad)
    expect(code).toBe(1)
    expect(errors).toContain(`${bad}: Invalid value x for configuration tasks.max: Not a number of type INT`)
    expect(errors).toContain(`${bad}: Unknown configuration "pth"; did you mean "path"?`)
    expect(errors).toMatch(/\d errors; a worker would refuse this/)
  })
})

describe('millrace connect explain', () => {
  it('prints what is in effect', async () => {
    const { code, output } = await millrace('explain', write('a.json', { name: 'a', config: config() }))
    expect(code).toBe(0)
    expect(output).toMatch(/^a is a source: millrace.file.FileSource \S+\nFollows files/)
    expect(output).toMatch(/^value +org.apache.kafka.connect.storage.StringConverter +connector$/m)
    expect(output).toMatch(/^topic +lines +\S/m)
    expect(output).toMatch(/^tasks.max +1 +\S/m)
  })
})

describe('millrace connect dry-run', () => {
  it('prints records, and makes no log', async () => {
    const data = join(directory, 'data')
    const { code, output, errors } = await millrace('dry-run', '--data', data, '--timeout-ms', '200', write('a.json', { name: 'a', config: config() }))
    expect({ code, errors }).toEqual({ code: 0, errors: '2 records; nothing was written or committed.\n' })
    expect(output).toMatch(/^1\. from \{.*\} at \{.*\}\n {3}topic lines, .*\n(.*\n)*? {3}key null\n {3}value first line\n2\. /)
    expect(existsSync(data)).toBe(false)
  })
})

describe('millrace connect schema', () => {
  it('prints the schema of connector files', async () => {
    const { output } = await millrace('schema')
    expect(JSON.parse(output)).toMatchObject({ $schema: 'http://json-schema.org/draft-07/schema#', definitions: { 'millrace.file.FileSource': {} } })
  })
})
