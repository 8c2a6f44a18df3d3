/** Retention and compaction as a real broker did them, replayed on one partition's log. */
import { isStreamError } from '../../src/core/errors.ts'
import { compressionNames } from '../../src/core/log/compression.ts'
import type { CompressionName } from '../../src/core/log/compression-codec.ts'
import { readMarker } from '../../src/core/log/control-batch.ts'
import { offsetOfFileName } from '../../src/core/log/file-names.ts'
import { defaultLogConfig } from '../../src/core/log/log-config.ts'
import type { LogConfig } from '../../src/core/log/log-config.ts'
import { PartitionLog } from '../../src/core/log/partition-log.ts'
import { RecordBatchBuilder } from '../../src/core/log/record-batch-builder.ts'
import { RecordBatchView, sealBatch } from '../../src/core/log/record-batch.ts'
import { visibleBatches } from '../../src/core/log/visible-batches.ts'
import { ManualClock } from '../kit/manual-clock.ts'
import { MemoryFileSystem } from '../kit/memory-file-system.ts'
import { bytesFrom, Difference, eachCase, expectEqual, Pending } from './core-values.ts'
import type { NamedCase, RecordedBytes } from './core-values.ts'

interface CleaningStep {
  readonly wire?: string
  readonly op?: string
  readonly note?: string
  readonly sleepMs?: number
  readonly args?: Readonly<Record<string, unknown>> & { readonly configs?: Readonly<Record<string, string>>; readonly ageMs?: number; readonly spec?: string }
  readonly request?: { readonly committed?: boolean; readonly producerId?: string; readonly topicData?: readonly { readonly partitionData: readonly { readonly records: RecordedBytes }[] }[] }
  readonly response?: { readonly errorCode?: number; readonly producerId?: string; readonly responses?: readonly { readonly partitionResponses: readonly { readonly errorCode: number; readonly baseOffset: number }[] }[] }
  readonly batches?: readonly ProducedBatch[]
  readonly result?: unknown
}

interface ProducedBatch {
  readonly codec: CompressionName
  readonly producerId: number | string
  readonly producerEpoch: number
  readonly baseSequence: number
  readonly transactional: boolean
  readonly records: readonly (readonly [timestamp: number, key: string | null, value: string | null])[]
}

interface CleaningCase extends NamedCase {
  readonly steps: readonly CleaningStep[]
}

const directory = '/log/t-0'
const startMs = 1_790_000_000_000
/** Answers that Kafka's broker gives as one error code and the log as an error with details. */
const recordListTooLarge = 18

export const runCleaning = eachCase<CleaningCase>(async ({ steps }) => {
  const partition = new CleanedPartition()
  for (const [i, step] of steps.entries()) {
    try {
      await partition.run(step)
    } catch (error) {
      if (error instanceof Difference) throw new Difference(`step ${i + 1} (${step.op ?? step.wire}): ${error.message}`)
      if (isStreamError(error, 'UNSUPPORTED_COMPRESSION_TYPE')) throw new Pending('zstd')
      throw error
    }
  }
})

class CleanedPartition {
  readonly #clock = new ManualClock(startMs)
  #disk = new MemoryFileSystem()
  #log!: PartitionLog
  /** Producer ids by the variable of the recording. */
  readonly #producerIds = new Map<string, number>()

  async run(step: CleaningStep): Promise<void> {
    if (step.sleepMs !== undefined) return this.#clock.advance(step.sleepMs)
    if (step.note?.includes('with timestamp now')) throw new Pending('records that only a note tells of')
    switch (step.op ?? step.wire) {
      case 'createTopic': return this.#create(step.args!.configs!)
      case 'Produce': return this.#produce(step)
      case 'produce': return this.#produceAged(step)
      case 'InitProducerId': return void this.#producerIds.set(step.response!.producerId!, 1000 + this.#producerIds.size)
      case 'EndTxn': return this.#endTransaction(step)
      case 'incrementalAlterConfigs': return this.#log.updateConfig(configOf(step.args!, this.#log.config))
      default: return this.#observe(step)
    }
  }

