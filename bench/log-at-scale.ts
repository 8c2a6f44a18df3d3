/**
 * Whether a log that has grown costs more than a small one: append and tail-read rates of a large log and of a log of 100 MB, in turns
 * in the same minute, memory, and how long opening the large one takes. `node dist/bench/log-at-scale.js`; MILLRACE_BENCH_BYTES sizes it
 * (default 10 GB, which it needs on the disk of MILLRACE_BENCH_DIR, and removes).
 */
import { statfsSync } from 'node:fs'
import { join } from 'node:path'
import { systemClock } from '../src/core/clock.ts'
import { nodeFileSystem } from '../src/core/log/file-system.ts'
import type { FileHandle, FileSystem } from '../src/core/log/file-system.ts'
import { defaultLogConfig } from '../src/core/log/log-config.ts'
import { PartitionLog } from '../src/core/log/partition-log.ts'
import { RecordBatchBuilder } from '../src/core/log/record-batch-builder.ts'
import { sealBatch } from '../src/core/log/record-batch.ts'
import { benchDirectory } from './harness.ts'

const largeBytes = Number(process.env['MILLRACE_BENCH_BYTES'] ?? 10e9)
const smallBytes = 100e6
/** The disk must have so much more room, for what others write meanwhile. */
const spareBytes = 5e9
const rounds = 60
const recordsPerBatch = 512
const batchesPerSync = 64
const value = Buffer.alloc(100, '{"text":"abcdefghijklmnopqrstuvwxyz"}')
const key = Buffer.from('user-00000000001')
const now = Date.parse('2026-01-01T00:00:00Z')
const seal = { producerId: -1, producerEpoch: -1, baseSequence: -1, transactional: false }
const builder = new RecordBatchBuilder({ maxBytes: 128 * 1024 })

let bodyReads = 0
let peakRss = 0

/** Counts reads of segments. */
const countingFileSystem: FileSystem = {
  ...nodeFileSystem,
  open(path, mode) {
    const file = nodeFileSystem.open(path, mode)
    return path.endsWith('.log') ? counted(file) : file
  },
}

function counted(file: FileHandle): FileHandle {
  return {
    path: file.path, sizeBytes: () => file.sizeBytes(), write: (parts, position) => file.write(parts, position),
    truncate: (sizeBytes) => file.truncate(sizeBytes), sync: () => file.sync(), close: () => file.close(),
    read(into, at, length, position) {
      bodyReads++
      return file.read(into, at, length, position)
    },
    readAside(into, position) {
      bodyReads++
      return file.readAside(into, position)
    },
  }
}

interface Turn {
  readonly appendMs: number
  readonly appendCpuMs: number
  readonly readMs: number
}

/** Appends 4 MB, syncs, and reads them back at the tail. */
async function turn(log: PartitionLog): Promise<Turn> {
  const from = log.logEndOffset
  const cpu = process.cpuUsage()
  const start = performance.now()
  for (let i = 0; i < batchesPerSync; i++) appendBatch(log)
  const appendMs = performance.now() - start
  const used = process.cpuUsage(cpu)
  await log.sync()
  const readStart = performance.now()
  for (let offset = from; offset < log.highWatermark;) offset = log.read({ offset, maxBytes: 1024 * 1024, isolation: 'read-uncommitted' }).nextOffset
  peakRss = Math.max(peakRss, process.memoryUsage.rss())
  return { appendMs, appendCpuMs: (used.user + used.system) / 1000, readMs: performance.now() - readStart }
}

function appendBatch(log: PartitionLog): void {
  for (let r = 0; r < recordsPerBatch; r++) builder.add(key, value, now + r)
  const { bytes } = builder.build()
  sealBatch(bytes, seal)
  log.append(bytes, 'builder')
  builder.reuse(bytes)
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1]!
}

const rounded = (value: number) => Number(value.toPrecision(4))

/** Of the two logs in turns, each the first in half of the rounds: what disturbs the machine disturbs both. */
async function compare(small: PartitionLog, large: PartitionLog) {
  const pairs: (readonly [small: Turn, large: Turn])[] = []
  for (let i = 0; i < rounds; i++) {
    const isLargeFirst = i % 2 === 0
    const first = await turn(isLargeFirst ? large : small)
    const second = await turn(isLargeFirst ? small : large)
    pairs.push(isLargeFirst ? [second, first] : [first, second])
  }
  const records = batchesPerSync * recordsPerBatch
  const rates = (of: (turn: Turn) => number) => [0, 1].map((at) => rounded((records / median(pairs.map((pair) => of(pair[at]!)))) * 1000))
  /** Of speed: above 1 the large log is the faster one. */
  const ratio = (of: (turn: Turn) => number) => rounded(median(pairs.map(([ofSmall, ofLarge]) => of(ofSmall) / of(ofLarge))))
  return {
    appendPerSecond: rates(({ appendMs }) => appendMs), appendRatio: ratio(({ appendMs }) => appendMs), appendCpuRatio: ratio(({ appendCpuMs }) => appendCpuMs),
    readPerSecond: rates(({ readMs }) => readMs), readRatio: ratio(({ readMs }) => readMs),
  }
}

async function measure(path: string): Promise<void> {
  const open = (name: string) => PartitionLog.open({ directory: join(path, name), name, fileSystem: countingFileSystem, clock: systemClock, config: defaultLogConfig })
  const small = await open('small-0')
  while (small.sizeBytes < smallBytes) await turn(small)
  let large = await open('large-0')
  const rssAtStart = process.memoryUsage.rss()
  peakRss = 0
  while (large.sizeBytes < largeBytes) await turn(large)
  const bytes = [small.sizeBytes, large.sizeBytes]
  const compared = await compare(small, large)
  await small.close()
  await large.close()
  bodyReads = 0
  const start = performance.now()
  large = await open('large-0')
  const openMs = performance.now() - start
  const segmentReadsAtOpen = bodyReads
  await large.close()
  console.log(JSON.stringify({ name: 'log-at-scale', bytes, ...compared, openMs: rounded(openMs), segmentReadsAtOpen, rssAboveStartMb: rounded((peakRss - rssAtStart) / 1e6) }))
}

const directory = benchDirectory()
const { bavail, bsize } = statfsSync(directory.path)
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => (directory.remove(), process.exit(1)))
try {
  if (bavail * bsize < largeBytes + spareBytes) throw new Error(`${directory.path} has ${Math.round((bavail * bsize) / 1e9)} GB free, and ${Math.round((largeBytes + spareBytes) / 1e9)} are needed: set MILLRACE_BENCH_DIR or MILLRACE_BENCH_BYTES`)
  await measure(directory.path)
} finally {
  directory.remove()
}
