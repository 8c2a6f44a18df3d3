/**
 * `npm run demo:crash -- [--kills 20] [--seed N] [--kafka HOST:PORT [--anew]] [--postgres URL]`
 *
 * A log grows and rotates while the process that counts it is killed with SIGKILL at random moments: while it starts,
 * restores, reads, commits. In the end the table must be what a plain count over the same files gives: no line lost, none
 * counted twice. Equal: exit 0; else the differences and exit 1.
 */
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { type Random, randomInteger, seededRandom, sleep, systemClock, systemRandom } from 'millrace'
import { AccessLogWriter } from './access-log-writer.ts'
import { type LogPlace, beginAnew } from './log-place.ts'
import { outputFile } from './pipeline.ts'
import { plainCount } from './plain-count.ts'
import { type Table, differences, dropPostgresTables, readFileTable, readPostgresTable, readTopics, sumOf } from './result-tables.ts'

const { values: options } = parseArgs({
  options: {
    kills: { type: 'string', default: '20' },
    seed: { type: 'string' },
    kafka: { type: 'string' },
    anew: { type: 'boolean', default: false },
    postgres: { type: 'string' },
    data: { type: 'string', default: join('.millrace', 'crash-demo') },
  },
})

const place: LogPlace = { dataDirectory: options.data, kafka: options.kafka }
const kills = Number(options.kills)
const seed = options.seed === undefined ? randomInteger(systemRandom, 2 ** 31) : Number(options.seed)
const logDirectory = join(options.data, 'log')
const linesPerTick = 100
const tickMs = 50
/** After it began to work. */
const longestWorkMs = 2_000
/** Every fourth run, on average, is killed while it starts. */
const startsKilled = 1 / 4
/** Without a row that changes. */
const patienceMs = 60_000
/** How long the last start took that was not killed. */
let startMs = 500

process.exitCode = await main()

async function main(): Promise<number> {
  const random = seededRandom(seed)
  await beginAnew(place, options.anew)
  if (options.postgres !== undefined) await dropPostgresTables(options.postgres)
  console.log(`seed ${seed}: ${kills} kills at random moments (the same again: npm run demo:crash -- --seed ${seed})`)

  const writer = new AccessLogWriter({ directory: logDirectory, seed, startAt: Date.parse('2026-10-10T13:55:00Z'), millisecondsPerLine: 20, linesPerFile: 7_000 })
  const stopWriting = new AbortController()
  const writing = keepWriting(writer, stopWriting.signal)
  for (let kill = 1; kill <= kills; kill++) await runAndKill(kill, random)
  stopWriting.abort()
  await writing

  const expected = plainCount(logDirectory)
  console.log(`${writer.lines.toLocaleString('en-US')} lines were written; the last run is left to finish`)
  const last = startPipeline()
  const drained = await waitForTables(expected.hits, last)
  const exitCode = await stop(last)
  return report(expected, drained, exitCode)
}

async function keepWriting(writer: AccessLogWriter, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    writer.write(linesPerTick)
    await sleep(systemClock, tickMs, signal)
  }
  writer.finish()
}

async function runAndKill(kill: number, random: Random): Promise<void> {
  const bornAt = systemClock.monotonic()
  const child = startPipeline()
  const working = once(child, 'message')
  if (random.next() < startsKilled) await Promise.race([working, sleep(systemClock, randomInteger(random, startMs)), once(child, 'exit')])
  else {
    await Promise.race([working, once(child, 'exit')])
    startMs = systemClock.monotonic() - bornAt
    await Promise.race([sleep(systemClock, randomInteger(random, longestWorkMs)), once(child, 'exit')])
  }
  if (child.exitCode !== null) throw new Error(`run ${kill} ended by itself with exit code ${child.exitCode}, before it was killed`)
  child.kill('SIGKILL')
  if (child.signalCode === null) await once(child, 'exit')
  console.log(`  kill ${String(kill).padStart(2)} after ${(systemClock.monotonic() - bornAt).toFixed(0).padStart(5)} ms`)
}

function startPipeline(): ChildProcess {
  const kafka = options.kafka === undefined ? [] : ['--kafka', options.kafka]
  const postgres = options.postgres === undefined ? [] : ['--postgres', options.postgres]
  return fork(new URL('./pipeline-process.js', import.meta.url), ['--log', join(logDirectory, 'access.log*'), '--data', options.data, ...kafka, ...postgres])
}

async function stop(child: ChildProcess): Promise<number | null> {
  if (child.exitCode === null) {
    child.kill('SIGTERM')
    await once(child, 'exit')
  }
  return child.exitCode
}

/** True when every table came to be what is expected; a table that went past it never does. */
async function waitForTables(expected: Table, child: ChildProcess): Promise<boolean> {
  let seen = -1
  let deadline = 0
  while (child.exitCode === null) {
    const tables = await outsideTables()
    if (tables.every(({ table }) => differences(expected, table).length === 0)) return true
    const hits = tables.reduce((sum, { table }) => sum + sumOf(table), 0)
    if (hits !== seen) deadline = systemClock.monotonic() + patienceMs
    else if (systemClock.monotonic() > deadline) return false
    seen = hits
    await sleep(systemClock, 250)
  }
  return false
}

/** The tables that can be read while the pipeline runs. */
async function outsideTables(): Promise<{ name: string; table: Table }[]> {
  const file = { name: 'file', table: readFileTable(outputFile(options.data)) }
  if (options.postgres === undefined) return [file]
  return [file, { name: 'PostgreSQL table', table: await readPostgresTable(options.postgres) }]
}

async function report(expected: ReturnType<typeof plainCount>, drained: boolean, exitCode: number | null): Promise<number> {
  const complaints: string[] = []
  if (exitCode !== 0) complaints.push(`SIGTERM must end the pipeline with exit code 0, not ${exitCode}`)
  if (!drained) complaints.push(`the tables are not complete, and nothing changed in them for ${patienceMs / 1000} s`)
  const { table: topicTable, deadLetters } = await readTopics(place)
  const tables = [{ name: 'topic', table: topicTable }, ...(await outsideTables())]
  for (const { name, table } of tables) complaints.push(...differences(expected.hits, table).map((difference) => `${name}: ${difference}`))
  if (deadLetters !== expected.badLines) complaints.push(`${expected.badLines} bad lines, but ${deadLetters} dead letters`)
  if (complaints.length > 0) {
    console.error(`NOT equal (seed ${seed}; the data is in ${options.data}):\n${complaints.slice(0, 20).map((complaint) => `  ${complaint}`).join('\n')}`)
    return 1
  }
  console.log(
    `equal: after ${kills} kills ${tables.map(({ name }) => name).join(' and ')} hold what a plain count gives: ` +
      `${expected.goodLines.toLocaleString('en-US')} hits in ${expected.hits.size} rows (path and minute), and ${deadLetters} bad lines set aside`,
  )
  return 0
}
