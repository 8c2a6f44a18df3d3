import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { runConsole, startConsole } from '../kit/console.ts'
import type { ConsoleOptions } from '../kit/console.ts'
import { snippetsOfDocument } from '../kit/doc-snippets.ts'
import { hitLines, plainCounts, printedCounts } from '../kit/hits.ts'
import { freshName } from '../kit/kafka.ts'
import { describeWith } from '../kit/services.ts'

const root = fileURLToPath(new URL('../../', import.meta.url))

await describeWith('kafka', 'the program of the guide on Apache Kafka', (kafka) => {
  let options: ConsoleOptions
  const [input, output, applicationId] = ['access-log', 'hits-per-minute', 'app'].map(freshName)

  beforeAll(() => {
    // Inside the project, where the program finds zod.
    mkdirSync(join(root, '.test-tmp'), { recursive: true })
    options = { directory: mkdtempSync(join(root, '.test-tmp', 'on-kafka-')) }
    const guide = readFileSync(join(root, 'docs/guide/getting-started.md'), 'utf8')
    const { code } = snippetsOfDocument('getting-started.md', guide).find((snippet) => snippet.code.includes('export default builder.build()'))!
    writeFileSync(join(options.directory, 'app.ts'), code.replace("topic('access-log'", `topic('${input}'`).replace("topic('hits-per-minute'", `topic('${output}'`))
  })
  afterAll(() => rmSync(options.directory, { recursive: true, force: true }))

  async function millrace(args: string, lines = ''): Promise<string> {
    const result = await runConsole([...args.split(' '), '--kafka', kafka.bootstrapServers], options, lines)
    expect(result, args).toMatchObject({ code: 0 })
    return result.output
  }

  it('counts there what it counts on a directory, over a restart', { timeout: 240_000 }, async () => {
    await millrace(`topics --create --topic ${input} --partitions 1`)
    await millrace(`topics --create --topic ${output} --partitions 1`)
    for (const from of [0, 30]) {
      await millrace(`produce --topic ${input}`, hitLines(from, from + 30))
      const run = startConsole(['run', 'app.ts', '--application-id', applicationId!, '--standby-replicas', '1', '--kafka', kafka.bootstrapServers], options)
      await run.waitFor('caught up')
      run.kill('SIGTERM')
      expect(await run.ended).toMatchObject({ code: 0 })
    }
    expect(printedCounts(await millrace(`consume --topic ${output} --from-beginning --timeout-ms 5000 --property print.key=true`))).toEqual(plainCounts(60))
  })
})
