/**
 * Whether a log that has grown costs more than a small one: append and tail-read rates after the first 100 MB and at the end, memory,
 * and how long opening it takes. `node dist/bench/log-at-scale.js`; MILLRACE_BENCH_BYTES sizes it (default 10 GB, which it needs on
 * the disk of MILLRACE_BENCH_DIR, and removes).
 */
import { join } from 'node:path'
import { systemClock } from '../src/core/clock.ts'
import { nodeFileSystem } from '../src/core/log/file-system.ts'
import type { FileHandle, FileSystem } from '../src/core/log/file-system.ts'
import { defaultLogConfig } from '../src/core/log/log-config.ts'
import { PartitionLog } from '../src/core/log/partition-log.ts'
import { RecordBatchBuilder } from '../src/core/log/record-batch-builder.ts'
import { sealBatch } from '../src/core/log/record-batch.ts'
import { benchDirectory } from './harness.ts'

const totalBytes = Number(process.env['MILLRACE_BENCH_BYTES'] ?? 10e9)
const stretchBytes = 100e6
const recordsPerBatch = 512
const batchesPerSync = 64
const value = Buffer.alloc(100, '{"text":"abcdefghijklmnopqrstuvwxyz"}')
const key = Buffer.from('user-00000000001')
const now = Date.parse('2026-01-01T00:00:00Z')
const seal = { producerId: -1, producerEpoch: -1, baseSequence: -1, transactional: false }
const builder = new RecordBatchBuilder({ maxBytes: 128 * 1024 })

let bodyReads = 0

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
  }
}

interface Rates {
  readonly appendPerSecond: number
  readonly appendCpuPerMillion: number
  readonly readPerSecond: number
}

/** Appends a stretch in turns of 4 MB and reads each back at the tail; the medians of the turns. */
async function stretch(log: PartitionLog, until: number): Promise<Rates> {
  const appends: number[] = []
  const cpus: number[] = []
  const reads: number[] = []
  while (log.sizeBytes < until) {
    const from = log.logEndOffset
    const cpu = process.cpuUsage()
    const start = performance.now()
    for (let i = 0; i < batchesPerSync; i++) appendBatch(log)
    appends.push(performance.now() - start)
    const used = process.cpuUsage(cpu)
    cpus.push((used.user + used.system) / 1000)
    await log.sync()
    const readStart = performance.now()
    for (let offset = from; offset < log.highWatermark;) offset = log.read({ offset, maxBytes: 1024 * 1024, isolation: 'read-uncommitted' }).nextOffset
    reads.push(performance.now() - readStart)
    peakRss = Math.max(peakRss, process.memoryUsage.rss())
  }
  const records = batchesPerSync * recordsPerBatch
  return { appendPerSecond: (records / median(appends)) * 1000, appendCpuPerMillion: (median(cpus) / records) * 1000, readPerSecond: (records / median(reads)) * 1000 }
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

const directory = benchDirectory()
let peakRss = 0

function open(): Promise<PartitionLog> {
  return PartitionLog.open({ directory: join(directory.path, 'scale-0'), name: 'scale-0', fileSystem: countingFileSystem, clock: systemClock, config: defaultLogConfig })
}

try {
  let log = await open()
  await stretch(log, stretchBytes / 2)
  const rssAtStart = process.memoryUsage.rss()
  const small = await stretch(log, stretchBytes * 1.5)
  await stretch(log, totalBytes - stretchBytes)
  const large = await stretch(log, totalBytes)
  const sizeBytes = log.sizeBytes
  await log.close()
  bodyReads = 0
  const start = performance.now()
  log = await open()
  const openMs = performance.now() - start
  const segmentReads = bodyReads
  await log.close()
  const rounded = (value: number, digits = 4) => Number(value.toPrecision(digits))
  console.log(JSON.stringify({
    name: 'log-at-scale', bytes: sizeBytes,
    appendPerSecond: [rounded(small.appendPerSecond), rounded(large.appendPerSecond)], appendRatio: rounded(large.appendPerSecond / small.appendPerSecond),
    appendCpuPerMillion: [rounded(small.appendCpuPerMillion), rounded(large.appendCpuPerMillion)],
    readPerSecond: [rounded(small.readPerSecond), rounded(large.readPerSecond)], readRatio: rounded(large.readPerSecond / small.readPerSecond),
    openMs: rounded(openMs), segmentReadsAtOpen: segmentReads, rssAboveStartMb: rounded((peakRss - rssAtStart) / 1e6),
  }))
} finally {
  directory.remove()
}
