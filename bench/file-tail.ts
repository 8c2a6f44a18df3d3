/**
 * What the file source promises: the lines of a file as records, from a cold start to the end of the file, against `wc -l` of the
 * same file. `node dist/bench/file-tail.js`
 */
import { spawnSync } from 'node:child_process'
import { closeSync, openSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { systemClock } from 'millrace/connect'
import type { SourceSpans, SourceTaskContext } from 'millrace/connect'
import { fileSource } from 'millrace/connectors/file'
import { bench, benchDirectory } from './harness.ts'

const records = 3_000_000
const lineBytes = 100
const directory = benchDirectory()
const path = join(directory.path, 'access.log')

function writeLines(text: (n: number) => string): void {
  const file = openSync(path, 'w')
  for (let from = 0; from < records; from += 10_000) {
    writeSync(file, Array.from({ length: 10_000 }, (_, i) => text(from + i).padEnd(lineBytes - 1, 'x').concat('\n')).join(''))
  }
  closeSync(file)
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

writeLines((n) => `127.0.0.1 - - [21/Nov/2026:07:00:00 +0000] "GET /page/${n} HTTP/1.1" 200 512`)
await bench({
  name: 'file tail',
  records,
  bytes: records * lineBytes,
  run: tail,
  against: { name: 'wc -l', run: () => void spawnSync('wc', ['-l', path]) },
})
directory.remove()
