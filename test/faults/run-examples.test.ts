import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startConsole } from '../kit/console.ts'
import type { ConsoleOptions } from '../kit/console.ts'
import { succeedHere } from '../kit/memory-terminal.ts'
import { describeWith } from '../kit/services.ts'
import { formatAccessLine } from '../../examples/access-log/access-line.ts'
import { systemClock } from '../../src/core/index.ts'

const root = fileURLToPath(new URL('../../', import.meta.url))
/** Ten minutes ago, at the beginning of a minute: no record is from the future, or older than the retention. */
const startMs = (Math.floor(systemClock.now() / 60_000) - 10) * 60_000
const times = Array.from({ length: 40 }, (_, index) => startMs + index * 3_000)

interface Example {
  readonly name: string
  readonly input: string
  readonly output: string
  readonly lines: readonly string[]
  readonly results: readonly object[]
}

const examples: readonly Example[] = [
  {
    name: 'error-rate', input: 'requests', output: 'error-rate',
    lines: times.map((time, index) => JSON.stringify({ time, status: index % 4 === 0 ? 500 : 200 })),
    results: [0, 1].map((minute) => ({ minute: new Date(startMs + minute * 60_000).toISOString(), requests: 20, errors: 5, rate: 0.25 })),
  },
  {
    name: 'access-log', input: 'access-log', output: 'hits-per-minute',
    lines: times.map((time, index) => formatAccessLine({ path: index % 2 === 0 ? '/a' : '/b', method: 'GET', status: 200, at: time })),
    results: ['/a', '/b'].flatMap((path) => [0, 1].map((minute) => ({ path, minute: new Date(startMs + minute * 60_000).toISOString(), hits: 10 }))),
  },
]

let options: ConsoleOptions

beforeAll(() => {
  // Inside the project, where the programs find what they import.
  mkdirSync(join(root, '.test-tmp'), { recursive: true })
  options = { directory: mkdtempSync(join(root, '.test-tmp', 'examples-')) }
})
afterAll(() => rmSync(options.directory, { recursive: true, force: true }))

async function check({ name, input, output, lines, results }: Example, place: readonly string[]): Promise<void> {
  const millrace = (args: string, text = '') => succeedHere([...args.split(' '), ...place], text)
  for (const topic of [input, output]) await millrace(`topics --create --topic ${topic} --partitions 1`)
  await millrace(`produce --topic ${input}`, lines.map((line) => `${line}\n`).join(''))
  const run = startConsole(['run', join(root, 'examples', name, 'topology.ts'), '--application-id', `example-${name}`, '--threads', '2', ...place], options)
  await run.waitFor('caught up')
  run.kill('SIGTERM')
  expect(await run.ended).toMatchObject({ code: 0 })
  const printed = (await millrace(`consume --topic ${output} --from-beginning --timeout-ms 5000`)).trimEnd().split('\n').map((line) => JSON.parse(line) as { readonly minute: string; readonly path?: string })
  const last = [...new Map(printed.map((row) => [`${row.path ?? ''} ${row.minute}`, row])).values()]
  expect(last).toHaveLength(results.length)
  expect(last).toEqual(expect.arrayContaining([...results]))
}

describe('millrace run of an example', () => {
  it.each(examples)('gives its results on a directory, in two threads: $name', { timeout: 120_000 }, async (example) => {
    await check(example, ['--data', join(options.directory, example.name)])
  })
})

await describeWith('kafka', 'millrace run of an example on Apache Kafka', (kafka) => {
  it.each(examples)('gives its results there, in two threads: $name', { timeout: 240_000 }, async (example) => {
    await check(example, ['--kafka', kafka.bootstrapServers])
  })
})
