import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { randomInteger, seededRandom, sleep, systemClock } from '../../src/core/index.ts'
import { runConsole, startConsole } from '../kit/console.ts'
import type { ConsoleOptions } from '../kit/console.ts'
import { snippetsOfDocument } from '../kit/doc-snippets.ts'
import { hitLines, plainCounts, printedCounts } from '../kit/hits.ts'

const rounds = Number(process.env['MILLRACE_FAULT_ROUNDS'] ?? 12)
const seed = Number(process.env['MILLRACE_FAULT_SEED'] ?? systemClock.now() % 1_000_000)
const root = fileURLToPath(new URL('../../', import.meta.url))
const linesPerRound = 300
const longestLifeMs = 1_200

describe('millrace run that is killed', () => {
  let options: ConsoleOptions

  beforeAll(() => {
    // Inside the project, where the program finds zod.
    mkdirSync(join(root, '.test-tmp'), { recursive: true })
    options = { directory: mkdtempSync(join(root, '.test-tmp', 'killed-run-')) }
    const guide = readFileSync(join(root, 'docs/guide/getting-started.md'), 'utf8')
    const program = snippetsOfDocument('getting-started.md', guide).find(({ code }) => code.includes('export default builder.build()'))
    writeFileSync(join(options.directory, 'app.ts'), program!.code)
  })
  afterAll(() => rmSync(options.directory, { recursive: true, force: true }))

  async function millrace(args: string, input = ''): Promise<string> {
    const result = await runConsole(args.split(' '), options, input)
    expect(result, args).toMatchObject({ code: 0 })
    return result.output
  }

  it(`counts every record once, over ${rounds} kills (seed ${seed})`, async () => {
    const random = seededRandom(seed)
    // One partition: lines of two may overtake each other by more than the grace of the windows.
    await millrace('topics --create --topic access-log')
    await millrace('topics --create --topic hits-per-minute')
    for (let round = 0; round < rounds; round++) {
      await millrace('produce --topic access-log', hitLines(round * linesPerRound, (round + 1) * linesPerRound))
      const run = startConsole(['run', 'app.ts'], options)
      await sleep(systemClock, randomInteger(random, longestLifeMs))
      run.kill('SIGKILL')
      expect(await run.ended).toMatchObject({ signal: 'SIGKILL' })
    }
    const last = startConsole(['run', 'app.ts'], options)
    await last.waitFor('caught up')
    last.kill('SIGTERM')
    expect(await last.ended).toMatchObject({ code: 0 })
    const counts = printedCounts(await millrace('consume --topic hits-per-minute --from-beginning --timeout-ms 2000 --property print.key=true'))
    expect(counts, `seed ${seed}`).toEqual(plainCounts(rounds * linesPerRound))
  })
})
