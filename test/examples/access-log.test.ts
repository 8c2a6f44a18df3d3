import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { appendFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, expect, it } from 'vitest'
import { formatAccessLine, parseAccessLine } from '../../examples/access-log/access-line.ts'
import { logFiles } from '../../examples/access-log/access-log-writer.ts'
import { plainCount } from '../../examples/access-log/plain-count.ts'
import { differences, readFileTable } from '../../examples/access-log/result-tables.ts'
import { describeWith } from '../kit/services.ts'

const program = (name: string) => join('dist', 'examples', 'access-log', name)
const directory = mkdtempSync(join(tmpdir(), 'access-log-'))
afterAll(() => rmSync(directory, { recursive: true, force: true }))

it('reads lines of the common and of the combined format, and says what it cannot read', () => {
  const common = '203.0.113.7 - frank [10/Oct/2026:13:55:36 +0200] "GET /cart?id=7 HTTP/1.1" 200 2326'
  const hit = { path: '/cart', method: 'GET', status: 200, at: Date.UTC(2026, 9, 10, 11, 55, 36) }
  expect(parseAccessLine(common)).toEqual(hit)
  expect(parseAccessLine(`${common} "https://example.org/" "Mozilla/5.0"`)).toEqual(hit)
  expect(parseAccessLine(formatAccessLine(hit))).toEqual(hit)
  expect(() => parseAccessLine('upstream timed out')).toThrow('not a line of an access log in common or combined format: "upstream timed out"')
})

it('counts a log that grows and rotates, ends by itself, and says where the data is', async () => {
  const data = join(directory, 'demo')
  const { stdout } = await promisify(execFile)(process.execPath, [program('main.js'), '--seconds', '2', '--data', data])
  const expected = plainCount(join(data, 'log'))
  expect(logFiles(join(data, 'log')).length).toBeGreaterThan(1)
  expect(expected.badLines).toBeGreaterThan(0)
  expect(differences(expected.hits, readFileTable(join(data, 'hits-per-minute.jsonl')))).toEqual([])
  expect(stdout).toContain(`${expected.goodLines.toLocaleString('en-US')} hits counted  ${expected.badLines} bad lines`)
  expect(stdout).toContain(`The data is in ${data}`)
}, 60_000)

it('follows a log of one\'s own until a signal, and goes on from there the next time', async () => {
  const data = join(directory, 'own')
  const log = join(directory, 'own.log')
  const line = (path: string) => `${formatAccessLine({ path, method: 'GET', status: 200, at: Date.UTC(2026, 9, 10) })}\n`
  writeFileSync(log, line('/a') + line('/b'))
  expect(await follow(log, data, '2 hits counted')).toBe(0)
  appendFileSync(log, line('/a'))
  expect(await follow(log, data, '3 hits counted')).toBe(0)
  const minute = '2026-10-10T00:00:00.000Z'
  expect(readFileTable(join(data, 'hits-per-minute.jsonl'))).toEqual(new Map([[`/a ${minute}`, 2], [`/b ${minute}`, 1]]))
}, 60_000)

it('holds what a plain count gives after kills at random moments', async () => {
  const { stdout } = await promisify(execFile)(process.execPath, [program('crash-demo.js'), '--kills', '2', '--data', join(directory, 'crash')])
  expect(stdout).toMatch(/equal: after 2 kills topic and file hold what a plain count gives/)
}, 120_000)

await describeWith('kafka', 'the same program on Apache Kafka', ({ bootstrapServers }) => {
  const run = (name: string, ...args: string[]) => promisify(execFile)(process.execPath, [program(name), ...args, '--kafka', bootstrapServers])

  it('counts there what it counts in a directory, and begins anew only when it may delete topics', async () => {
    const data = join(directory, 'demo-on-kafka')
    const { stdout } = await run('main.js', '--seconds', '2', '--data', data)
    const expected = plainCount(join(data, 'log'))
    expect(differences(expected.hits, readFileTable(join(data, 'hits-per-minute.jsonl')))).toEqual([])
    expect(stdout).toContain(`${expected.goodLines.toLocaleString('en-US')} hits counted  ${expected.badLines} bad lines`)
    expect(stdout).toContain(`npx millrace topics --list --kafka ${bootstrapServers}`)
    await expect(run('crash-demo.js', '--kills', '1', '--data', join(directory, 'refused'))).rejects.toMatchObject({ stderr: expect.stringMatching(/has the topics access-log.* already: add --anew/) as string })
  }, 120_000)

  it('holds what a plain count gives after kills at random moments', async () => {
    const { stdout } = await run('crash-demo.js', '--kills', '1', '--anew', '--data', join(directory, 'crash-on-kafka'))
    expect(stdout).toMatch(/equal: after 1 kills topic and file hold what a plain count gives/)
  }, 180_000)
})

/** Runs the program until it prints what is waited for, then asks it to stop; its exit code. */
async function follow(log: string, data: string, awaited: string): Promise<number | null> {
  const child = spawn(process.execPath, [program('main.js'), log, '--data', data], { stdio: ['ignore', 'pipe', 'inherit'] })
  const exited = once(child, 'exit')
  let output = ''
  let isAsked = false
  for await (const chunk of child.stdout.setEncoding('utf8')) {
    output += chunk as string
    // a second signal would not wait for the commit
    if (!isAsked && output.includes(awaited)) isAsked = child.kill('SIGINT')
  }
  expect(output).toContain(awaited)
  const [exitCode] = (await exited) as [number | null]
  return exitCode
}