  async #create(configs: Readonly<Record<string, string>>): Promise<void> {
    this.#disk = new MemoryFileSystem({ now: () => this.#clock.now() })
    this.#log = await PartitionLog.open({ directory, name: 't-0', fileSystem: this.#disk, clock: this.#clock, config: configOf(configs, { ...defaultLogConfig, retentionMs: -1 }) })
  }

  // ---------------------------------------------------------------------------------------------------- what clients do

  /** The bytes as they were sent; with a producer id of the recording they are made again with ours. */
  #produce({ batches, request, response }: CleaningStep): void {
    const [answer] = response!.responses![0]!.partitionResponses
    const [batch] = batches!
    const sent = typeof batch!.producerId === 'string' ? this.#encode(batch!) : Uint8Array.from(bytesFrom(request!.topicData![0]!.partitionData[0]!.records!))
    expectEqual('answer', this.#append(sent), [answer!.errorCode, answer!.baseOffset])
  }

  #produceAged({ args, result }: CleaningStep): void {
    const record = [this.#clock.now() - args!.ageMs!, (args!['key'] as string | undefined) ?? 'k', (args!['value'] as string | undefined) ?? 'v'] as const
    const batch = { codec: 'none', producerId: -1, producerEpoch: -1, baseSequence: -1, transactional: false, records: [record] } as const
    expectEqual('answer', this.#append(this.#encode(batch)), [0, (result as { readonly offset: number }).offset])
  }

  #encode({ codec, producerId, producerEpoch, baseSequence, transactional, records }: ProducedBatch): Uint8Array {
    const builder = new RecordBatchBuilder({ maxBytes: 1_000_000, compression: codec })
    for (const [timestamp, key, value] of records) builder.add(bytes(key), bytes(value), timestamp)
    const batch = builder.build().bytes
    sealBatch(batch, { producerId: this.#idOf(producerId), producerEpoch, baseSequence, transactional })
    return batch
  }

  #append(batch: Uint8Array): readonly [errorCode: number, baseOffset: number] {
    try {
      return [0, this.#log.append(batch, 'client').baseOffset]
    } catch (error) {
      if (isStreamError(error, 'RECORD_TOO_LARGE') && error.details['limit'] === 'segment.bytes') return [recordListTooLarge, -1]
      throw error
    }
  }

  #idOf(producerId: number | string): number {
    return typeof producerId === 'number' ? producerId : this.#producerIds.get(producerId)!
  }

  #endTransaction({ request }: CleaningStep): void {
    const producerId = this.#idOf(request!.producerId!)
    this.#log.appendMarker({ producerId, producerEpoch: 0, coordinatorEpoch: 0, type: request!.committed ? 'commit' : 'abort', timestamp: this.#clock.now() })
  }

  // ---------------------------------------------------------------------------------------------------- what is seen

  async #observe(step: CleaningStep): Promise<void> {
    if (step.op === undefined) return
    await this.#settle()
    if (step.op.startsWith('segments')) return expectEqual('segments', this.#segments(), step.result)
    if (step.op === 'stored after cleaning') return this.#checkStored(step.result as { readonly batches: readonly StoredBatch[] })
    if (step.op === 'read') return expectEqual('records', this.#read(), step.result)
    if (step.op === 'listOffsets') return this.#checkOffset(step)
    if (step.op === 'logSize') expectEqual('size', this.#log.sizeBytes, step.result)
    else if (step.op === 'files') this.#checkFiles(step.result as readonly string[])
    else if (step.op === 'fetch') this.#checkFetch(step)
    else throw new Difference(`no way to run it`)
  }

  /** What a broker does in the background, until it has nothing more to do. */
  async #settle(): Promise<void> {
    await this.#log.sync()
    for (let turn = 0; turn < 20; turn++) await this.#clock.advance(0)
    while (this.#log.config.cleanup.delete && await this.#log.applyRetention() > 0);
    if (this.#log.config.cleanup.compact) await this.#log.compact(() => Promise.resolve())
  }

  #segments(): readonly number[] {
    return this.#disk.list(directory).map((name) => offsetOfFileName(name, 'log')).filter((offset) => offset !== null)
  }

  #checkFiles(expected: readonly string[]): void {
    const ours = new Set(['millrace.checkpoint', 'partition.metadata'])
    const names = [...this.#disk.list(directory), ...this.#segments().flatMap((base) => ['index', 'timeindex'].map((kind) => `${String(base).padStart(20, '0')}.${kind}`))]
    expectEqual('files', [...new Set(names)].filter((name) => !ours.has(name)).toSorted((a, b) => (a < b ? -1 : 1)), expected.filter((name) => !ours.has(name)))
  }

  #batches(): readonly RecordBatchView[] {
    const found: RecordBatchView[] = []
    for (let offset = this.#log.logStartOffset; ;) {
      const { batches, nextOffset } = this.#log.read({ offset, maxBytes: 0, isolation: 'read-uncommitted' })
      found.push(...batches)
      if (nextOffset === offset) return found
      offset = nextOffset
    }
  }

  #checkStored(expected: { readonly batches: readonly StoredBatch[] }): void {
    const found = this.#batches().map(storedOf)
    expectEqual('batches', found.map((batch, i) => withUnknowns(batch, expected.batches[i])), expected.batches.map(({ segment: _segment, ...batch }) => batch))
  }

  /** Read-committed, from the start: what is not yet visible is left out. */
  #read(): readonly unknown[] {
    const seen: unknown[] = []
    for (let offset = this.#log.logStartOffset; ;) {
      const read = this.#log.read({ offset, maxBytes: 1000, isolation: 'read-uncommitted' })
      const aborted = this.#log.read({ offset, maxBytes: 1000, isolation: 'read-committed' }).abortedTransactions
      for (const batch of visibleBatches({ batches: read.batches, abortedTransactions: aborted }, 'read-committed')) batch.forEach(({ offset: at, key, value }) => seen.push([at, text(key), text(value)]))
      if (read.nextOffset === offset) return seen
      offset = read.nextOffset
    }
  }

  #checkOffset({ args, result }: CleaningStep): void {
    const { offset } = result as { readonly offset: number }
    const found = { earliest: () => this.#log.logStartOffset, latest: () => this.#log.highWatermark, 'max-timestamp': () => this.#log.maxTimestamp()?.offset ?? -1 }[args!.spec!]!()
    expectEqual(args!.spec!, found, offset)
  }

  #checkFetch({ args, result }: CleaningStep): void {
    const expected = result as { readonly errorCode: number; readonly highWatermark: number; readonly lastStableOffset: number; readonly logStartOffset: number }
    try {
      const { highWatermark, lastStableOffset, logStartOffset } = this.#log.read({ offset: Number(args!['offset']), maxBytes: 1000, isolation: 'read-committed' })
      expectEqual('fetch', [0, highWatermark, lastStableOffset, logStartOffset], [expected.errorCode, expected.highWatermark, expected.lastStableOffset, expected.logStartOffset])
    } catch (error) {
      if (!isStreamError(error, 'OFFSET_OUT_OF_RANGE')) throw error
      expectEqual('fetch', 1, expected.errorCode)
    }
  }
}

