/**
 * Any bytes, given to everything that decodes bytes of the log: an answer or a typed error, and nothing allocated beyond the cap.
 * Inputs are recorded ones, damaged: bits, lengths, cuts, splices, noise. MILLRACE_FUZZ_INPUTS sizes the run.
 */
import { describe, expect, it } from 'vitest'
import { decodeAssignment, decodeSubscription } from '../../src/core/consumer-protocol.ts'
import { decodeGroupValue, decodeNextGroupEpoch, decodeOffsetsTopicKey, decodeOffsetValue, decodeTransactionKey, decodeTransactionValue } from '../../src/core/engine/coordinator-records.ts'
import { isStreamError } from '../../src/core/errors.ts'
import { singleBatch, validateBatch } from '../../src/core/log/append-validation.ts'
import { recoverCompaction } from '../../src/core/log/compaction-commit.ts'
import { compressionCodec } from '../../src/core/log/compression.ts'
import { readMarker } from '../../src/core/log/control-batch.ts'
import { crc32c } from '../../src/core/log/crc32c.ts'
import { EntryFile } from '../../src/core/log/entry-file.ts'
import { decodeFrame, encodeFrame } from '../../src/core/log/journal-frame.ts'
import { readCheckpoint } from '../../src/core/log/log-checkpoint.ts'
import { defaultLogConfig } from '../../src/core/log/log-config.ts'
import { OffsetIndex } from '../../src/core/log/offset-index.ts'
import { decodeSnapshot, encodeSnapshot } from '../../src/core/log/producer-snapshot.ts'
import { ProducerState } from '../../src/core/log/producer-state.ts'
import { ReadHandles } from '../../src/core/log/read-handles.ts'
import { RecordBatchView, splitBatches } from '../../src/core/log/record-batch.ts'
import { TimeIndex } from '../../src/core/log/time-index.ts'
import { TransactionIndex } from '../../src/core/log/transaction-index.ts'
import { readUnsignedVarint, readVarint, readVarlong } from '../../src/core/log/varint.ts'
import { randomInteger, seededRandom, systemClock } from '../../src/core/index.ts'
import type { Random } from '../../src/core/index.ts'
import { batch } from '../kit/log-fixtures.ts'
import { MemoryFileSystem } from '../kit/memory-file-system.ts'
import { readVectors } from '../kit/vectors.ts'

const inputs = Number(process.env['MILLRACE_FUZZ_INPUTS'] ?? 1_100_000)
const seed = Number(process.env['MILLRACE_FAULT_SEED'] ?? systemClock.now() % 1_000_000)
const maxSeedBytes = 4096
const maxInflatedBytes = 64 * 1024
const config = { ...defaultLogConfig, cleanup: { delete: false, compact: true } }

/** Every text of a recording that is base64 or hex of some length, as bytes. */
function recorded(group: string): readonly Uint8Array[] {
  const found: Uint8Array[] = []
  const visit = (value: unknown, key: string): void => {
    if (typeof value === 'string') {
      const bytes = Buffer.from(value, /hex$/i.test(key) ? 'hex' : 'base64')
      if (bytes.length > 0 && bytes.length <= maxSeedBytes && /bytes|hex|key|value|subscription|assignment/i.test(key)) found.push(bytes)
    } else if (Array.isArray(value)) for (const item of value) visit(item, key)
    else if (typeof value === 'object' && value !== null) for (const [name, item] of Object.entries(value)) visit(item, name)
  }
  for (const { content } of readVectors('core').get(group) ?? []) visit(content, '')
  expect(found.length, `recordings of ${group}`).toBeGreaterThan(0)
  return found
}

const extremes = [0, 1, 0x7f, 0x80, 0xff, 0xfe]

