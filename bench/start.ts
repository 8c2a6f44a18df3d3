/**
 * From the start of a process to an open log that has taken its first durable record, and the memory that it has then.
 * `node dist/bench/start.js`: the median of ten processes.
 */
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { openEmbeddedBroker } from '../src/core/engine/embedded-broker.ts'
import { benchDirectory } from './harness.ts'

interface Started {
  readonly readyMs: number
  readonly cpuMs: number
  readonly rssMb: number
}

async function startOnce(directory: string): Promise<void> {
  const broker = await openEmbeddedBroker({ directory })
  if (!(await broker.topics.list()).includes('started')) await broker.topics.create([{ topic: 'started' }])
  const producer = await broker.openProducer()
  await producer.append({ topic: 'started', value: Buffer.from('ready') })
  const { user, system } = process.cpuUsage()
  console.log(JSON.stringify({ readyMs: performance.now(), cpuMs: (user + system) / 1000, rssMb: process.memoryUsage.rss() / 1e6 } satisfies Started))
  await broker.close()
}

function median(values: readonly number[]): number {
  return Number(values.toSorted((a, b) => a - b)[values.length >> 1]!.toPrecision(3))
}

const [, , child] = process.argv
if (child !== undefined) await startOnce(child)
else {
  const directory = benchDirectory()
  try {
    const runs = Array.from({ length: 10 }, () => JSON.parse(spawnSync(process.execPath, [fileURLToPath(import.meta.url), join(directory.path, 'data')], { encoding: 'utf8' }).stdout) as Started)
    console.log(JSON.stringify({ name: 'start', readyMs: median(runs.map(({ readyMs }) => readyMs)), cpuMs: median(runs.map(({ cpuMs }) => cpuMs)), rssMb: median(runs.map(({ rssMb }) => rssMb)) }))
  } finally {
    directory.remove()
  }
}