type StoredBatch = Readonly<Record<string, unknown>> & { readonly segment?: number; readonly records?: readonly Readonly<Record<string, unknown>>[] }

function storedOf(batch: RecordBatchView): StoredBatch {
  const { baseOffset, lastOffset, baseTimestamp, maxTimestamp, hasDeleteHorizon, baseSequence, recordCount, isTransactional, isControl, compression } = batch
  return {
    baseOffset, lastOffset, baseTimestampField: baseTimestamp, maxTimestamp, deleteHorizonMs: hasDeleteHorizon ? baseTimestamp : null, baseSequence, recordCount,
    isTransactional, isControl, codec: compressionNames[compression], records: [...new RecordBatchView(batch.bytes, batch.position)].map((record) => storedRecord(batch, record)),
  }
}

function storedRecord(batch: RecordBatchView, { offset, timestamp, key, value, headers }: { readonly offset: number; readonly timestamp: number; readonly key: Uint8Array | null; readonly value: Uint8Array | null; readonly headers: readonly { readonly key: string; readonly value: Uint8Array | null }[] }) {
  if (batch.isControl) return { offset, timestamp, control: readMarker(batch)!.type.toUpperCase() }
  return { offset, timestamp, key: text(key), value: text(value), ...(headers.length > 0 && { headers: headers.map((header) => [header.key, text(header.value)]) }) }
}

/** Times of the recording are not those of now: what is recorded as `<now…>` is taken over when it is a time. */
function withUnknowns(found: unknown, expected: unknown): unknown {
  if (typeof expected === 'string' && expected.startsWith('<now') && typeof found === 'number' && found >= startMs) return expected
  if (Array.isArray(found)) return found.map((entry, i) => withUnknowns(entry, (expected as readonly unknown[] | undefined)?.[i]))
  if (typeof found !== 'object' || found === null) return found
  return Object.fromEntries(Object.entries(found).map(([key, value]) => [key, withUnknowns(value, (expected as Readonly<Record<string, unknown>> | undefined)?.[key])]))
}

function configOf(configs: Readonly<Record<string, unknown>>, base: LogConfig): LogConfig {
  const number = (name: string, otherwise: number) => (configs[name] === undefined ? otherwise : Number(configs[name]))
  const policy = configs['cleanup.policy'] as string | undefined
  return {
    ...base,
    segmentBytes: number('internal.segment.bytes', base.segmentBytes), segmentMs: number('segment.ms', base.segmentMs), segmentIndexBytes: number('segment.index.bytes', base.segmentIndexBytes),
    indexIntervalBytes: number('index.interval.bytes', base.indexIntervalBytes), timestampAfterMaxMs: number('message.timestamp.after.max.ms', base.timestampAfterMaxMs),
    cleanup: policy === undefined ? base.cleanup : { delete: policy.includes('delete'), compact: policy.includes('compact') },
    deleteRetentionMs: number('delete.retention.ms', base.deleteRetentionMs), minCompactionLagMs: number('min.compaction.lag.ms', base.minCompactionLagMs),
    maxCompactionLagMs: number('max.compaction.lag.ms', base.maxCompactionLagMs), minCleanableRatio: number('min.cleanable.dirty.ratio', base.minCleanableRatio),
    retentionMs: number('retention.ms', base.retentionMs), retentionBytes: number('retention.bytes', base.retentionBytes),
  }
}

function bytes(part: string | null): Buffer | null {
  return part === null ? null : Buffer.from(part)
}

function text(part: Uint8Array | null): string | null {
  return part === null ? null : Buffer.from(part).toString()
}
