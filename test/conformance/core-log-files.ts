/**
 * The files of a real broker's partitions, both ways: our log opens them and reads what the broker wrote, and given the same
 * batches it writes the same files, byte for byte.
 */
import { isStreamError } from '../../src/core/errors.ts'
import { readMarker } from '../../src/core/log/control-batch.ts'
import { offsetOfFileName } from '../../src/core/log/file-names.ts'
import { defaultLogConfig } from '../../src/core/log/log-config.ts'
import type { LogConfig } from '../../src/core/log/log-config.ts'
import { PartitionLog } from '../../src/core/log/partition-log.ts'
import { patchOffset, RecordBatchView, splitBatches } from '../../src/core/log/record-batch.ts'
import { ManualClock } from '../kit/manual-clock.ts'
import { MemoryFileSystem } from '../kit/memory-file-system.ts'
import { eachCase, expectBytes, expectEqual, Pending } from './core-values.ts'
import type { NamedCase } from './core-values.ts'
import type { RecordedHeader } from './core-record-batch.ts'

interface RecordedFile {
  readonly file: string
  readonly usedBytes: number
  readonly bytes: string
  readonly content: unknown
}

interface RecordedLogBatch extends RecordedHeader {
  readonly position: number
  readonly records: readonly { readonly offset: number; readonly timestamp: number; readonly key: string | null; readonly value: string | null }[]
}

interface DirectoryStep {
  readonly op: string
  readonly args: { readonly configs?: Readonly<Record<string, string>> }
  readonly result: { readonly files: readonly RecordedFile[] }
}

interface LogFilesCase extends NamedCase {
  readonly steps: readonly (DirectoryStep | { readonly op?: string; readonly args?: DirectoryStep['args'] })[]
}

interface DirectoryCase extends NamedCase {
  readonly files: readonly RecordedFile[]
  readonly configs: Readonly<Record<string, string>>
  readonly mode: 'read' | 'write'
}

const directory = '/log/t-0'

export const runLogFiles = eachCase<DirectoryCase>(
  (recorded) => (recorded.mode === 'read' ? checkReading(recorded) : checkWriting(recorded)),
  (content) => (content as { readonly cases: readonly LogFilesCase[] }).cases.flatMap(directoryCases),
)

function directoryCases({ name, steps }: LogFilesCase): readonly DirectoryCase[] {
  const configs = steps.find(({ op }) => op === 'createTopic')?.args?.configs ?? {}
  const directories = steps.filter((step): step is DirectoryStep => step.op?.startsWith('directory') ?? false)
  return directories.flatMap(({ op, result: { files } }) => {
    const whole = files.some(({ file }) => file === '00000000000000000000.log') && configs['cleanup.policy'] !== 'compact'
    return [{ name: `${name}: read ${op}`, files, configs, mode: 'read' as const }, ...(whole ? [{ name: `${name}: write ${op}`, files, configs, mode: 'write' as const }] : [])]
  })
}

function configOf(configs: Readonly<Record<string, string>>): LogConfig {
  const segmentBytes = Number(configs['internal.segment.bytes'] ?? configs['segment.bytes'] ?? defaultLogConfig.segmentBytes)
  return { ...defaultLogConfig, segmentBytes, indexIntervalBytes: Number(configs['index.interval.bytes'] ?? defaultLogConfig.indexIntervalBytes) }
}

function open(fileSystem: MemoryFileSystem, configs: Readonly<Record<string, string>>): Promise<PartitionLog> {
  return PartitionLog.open({ directory, name: 't-0', fileSystem, clock: new ManualClock(1_800_000_000_000), config: configOf(configs) })
}

function batchesOf(files: readonly RecordedFile[]): readonly RecordedLogBatch[] {
  return files.filter(({ file }) => file.endsWith('.log')).flatMap(({ content }) => content as readonly RecordedLogBatch[])
}

// ---------------------------------------------------------------------------------------------------- reading

async function checkReading({ files, configs }: DirectoryCase): Promise<void> {
  const disk = new MemoryFileSystem()
  for (const { file, bytes } of files) disk.setBytes(`${directory}/${file}`, Buffer.from(bytes, 'base64'))
  const log = await open(disk, configs)
  const expected = batchesOf(files)
  expectEqual('damage', log.failure?.message ?? null, null)
  expectEqual('offsets', [log.logStartOffset, log.logEndOffset], [offsetOfFileName(files.find(({ file }) => file.endsWith('.log'))!.file, 'log'), Number(expected.at(-1)!.lastOffset) + 1])
  const found = readAll(log)
  expectEqual('batches', found.map(({ baseOffset, lastOffset, crc }) => [baseOffset, lastOffset, crc]), expected.map(({ baseOffset, lastOffset, crc }) => [baseOffset, lastOffset, crc]))
  for (const [i, batch] of found.entries()) checkLogBatch(batch, expected[i]!)
  await log.close()
}

function readAll(log: PartitionLog): readonly RecordBatchView[] {
  const found: RecordBatchView[] = []
  for (let offset = log.logStartOffset; ;) {
    const { batches, nextOffset } = log.read({ offset, maxBytes: 0, isolation: 'read-uncommitted' })
    found.push(...batches)
    if (nextOffset === offset) return found
    offset = nextOffset
  }
}

function checkLogBatch(batch: RecordBatchView, { records, isControl }: RecordedLogBatch): void {
  if (isControl) return
  const text = (bytes: Uint8Array | null) => (bytes === null ? null : Buffer.from(bytes).toString())
  const found = withCodec(() => [...new RecordBatchView(batch.bytes, batch.position)].map(({ offset, timestamp, key, value }) => [offset, timestamp, text(key), text(value)]))
  expectEqual(`records from offset ${batch.baseOffset}`, found, records.map(({ offset, timestamp, key, value }) => [offset, timestamp, key, value]))
}

function withCodec<T>(run: () => T): T {
  try {
    return run()
  } catch (error) {
    if (isStreamError(error, 'UNSUPPORTED_COMPRESSION_TYPE')) throw new Pending('zstd')
    throw error
  }
}

// ---------------------------------------------------------------------------------------------------- writing

async function checkWriting({ files, configs }: DirectoryCase): Promise<void> {
  const disk = new MemoryFileSystem()
  const log = await open(disk, configs)
  for (const { file, bytes } of files) {
    if (file.endsWith('.log')) for (const batch of splitBatches(Buffer.from(bytes, 'base64'))) withCodec(() => appendAgain(log, batch))
  }
  await log.sync()
  await log.close()
  const activeBase = files.filter(({ file }) => file.endsWith('.log')).at(-1)!.file.slice(0, 20)
  for (const { file, usedBytes, bytes } of files) {
    // Ours has no topic id, and a clean close adds the last time index entry to the active segment's.
    if (file === 'partition.metadata' || file === `${activeBase}.timeindex`) continue
    expectBytes(file, disk.bytesOf(`${directory}/${file}`), Buffer.from(bytes, 'base64').subarray(0, usedBytes).toString('base64'))
  }
}

function appendAgain(log: PartitionLog, batch: RecordBatchView): void {
  const marker = batch.isControl ? readMarker(batch) : null
  const { producerId, producerEpoch, maxTimestamp: timestamp } = batch
  if (marker !== null) return void log.appendMarker({ producerId, producerEpoch, timestamp, ...marker })
  const bytes = Uint8Array.from(batch.batchBytes)
  patchOffset(bytes, 0, -1)
  log.append(bytes, 'client')
}
