/**
 * `npm start`                      makes a web server's log that grows and rotates, and counts it while it does
 * `npm start -- FILE`              follows your own log (common or combined format) until Ctrl-C
 * `npm start -- --postgres URL`    writes the counts to PostgreSQL too
 * `npm start -- --kafka HOST:PORT`  keeps the topics on a cluster; `--anew` deletes those of an earlier demo there
 * `npm start -- --data DIRECTORY`  keeps everything there, and goes on from there the next time
 */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { sleep, systemClock } from 'millrace'
import { AccessLogWriter } from './access-log-writer.ts'
import { CountsReader } from './counts-reader.ts'
import { type LogPlace, beginAnew, brokerDirectory } from './log-place.ts'
import { type Pipeline, outputFile, startPipeline } from './pipeline.ts'
import { dropPostgresTables, readFileTable, readPostgresTable, sumOf } from './result-tables.ts'
import { Screen } from './screen.ts'

const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: { kafka: { type: 'string' }, anew: { type: 'boolean', default: false }, postgres: { type: 'string' }, data: { type: 'string' }, seconds: { type: 'string', default: '10' } },
})
const [ownLog] = positionals
const linesPerSecond = 5_000
const linesPerFile = 8_000
const dataDirectory = options.data ?? join('.millrace', ownLog === undefined ? 'demo' : 'access-log')
const place: LogPlace = { dataDirectory, kafka: options.kafka }

const stop = new AbortController()
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => stop.abort())

if (ownLog === undefined) await demo()
else await follow(ownLog)

/** Writes a log for some seconds, and ends when all of it is counted. */
async function demo(): Promise<void> {
  if (options.data === undefined) await startAnew()
  const writer = new AccessLogWriter({
    directory: join(dataDirectory, 'log'),
    seed: 1,
    startAt: systemClock.now() - 8 * 60_000,
    // forty seconds of the log pass in one
    millisecondsPerLine: 8,
    linesPerFile,
  })
  console.log(`A web server writes ${writer.path}, which is rotated every ${linesPerFile.toLocaleString('en-US')} lines; Millrace follows it and counts hits per path and minute.\n`)
  const pipeline = await startPipeline({ ...place, logFile: `${writer.path}*`, postgresUrl: options.postgres })
  const lineCount = Math.ceil(Number(options.seconds) * linesPerSecond)
  const writing = keepWriting(writer, lineCount)
  await watch(pipeline, async (counts) => {
    return counts.lines >= lineCount && (await sinksHold(counts.paths.totalHits))
  })
  await writing
  await pipeline.close()
  sayWhereItIs()
}

async function startAnew(): Promise<void> {
  await beginAnew(place, options.anew)
  if (options.postgres !== undefined) await dropPostgresTables(options.postgres)
}

async function follow(logFile: string): Promise<void> {
  if (!existsSync(logFile)) console.log(`${logFile} is not there yet: waiting for it. Ctrl-C ends.`)
  else console.log(`Following ${logFile}; Ctrl-C ends.\n`)
  const pipeline = await startPipeline({ ...place, logFile, postgresUrl: options.postgres })
  await watch(pipeline, () => Promise.resolve(false))
  await pipeline.close()
  sayWhereItIs()
}

async function keepWriting(writer: AccessLogWriter, lineCount: number): Promise<void> {
  const startedAt = systemClock.monotonic()
  while (writer.lines < lineCount && !stop.signal.aborted) {
    const due = ((systemClock.monotonic() - startedAt) * linesPerSecond) / 1000
    writer.write(Math.min(Math.ceil(due), lineCount) - writer.lines)
    await sleep(systemClock, 50, stop.signal)
  }
  writer.finish()
}

async function sinksHold(totalHits: number): Promise<boolean> {
  const tables = [readFileTable(outputFile(dataDirectory))]
  if (options.postgres !== undefined) tables.push(await readPostgresTable(options.postgres))
  return tables.every((table) => sumOf(table) >= totalHits)
}

/** Shows how things stand, until they are done, or Ctrl-C. */
async function watch(pipeline: Pipeline, isDone: (counts: CountsReader) => Promise<boolean>): Promise<void> {
  const screen = new Screen(process.stdout)
  const counts = await CountsReader.open(pipeline.broker)
  const startedAt = systemClock.monotonic()
  const failures: unknown[] = []
  pipeline.finished.catch((error: unknown) => {
    failures.push(error)
    stop.abort()
  })
  let done = false
  while (!done && !stop.signal.aborted) {
    await sleep(systemClock, process.stdout.isTTY ? 250 : 1000, stop.signal)
    await counts.catchUp()
    done = await isDone(counts)
    screen.show({ seconds: (systemClock.monotonic() - startedAt) / 1000, lines: counts.lines, deadLetters: counts.deadLetters }, counts.paths)
  }
  await counts.close()
  if (failures.length > 0) throw failures[0]
}

function sayWhereItIs(): void {
  const log = options.kafka === undefined ? `--data ${brokerDirectory(dataDirectory)}` : `--kafka ${options.kafka}`
  const topics = options.kafka === undefined ? `${brokerDirectory(dataDirectory)}   the topics, in Kafka's own file format` : `the topics are on ${options.kafka}`
  console.log(`
The data is in ${dataDirectory}:
  ${outputFile(dataDirectory)}   what the file sink wrote; the last line of a path and minute is its count
  ${topics}
Look at them:
  npx millrace topics --list ${log}
  npx millrace consume --topic hits-per-minute --from-beginning --max-messages 5 ${log}
  npx millrace consume --topic access-log-dead-letters --from-beginning --max-messages 5 ${log}
Next:
  npm start -- /var/log/nginx/access.log   your own log, in common or combined format, followed until Ctrl-C
  npm start -- --kafka HOST:PORT           the topics on a cluster of Apache Kafka
  npm start -- --postgres URL              the counts in a PostgreSQL table too
  npm run demo:crash                       kill -9 at 20 random moments, and the counts are right`)
}
