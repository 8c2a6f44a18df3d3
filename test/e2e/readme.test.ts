import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { runConsole, startConsole } from '../kit/console.ts'
import type { ConsoleOptions } from '../kit/console.ts'
import { snippetsOfDocument } from '../kit/doc-snippets.ts'
import { hitLines, plainCounts, printedCounts } from '../kit/hits.ts'
import { installPackage } from '../kit/installed-package.ts'
import type { InstalledPackage } from '../kit/installed-package.ts'

const readme = readFileSync(fileURLToPath(new URL('../../README.md', import.meta.url)), 'utf8')

describe('the program of the README', { timeout: 240_000 }, () => {
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

  async function runUntilCaughtUp(): Promise<void> {
    const run = startConsole(['run', 'app.ts'], options)
    await run.waitFor('caught up')
    run.kill('SIGTERM')
    expect(await run.ended).toMatchObject({ code: 0 })
  }

  it('counts from the installed package what the console produced, over a restart', async () => {
    await millrace('topics --create --topic access-log')
    await millrace('topics --create --topic hits-per-minute')
    await millrace('produce --topic access-log', hitLines(0, 30))
    await runUntilCaughtUp()
    await millrace('produce --topic access-log', hitLines(30, 60))
    await runUntilCaughtUp()
    expect(printedCounts(await millrace('consume --topic hits-per-minute --from-beginning --timeout-ms 2000 --property print.key=true'))).toEqual(plainCounts(60))
  })
})
