/**
 * What the file source promises: the lines of a file as records, from a cold start to the end of the file, alone and through the Connect
 * worker into a topic on disk, synced, offsets and all; against `wc -l` of the same file. `node dist/bench/file-tail.js`
 */
import { spawnSync } from 'node:child_process'
import { closeSync, openSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { openEmbeddedBroker } from 'millrace'
import { ConnectWorker, sleep, systemClock } from 'millrace/connect'
import type { RawConfig, SourceSpans, SourceTaskContext } from 'millrace/connect'
import { fileSource } from 'millrace/connectors/file'
import { bench, benchDirectory } from './harness.ts'

const records = 3_000_000
const mappedRecords = 500_000
const lineBytes = 100
const directory = benchDirectory()
const path = join(directory.path, 'access.log')

const mappedPath = join(directory.path, 'events.jsonl')

function writeLines(to: string, count: number, text: (n: number) => string): void {
  const file = openSync(to, 'w')
  for (let from = 0; from < count; from += 10_000) {
    writeSync(file, Array.from({ length: 10_000 }, (_, i) => text(from + i).padEnd(lineBytes - 1).concat('\n')).join(''))
  }
  closeSync(file)
}

function writeFiles(to: string, mappedTo: string): void {
  writeLines(to, records, (n) => `127.0.0.1 - - [21/Nov/2026:07:00:00 +0000] "GET /page/${n} HTTP/1.1" 200 512`)
  writeLines(mappedTo, mappedRecords, (n) => `{"id":${n},"path":"/page/${n % 100}","status":200,"agent":"curl/8.5.0"}`)
}

const abort = new AbortController()
const quiet = () => undefined
const context: SourceTaskContext = {
  connectorName: 'bench',
  taskId: 0, gauge: () => undefined,
  clock: systemClock,
  log: { debug: quiet, info: quiet, warn: quiet, error: quiet },
  signal: abort.signal,
  allOffsets: () => Promise.resolve([]),
  offsets: (partitions) => Promise.resolve(partitions.map(() => undefined)),
}

async function tail(): Promise<void> {
  const task = fileSource.createTask()
  await task.start(fileSource.taskConfig!.parse({ path, topic: 't', watch: 'false' }), context)
  let read = 0
  while (read < records) {
    for (const spans of (await task.poll(abort.signal)) as readonly SourceSpans[]) {
      read += spans.recordCount
      spans.sourceOffset(spans.recordCount - 1)
    }
  }
  await task.stop()
}

let runs = 0

/** Until the records and the position behind them are committed. */
async function intoTopic(file: string, config: RawConfig, count: number): Promise<void> {
  const broker = await openEmbeddedBroker({ directory: join(directory.path, 'log') })
  const topic = `bench-${runs++}`
  await broker.topics.create([{ topic }])
  const done = new AbortController()
  const isDone = () => (worker.status()[0]?.tasks[0]?.records ?? 0) >= count
  const worker: ConnectWorker = ConnectWorker.open({ broker, plugins: [fileSource], log: context.log, config: { 'task.host': 'in-process' }, onChange: () => { if (isDone()) done.abort() } })
  await worker.start({ name: topic, config: { 'connector.class': fileSource.class, path: file, topic, watch: 'false', 'value.converter': 'StringConverter', ...config } })
  await sleep(systemClock, 120_000, done.signal)
  await worker.stop()
  await broker.topics.remove([topic])
  await broker.close()
}

const [, program, command, ...paths] = process.argv
if (command === 'write') {
  writeFiles(paths[0]!, paths[1]!)
  directory.remove()
  process.exit()
}
// by another process: this one's memory is a figure
spawnSync(process.execPath, [program!, 'write', path, mappedPath], { stdio: 'inherit' })
await bench({
  name: 'file tail',
  records,
  bytes: records * lineBytes,
  run: tail,
  against: { name: 'wc -l', run: () => void spawnSync('wc', ['-l', path]) },
})
await bench({
  name: 'file to topic', records, bytes: records * lineBytes,
  run: () => intoTopic(path, {}, records),
  against: { name: 'wc -l', run: () => void spawnSync('wc', ['-l', path]) },
})
await bench({
  name: 'file to topic, JSON mapped', records: mappedRecords, bytes: mappedRecords * lineBytes,
  run: () => intoTopic(mappedPath, {
    format: 'json', 'value.converter': 'JsonConverter', 'value.converter.schemas.enable': 'false', transforms: 'drop', 'transforms.drop.type': 'ReplaceField$Value', 'transforms.drop.exclude': 'agent',
  }, mappedRecords),
  against: { name: 'wc -l', run: () => void spawnSync('wc', ['-l', mappedPath]) },
})
console.log(JSON.stringify({ name: 'memory of the file source and the log', peakMegabytes: Math.round(process.resourceUsage().maxRSS / 1024) }))
directory.remove()
