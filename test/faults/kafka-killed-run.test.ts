/**
 * `millrace run --kafka` that is killed: started again under its instance id it goes on at once; an instance with another name
 * gets the partitions when the dead one's session ends. MILLRACE_KAFKA_FAULT_ROUNDS multiplies the three kills.
 */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { openKafkaBroker, randomInteger, seededRandom, sleep, systemClock } from '../../src/core/index.ts'
import type { Isolation } from '../../src/core/index.ts'
import { eventually, visibleValues } from '../contract/contract-kit.ts'
import { startConsole } from '../kit/console.ts'
import type { ConsoleOptions } from '../kit/console.ts'
import { snippetsOfDocument } from '../kit/doc-snippets.ts'
import { hitLines, plainCounts, printedCounts } from '../kit/hits.ts'
import { freshName } from '../kit/kafka.ts'
import { succeedHere } from '../kit/memory-terminal.ts'
import { describeWith } from '../kit/services.ts'

const kills = 3 * Number(process.env['MILLRACE_KAFKA_FAULT_ROUNDS'] ?? 1)
const seed = Number(process.env['MILLRACE_FAULT_SEED'] ?? systemClock.now() % 1_000_000)
const root = fileURLToPath(new URL('../../', import.meta.url))
const linesPerRound = 3_000
const patienceMs = 60_000

await describeWith('kafka', 'millrace run on Apache Kafka that is killed', ({ bootstrapServers }) => {
  let options: ConsoleOptions
  const kafka = ['--kafka', bootstrapServers]
  const [input, output] = [freshName('access-log'), freshName('hits-per-minute')]

  beforeAll(() => {
    mkdirSync(join(root, '.test-tmp'), { recursive: true })
    options = { directory: mkdtempSync(join(root, '.test-tmp', 'killed-on-kafka-')) }
    const guide = readFileSync(join(root, 'docs/guide/getting-started.md'), 'utf8')
    const program = snippetsOfDocument('getting-started.md', guide).find(({ code }) => code.includes('export default builder.build()'))
    writeFileSync(join(options.directory, 'app.ts'), program!.code.replace("topic('access-log'", `topic('${input}'`).replace("topic('hits-per-minute'", `topic('${output}'`))
  })
  afterAll(() => rmSync(options.directory, { recursive: true, force: true }))

  const millrace = (args: string, input = '') => succeedHere([...args.split(' '), ...kafka], input)

  it(`counts every record once, over ${kills} kills (seed ${seed})`, async () => {
    const random = seededRandom(seed)
    const broker = await openKafkaBroker({ brokers: bootstrapServers.split(',') })
    const committedOffset = async () => (await broker.groups.describe('app')).offsets.find(({ topic }) => topic === input)?.offset ?? 0
    // the records' times are in the past
    for (const topic of [input, output]) await millrace(`topics --create --topic ${topic} --config retention.ms=-1`)
    for (let kill = 0; kill < kills; kill++) {
      await millrace(`produce --topic ${input}`, hitLines(kill * linesPerRound, (kill + 1) * linesPerRound))
      const before = await committedOffset()
      const run = startConsole(['run', 'app.ts', '--instance-id', 'one', ...kafka], options)
      const deadline = systemClock.monotonic() + patienceMs
      while (await committedOffset() === before && systemClock.monotonic() < deadline) await sleep(systemClock, 20)
      expect(await committedOffset()).toBeGreaterThan(before)
      await sleep(systemClock, randomInteger(random, 150))
      run.kill('SIGKILL')
      expect(await run.ended).toMatchObject({ signal: 'SIGKILL' })
    }
    await millrace(`produce --topic ${input}`, hitLines(kills * linesPerRound, (kills + 1) * linesPerRound))
    const last = startConsole(['run', 'app.ts', '--instance-id', 'another', ...kafka], options)
    await last.waitFor('caught up')
    last.kill('SIGTERM')
    expect(await last.ended).toMatchObject({ code: 0 })
    const results = { topic: output, partition: 0 }
    const endOf = async (isolation: Isolation) => (await broker.topics.listOffsets([{ ...results, at: 'latest' }], { isolation }))[0]!.offset
    // no transaction of one that was killed holds anything back
    await eventually(async () => expect(await endOf('read-committed')).toBe(await endOf('read-uncommitted')))
    const written = await visibleValues(broker, results, 'read-committed')
    const counts = printedCounts(await millrace(`consume --topic ${output} --from-beginning --max-messages ${written.length} --timeout-ms 30000 --property print.key=true`))
    expect(counts, `seed ${seed}`).toEqual(plainCounts((kills + 1) * linesPerRound))
    await broker.close()
  }, (kills + 1) * 150_000)
})
