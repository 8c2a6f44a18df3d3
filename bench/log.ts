/**
 * What the log promises (reference: a record is 16 bytes of key and 100 of value, 512 to a batch): encode, append into the page
 * cache, append durably with one and with 1,024 in flight, read. `node dist/bench/log.js [name…]`
 */
import { closeSync, fdatasync, openSync, readSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import type { Producer } from '../src/core/broker.ts'
import { systemClock } from '../src/core/clock.ts'
import { openEmbeddedBroker } from '../src/core/engine/embedded-broker.ts'
import { nodeFileSystem } from '../src/core/log/file-system.ts'
import { defaultLogConfig } from '../src/core/log/log-config.ts'
import { PartitionLog } from '../src/core/log/partition-log.ts'
import { RecordBatchBuilder } from '../src/core/log/record-batch-builder.ts'
import { sealBatch } from '../src/core/log/record-batch.ts'
import type { BatchSeal } from '../src/core/log/record-batch.ts'
import { bench, benchDirectory } from './harness.ts'

const recordsPerBatch = 512
const batches = 2048
const records = recordsPerBatch * batches
const seal: BatchSeal = { producerId: -1, producerEpoch: -1, baseSequence: -1, transactional: false }
const keys = Array.from({ length: recordsPerBatch }, (_, i) => Buffer.from(`user-${String(i).padStart(11, '0')}`))
const values = Array.from({ length: recordsPerBatch }, (_, i) => Buffer.alloc(100, `{"n":${i},"text":"abcdefghijklmnopqrstuvwxyz"}`))
const now = Date.parse('2026-01-01T00:00:00Z')

const builder = new RecordBatchBuilder({ maxBytes: 128 * 1024 })

/** The caller gives the bytes back with `builder.reuse` when it is done with them, as a producer does. */
function encodeBatch(): Uint8Array {
  for (let i = 0; i < recordsPerBatch; i++) builder.add(keys[i]!, values[i]!, now + i)
  const { bytes } = builder.build()
  sealBatch(bytes, seal)
  return bytes
}

const recordBytes = 126
const batchBytes = encodeBatch().length
const totalBytes = batchBytes * batches
const directory = benchDirectory()
const file = join(directory.path, 'raw')
let log: PartitionLog

function openLog(): Promise<PartitionLog> {
  return PartitionLog.open({ directory: join(directory.path, 'bench-0'), name: 'bench-0', fileSystem: nodeFileSystem, clock: systemClock, config: defaultLogConfig })
}

async function freshLog(): Promise<void> {
  directory.empty()
  log = await openLog()
}

function withFile<T>(flags: string, use: (fd: number) => T): T {
  const fd = openSync(file, flags)
  try {
    return use(fd)
  } finally {
    closeSync(fd)
  }
}

function sync(fd: number): Promise<void> {
  return new Promise((resolve, reject) => fdatasync(fd, (error) => (error ? reject(error) : resolve())))
}

/** A batch of one record, as a lone append makes it. */
function encodeOne(): Uint8Array {
  builder.add(keys[0]!, values[0]!, now)
  const { bytes } = builder.build()
  sealBatch(bytes, seal)
  return bytes
}

const oneBytes = encodeOne().length

async function rawSyncs(count: number): Promise<readonly number[]> {
  const fd = openSync(file, 'w')
  const bytes = Buffer.alloc(oneBytes)
  const latencies: number[] = []
  for (let i = 0; i < count; i++) {
    const start = performance.now()
    writeSync(fd, bytes)
    await sync(fd)
    latencies.push(performance.now() - start)
  }
  closeSync(fd)
  return latencies.toSorted((a, b) => a - b)
}

// ---------------------------------------------------------------------------------------------------- cases

const copyTarget = Buffer.alloc(batchBytes)

function encode() {
  return bench({
    name: 'encode', records, bytes: totalBytes,
    run: () => { for (let i = 0; i < batches; i++) builder.reuse(encodeBatch()) },
    against: {
      name: 'copying key and value of each record',
      run() {
        for (let i = 0; i < batches; i++) {
          for (let r = 0, at = 0; r < recordsPerBatch; r++, at += 116) {
            copyTarget.set(keys[r]!, at)
            copyTarget.set(values[r]!, at + 16)
          }
        }
      },
    },
  })
}

function appendAll(): void {
  for (let i = 0; i < batches; i++) {
    const bytes = encodeBatch()
    log.append(bytes, 'builder')
    builder.reuse(bytes)
  }
}

function appendPageCache() {
  return bench({
    name: 'append-page-cache', records, bytes: totalBytes,
    prepare: freshLog,
    run: appendAll,
    against: {
      name: 'writeSync of the same bytes, 64 KiB at a time',
      prepare: () => directory.empty(),
      run: () => withFile('w', (fd) => { for (let i = 0; i < batches; i++) writeSync(fd, copyTarget) }),
    },
  })
}

function appendDurableOne() {
  const appends = 2000
  return bench({
    name: 'append-durable-1', records: appends, bytes: appends * oneBytes,
    prepare: freshLog,
    async run() {
      for (let i = 0; i < appends; i++) {
        log.append(encodeOne(), 'builder')
        await log.sync()
      }
    },
    against: { name: 'write and fdatasync of the same bytes, one after the other', run: async () => void (await rawSyncs(appends)) },
  })
}

/** Through a producer, as a program does it: appends of one turn of the event loop share a batch, and batches share a sync. */
async function appendDurableMany() {
  const inFlight = 1024
  const rounds = 100
  const appends = inFlight * rounds
  directory.empty()
  const broker = await openEmbeddedBroker({ directory: join(directory.path, 'data') })
  await broker.topics.create([{ topic: 'bench' }])
  const producer = await broker.openProducer()
  await bench({
    name: 'append-durable-1024', records: appends, bytes: appends * recordBytes,
    run: async () => void (await Promise.all(Array.from({ length: inFlight }, () => produce(producer, rounds)))),
    against: { name: '1024 in flight over the median of write and fdatasync', run: async () => ((await rawSyncs(500))[250]! / 1000) * rounds },
  })
  await broker.close()
}

/** Each append is awaited on its own. */
async function produce(producer: Producer, rounds: number): Promise<void> {
  for (let i = 0; i < rounds; i++) await producer.append({ topic: 'bench', partition: 0, key: keys[i]!, value: values[i]!, timestamp: now })
}

async function read() {
  await freshLog()
  appendAll()
  await log.close()
  log = await openLog()
  const buffer = Buffer.alloc(1024 * 1024)
  await bench({
    name: 'read', records, bytes: totalBytes,
    run: readAll,
    against: {
      name: 'readSync of the same file, 1 MiB at a time',
      run() {
        const fd = openSync(join(directory.path, 'bench-0', '00000000000000000000.log'), 'r')
        while (readSync(fd, buffer) > 0);
        closeSync(fd)
      },
    },
  })
}

/** Every batch is checksummed, every record is visited, no key or value is looked at. */
function readAll(): void {
  let visited = 0
  for (let offset = 0; offset < records;) {
    const { batches: found, nextOffset } = log.read({ offset, maxBytes: 1024 * 1024, isolation: 'read-uncommitted' })
    for (const batch of found) batch.forEach((record) => { if (record.timestamp > 0) visited++ })
    offset = nextOffset
  }
  if (visited !== records) throw new Error(`${visited} of ${records} records were read`)
}

const cases = { 'encode': encode, 'append-page-cache': appendPageCache, 'append-durable-1': appendDurableOne, 'append-durable-1024': appendDurableMany, 'read': read }
const wanted = process.argv.slice(2)
try {
  for (const [name, run] of Object.entries(cases)) if (wanted.length === 0 || wanted.includes(name)) await run()
} finally {
  directory.remove()
}