function mutated(random: Random, seeds: readonly Uint8Array[]): Buffer {
  const pick = () => seeds[randomInteger(random, seeds.length)]!
  let bytes = Buffer.from(pick())
  for (let times = 1 + randomInteger(random, 4); times > 0; times--) {
    const at = randomInteger(random, bytes.length + 1)
    const kind = randomInteger(random, 7)
    if (kind === 0 && at < bytes.length) bytes[at]! ^= 1 << randomInteger(random, 8)
    else if (kind === 1 && at < bytes.length) bytes[at] = extremes[randomInteger(random, extremes.length)]!
    else if (kind === 2) bytes = bytes.subarray(0, at)
    else if (kind === 3) bytes.fill(extremes[randomInteger(random, extremes.length)]!, at, Math.min(bytes.length, at + randomInteger(random, 9)))
    else if (kind === 4) bytes = Buffer.concat([bytes.subarray(0, at), Buffer.from(pick()).subarray(randomInteger(random, 64))]).subarray(0, maxSeedBytes)
    else if (kind === 5 && at + 4 <= bytes.length) bytes.writeInt32BE(randomInteger(random, 2 ** 32) | 0, at)
    else if (kind === 6) bytes = Buffer.concat([bytes.subarray(0, at), Buffer.from(Array.from({ length: randomInteger(random, 8) }, () => randomInteger(random, 256))), bytes.subarray(at)])
  }
  return bytes
}

/** With the length and the checksum that it should have, so that the damage lies behind them. */
function resealed(bytes: Buffer): Buffer {
  if (bytes.length < 61) return bytes
  bytes.writeInt32BE(bytes.length - 12, 8)
  bytes[16] = 2
  bytes.writeUInt32BE(crc32c(bytes, 21), 17)
  return bytes
}

function visitRecords(view: RecordBatchView): void {
  view.recordsSection(maxInflatedBytes)
  view.forEach(({ key, value, headers }) => void [key?.length, value?.length, headers.length])
}

function withFile<T>(bytes: Uint8Array, entryBytes: number, use: (file: EntryFile) => T): T | null {
  const fileSystem = new MemoryFileSystem()
  fileSystem.setBytes('/d/index', bytes)
  const file = EntryFile.openSealed({ fileSystem, handles: new ReadHandles(fileSystem), path: '/d/index', entryBytes })
  return file === null ? null : use(file)
}

function inflate(id: number) {
  return (bytes: Uint8Array) => expect(compressionCodec(id).inflate(bytes, maxInflatedBytes).length).toBeLessThanOrEqual(maxInflatedBytes)
}

function snapshotSeeds(): readonly Uint8Array[] {
  const producers = new ProducerState()
  for (let id = 0; id < 3; id++) producers.add(new RecordBatchView(batch(['x'], { producerId: id, producerEpoch: 0, baseSequence: 0, transactional: id === 1 })))
  return [encodeSnapshot(producers)]
}

function frameSeeds(): readonly Uint8Array[] {
  const entries = [1, 30, 200].map((length, i) => ({ name: `orders-${i}`, topicId: 'AAAAAAAAAAAAAAAAAAAAAA', segmentBaseOffset: i * 1000, position: i * 77, bytes: Buffer.alloc(length, i) }))
  return [encodeFrame({ generation: 3, sequence: 0, entries }), encodeFrame({ generation: 3, sequence: 1, entries: [] })]
}

function resealedFrame(bytes: Buffer): Buffer {
  if (bytes.length < 32) return bytes
  const length = bytes.readUInt32BE(4)
  if (length >= 32 && length <= bytes.length) bytes.writeUInt32BE(crc32c(bytes, 12, length), 8)
  return bytes
}

const batches = recorded('record-batch')
const deflated = (id: number) => [30, 300, 3000].map((length) => compressionCodec(id).deflate(Buffer.from('the same, nearly '.repeat(length / 10))))
const entries = [Buffer.alloc(34 * 6), Buffer.from(Array.from({ length: 24 * 12 }, (_, i) => (i % 12 === 7 ? i : 0)))]
const texts = [Buffer.from('version=1\nlogStartOffset=0\nrecoveryOffset=5\nsegmentBaseOffset=0\nposition=100\noffsetEntries=0\ntimeEntries=0\ntransactionEntries=0\ncleanedOffset=0\ncrc=1\n'), Buffer.from('0 500 1 12345\n')]

interface Decoder {
  readonly seeds: () => readonly Uint8Array[]
  readonly decode: (bytes: Buffer) => unknown
  /** All of them are refused: formats that are not taken. */
  readonly refusesAll?: boolean
}

