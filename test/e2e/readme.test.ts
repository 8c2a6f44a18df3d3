import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { runConsole, startConsole } from '../kit/console.ts'
import type { ConsoleOptions } from '../kit/console.ts'
import { snippetsOfDocument } from '../kit/doc-snippets.ts'
import { installPackage } from '../kit/installed-package.ts'
import type { InstalledPackage } from '../kit/installed-package.ts'

const readme = readFileSync(fileURLToPath(new URL('../../README.md', import.meta.url)), 'utf8')
const minuteMs = 60_000
const start = Date.UTC(2026, 0, 1)

describe('the program of the README', () => {
  let project: InstalledPackage
  let options: ConsoleOptions

  beforeAll(async () => {
    project = await installPackage()
    options = { directory: project.directory, main: join(project.directory, 'node_modules/millrace/dist/src/cli/main.js') }
    const program = snippetsOfDocument('README.md', readme).find(({ code }) => code.includes('export default builder.build()'))
    project.write('app.ts', program!.code)
  })
  afterAll(() => project.remove())

  async function millrace(args: string, input = ''): Promise<string> {
    const result = await runConsole(args.split(' '), options, input)
    expect(result, args).toMatchObject({ code: 0 })
    return result.output
  }

  it('counts from the installed package what the console produced, over a restart', async () => {
    await millrace('topics --create --topic access-log --partitions 2')
    await millrace('topics --create --topic hits-per-minute')
    await millrace('produce --topic access-log', hits(0, 30))
    await runUntilCaughtUp()
    await millrace('produce --topic access-log', hits(30, 60))
    await runUntilCaughtUp()

    const counts = new Map<string, number>()
    const lines = await millrace('consume --topic hits-per-minute --from-beginning --timeout-ms 500 --property print.key=true')
    for (const line of lines.trimEnd().split('\n')) {
      const [key, count] = line.split('\t')
      const { key: path, start: from } = JSON.parse(key!) as { key: string; start: number }
      counts.set(`${path} ${(from - start) / minuteMs}`, Number(count))
    }
    // Two minutes of lines, two seconds apart: every third is /b, every tenth failed and is not counted.
    expect(Object.fromEntries(counts)).toEqual(plainCounts(60))
  })

  async function runUntilCaughtUp(): Promise<void> {
    const run = startConsole(['run', 'app.ts'], options)
    await run.waitFor('caught up')
    run.kill('SIGTERM')
    expect(await run.ended).toMatchObject({ code: 0 })
  }
})

const pathOf = (index: number) => (index % 3 === 0 ? '/b' : '/a')
const statusOf = (index: number) => (index % 10 === 9 ? 500 : 200)
const timeOf = (index: number) => start + index * 2_000

function hits(from: number, to: number): string {
  return Array.from({ length: to - from }, (_, index) => index + from).map((index) => `${JSON.stringify({ path: pathOf(index), status: statusOf(index), at: timeOf(index) })}\n`).join('')
}

function plainCounts(total: number): Readonly<Record<string, number>> {
  const counts: Record<string, number> = {}
  for (let index = 0; index < total; index++) {
    const key = `${pathOf(index)} ${Math.floor((timeOf(index) - start) / minuteMs)}`
    if (statusOf(index) < 500) counts[key] = (counts[key] ?? 0) + 1
  }
  return counts
}
