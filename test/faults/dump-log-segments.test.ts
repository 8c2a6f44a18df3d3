/** Kafka's own tool reads the directories that we write, indexes included, without a complaint: a witness that nobody here wrote. */
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { systemClock } from '../../src/core/clock.ts'
import type { CompressionName } from '../../src/core/log/compression-codec.ts'
import { nodeFileSystem } from '../../src/core/log/file-system.ts'
import { defaultLogConfig } from '../../src/core/log/log-config.ts'
import { PartitionLog } from '../../src/core/log/partition-log.ts'
import { RecordBatchBuilder } from '../../src/core/log/record-batch-builder.ts'
import { sealBatch } from '../../src/core/log/record-batch.ts'
import { hasKafkaTools, runKafkaTool } from '../kit/kafka.ts'

const batches = 300
const recordsPerBatch = 7

function batch(index: number, compression: CompressionName): Uint8Array {
  const builder = new RecordBatchBuilder({ maxBytes: 100_000, compression })
  for (let i = 0; i < recordsPerBatch; i++) {
    const value = i === 3 ? null : Buffer.from(`value ${index}.${i} ${'text that repeats '.repeat(index % 9)}`)
    builder.add(i === 2 ? null : Buffer.from(`key-${i}`), value, Date.now() - ((index * 37) % 100), i === 1 ? [{ key: 'trace', value: Buffer.from('1') }, { key: 'none', value: null }] : [])
  }
  const { bytes } = builder.build()
  const transactional = index % 3 === 0
  const producer = { producerId: transactional ? 77 : 5, producerEpoch: 0, baseSequence: sequences[transactional ? 1 : 0]! }
  sequences[transactional ? 1 : 0]! += recordsPerBatch
  sealBatch(bytes, { ...producer, transactional })
  return bytes
}

const sequences = [0, 0]

it.runIf(!hasKafkaTools())('needs the jars of Apache Kafka', (context) => {
  expect(process.env['CI'], 'with CI set nothing may be skipped: install Java and Maven').toBeUndefined()
  context.skip('no Java, or no Maven to fetch the jars with')
})

describe.runIf(hasKafkaTools())('DumpLogSegments of Apache Kafka', () => {
  let directory: string
  let endOffset = 0

  beforeAll(async () => {
    directory = join(mkdtempSync(join(tmpdir(), 'millrace-dump-')), 'orders-0')
    const config = { ...defaultLogConfig, segmentBytes: 20_000, indexIntervalBytes: 1000 }
    const log = await PartitionLog.open({ directory, name: 'orders-0', fileSystem: nodeFileSystem, clock: systemClock, config })
    for (let index = 0; index < batches; index++) {
      log.append(batch(index, (['none', 'gzip', 'snappy', 'lz4'] as const)[index % 4]!), 'client')
      if (index % 30 === 29) log.appendMarker({ producerId: 77, producerEpoch: 0, coordinatorEpoch: 0, type: index % 60 === 29 ? 'abort' : 'commit', timestamp: Date.now() })
      if (index % 10 === 0) await log.sync()
    }
    await log.close()
    endOffset = log.logEndOffset
  })
  afterAll(() => rmSync(join(directory, '..'), { recursive: true }))

  const files = (...suffixes: readonly string[]) => readdirSync(directory).filter((name) => suffixes.some((suffix) => name.endsWith(suffix))).map((name) => join(directory, name))
  const dump = (paths: readonly string[], ...options: readonly string[]) => runKafkaTool('org.apache.kafka.tools.DumpLogSegments', ['--files', paths.join(','), ...options])

  it('reads every record of every segment, whatever it is compressed with', async () => {
    const output = await dump(files('.log'), '--deep-iteration', '--print-data-log')
    expect(files('.log').length).toBeGreaterThan(3)
    expect(output).not.toMatch(/corrupt|invalid|isvalid: false|Found|mismatch/i)
    const offsets = [...output.matchAll(/\| offset: (\d+)/g)].map((match) => Number(match[1]))
    expect(offsets).toEqual(Array.from({ length: endOffset }, (_, i) => i))
    expect(output.match(/compresscodec: (gzip|snappy|lz4)/g)?.length).toBe((batches * 3) / 4)
    expect(output).toContain('endTxnMarker: ABORT')
  })

  it('finds indexes that agree with the log', async () => {
    const output = await dump(files('.index', '.timeindex'), '--index-sanity-check')
    expect(output.match(/passed sanity check/g)?.length).toBe(files('.index', '.timeindex').length)
    const verified = await dump(files('.index', '.timeindex'), '--verify-index-only')
    expect(verified).not.toMatch(/Mismatches|not found|Found timestamp|out of order/i)
  })

  it('reads producer snapshots and the transaction index', async () => {
    const output = await dump(files('.snapshot', '.txnindex'))
    expect(output).toMatch(/producerId: 77 producerEpoch: 0/)
    expect(output.match(/version: 0 producerId: 77 firstOffset: \d+ lastOffset: \d+ lastStableOffset: \d+/g)?.length).toBe(batches / 60)
  })
})
