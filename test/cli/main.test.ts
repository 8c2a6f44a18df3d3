import { appendFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { runConsole as runHere } from '../../src/cli/run-console.ts'
import { runConsole, startConsole } from '../kit/console.ts'
import { MemoryTerminal } from '../kit/memory-terminal.ts'

/** The command as a process: streams, signals, exit codes and the lock on the directory. What commands do is in run-console.test.ts. */
let directory: string

beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), 'millrace-process-'))
  await prepare('topics --create --topic hits')
})
afterEach(() => rmSync(directory, { recursive: true, force: true }))

const millrace = (args: string, input?: string | Uint8Array) => runConsole(args.split(' '), { directory }, input)

/** What only sets the scene runs in this process: one of its own takes its time to start. */
async function prepare(args: string, input?: string): Promise<string> {
  const terminal = new MemoryTerminal(input)
  expect(await runHere([...args.split(' '), '--data', join(directory, '.millrace')], terminal), args).toBe(0)
  return terminal.output
}

async function succeed(args: string, input?: string | Uint8Array): Promise<string> {
  const result = await millrace(args, input)
  expect(result, args).toMatchObject({ code: 0 })
  return result.output
}

/** Processes start slowly on a machine that does other things. */
const patienceMs = 120_000

describe('the millrace command', { timeout: patienceMs }, () => {
  it('reads and writes bytes as they are, and keeps results and remarks apart', async () => {
    const bytes = Buffer.from([0xff, 0x00, 0xc3, 0x28, 0x0a, 0x41, 0x0a])
    await succeed('produce --topic hits', bytes)
    const consumed = await millrace('consume --topic hits --from-beginning --max-messages 2')
    expect(consumed).toMatchObject({ code: 0, errors: 'Processed a total of 2 records\n' })
    expect(Buffer.from(consumed.outputBytes)).toEqual(bytes)
  })

  it('exits with 1 and one line when something is wrong', async () => {
    expect(await millrace('topics --describe --topic other')).toMatchObject({ code: 1, output: '', errors: expect.stringMatching(/^error: .*other.*\n$/) as string })
  })

  it('ends cleanly at the first SIGTERM, with what was printed committed', async () => {
    await prepare('produce --topic hits', '1\n2\n')
    const consumer = startConsole(['consume', '--topic', 'hits', '--group', 'g', '--from-beginning'], { directory })
    await consumer.waitFor('2\n')
    consumer.kill('SIGTERM')
    expect(await consumer.ended).toMatchObject({ code: 0, output: '1\n2\n', errors: 'Processed a total of 2 records\n' })
    expect(await prepare('groups --describe --group g')).toMatch(/^g +hits +0 +2 +2 +0 /m)
  })

  it('names the process that holds the directory, at once, and takes over when it is gone', async () => {
    await prepare('produce --topic hits', '1\n')
    const holder = startConsole(['consume', '--topic', 'hits', '--from-beginning'], { directory })
    await holder.waitFor('1\n')
    expect(await millrace('topics --list')).toMatchObject({ code: 1, errors: expect.stringMatching(new RegExp(`^error: .*\\b${holder.pid}\\b.*\\n$`)) as string })
    holder.kill('SIGKILL')
    expect(await holder.ended).toMatchObject({ signal: 'SIGKILL' })
    expect(await succeed('consume --topic hits --from-beginning --max-messages 1')).toBe('1\n')
  })

  it('runs connectors until SIGTERM, and goes on where they were', async () => {
    const file = (name: string) => join(directory, name)
    writeFileSync(file('worker.json'), '{}')
    writeFileSync(file('in.json'), JSON.stringify({ name: 'in', config: { 'connector.class': 'FileSource', path: file('in.log'), topic: 'hits', 'value.converter': 'StringConverter' } }))
    writeFileSync(file('out.json'), JSON.stringify({ name: 'out', config: { 'connector.class': 'FileSink', topics: 'hits', file: file('out.log'), 'value.converter': 'StringConverter' } }))
    for (const lines of ['one\ntwo\n', 'three\n']) {
      appendFileSync(file('in.log'), lines)
      const connectors = startConsole(['connect', 'standalone', 'worker.json', 'in.json', 'out.json'], { directory })
      await connectors.waitFor('running in, out')
      await vi.waitFor(() => expect(readFileSync(file('out.log'), 'utf8')).toContain(lines), { timeout: patienceMs / 4, interval: 50 })
      connectors.kill('SIGTERM')
      expect(await connectors.ended).toMatchObject({ code: 0 })
    }
    expect(readFileSync(file('out.log'), 'utf8')).toBe('one\ntwo\nthree\n')
  })
})