const decoders: Readonly<Record<string, Decoder>> = {
  'batches as they are': { seeds: () => batches, decode: (bytes) => { for (const view of splitBatches(bytes)) visitRecords(view) } },
  'batches with right checksums': { seeds: () => batches, decode: (bytes) => { for (const view of splitBatches(resealed(bytes))) visitRecords(view) } },
  'batches of clients': { seeds: () => batches, decode: (bytes) => validateBatch(singleBatch(resealed(bytes)), 'client', config, 1_700_000_000_000) },
  'invalid batches of clients': { seeds: () => recorded('record-batch-invalid'), decode: (bytes) => validateBatch(singleBatch(bytes), 'client', config, 1_700_000_000_000) },
  'message sets': { seeds: () => recorded('message-set-legacy'), decode: (bytes) => singleBatch(bytes).ensureValid(), refusesAll: true },
  'markers': { seeds: () => batches, decode: (bytes) => { for (const view of splitBatches(resealed(bytes))) readMarker(view) } },
  'gzip': { seeds: () => deflated(1), decode: inflate(1) },
  'snappy': { seeds: () => deflated(2), decode: inflate(2) },
  'lz4': { seeds: () => deflated(3), decode: inflate(3) },
  'zstd': { seeds: () => deflated(4), decode: inflate(4) },
  'varints': { seeds: () => batches, decode: (bytes) => { for (const read of [readVarint, readUnsignedVarint, readVarlong]) for (const cursor = { bytes, at: 0, end: Math.min(bytes.length, 40) }; cursor.at < cursor.end;) read(cursor) } },
  'producer snapshots': { seeds: snapshotSeeds, decode: (bytes) => { if (bytes.length > 6) bytes.writeUInt32BE(crc32c(bytes, 6), 2); return decodeSnapshot(bytes, 'snapshot') } },
  'offset indexes': { seeds: () => entries, decode: (bytes) => withFile(bytes, 8, (file) => new OffsetIndex(file).floor(7)) },
  'time indexes': { seeds: () => entries, decode: (bytes) => withFile(bytes, 12, (file) => new TimeIndex(file).below(1000)) },
  'indexes of aborted transactions': { seeds: () => entries, decode: (bytes) => withFile(bytes, 34, (file) => new TransactionIndex(file).overlapping(0, 1000)) },
  'frames of the journal': { seeds: frameSeeds, decode: (bytes) => decodeFrame(resealedFrame(bytes), 0) },
  'checkpoints': { seeds: () => texts, decode: (bytes) => { const disk = new MemoryFileSystem(); disk.setBytes('/d/millrace.checkpoint', bytes); return readCheckpoint(disk, '/d') } },
  'commits of compaction': { seeds: () => texts, decode: (bytes) => { const disk = new MemoryFileSystem(); disk.setBytes('/d/millrace.compaction', bytes); return recoverCompaction(disk, '/d') } },
  'subscriptions': { seeds: () => recorded('consumer-protocol'), decode: decodeSubscription },
  'assignments': { seeds: () => recorded('consumer-protocol'), decode: decodeAssignment },
  'keys of __consumer_offsets': { seeds: () => recorded('internal-topics'), decode: decodeOffsetsTopicKey },
  'committed offsets': { seeds: () => recorded('coordinator-records'), decode: decodeOffsetValue },
  'groups': { seeds: () => recorded('coordinator-records'), decode: decodeGroupValue },
  'epochs of next-generation groups': { seeds: () => recorded('coordinator-records'), decode: decodeNextGroupEpoch },
  'transactional ids': { seeds: () => recorded('internal-topics'), decode: decodeTransactionKey },
  'transactions': { seeds: () => recorded('coordinator-records'), decode: (bytes) => decodeTransactionValue('id', bytes) },
}

describe('any bytes', () => {
  const names = Object.keys(decoders)
  it.each(names)(`given as %s are answered, or refused with a typed error (seed ${seed})`, async (name) => {
    const { seeds, decode, refusesAll = false } = decoders[name]!
    const known = seeds()
    const random = seededRandom(seed + names.indexOf(name))
    let answered = 0
    for (let i = Math.ceil(inputs / names.length); i > 0; i--) {
      const bytes = mutated(random, known)
      const input = Buffer.from(bytes)
      try {
        await decode(bytes)
        answered++
      } catch (error) {
        if (!isStreamError(error)) throw new Error(`${name}, seed ${seed}: ${input.toString('hex')}: ${String(error)}`, { cause: error })
      }
    }
    expect(answered > 0).toBe(!refusesAll)
  }, 600_000)
})
