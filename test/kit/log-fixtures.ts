/** Shared by the tests of the log: one partition on a disk in memory. */
import type { Isolation } from '../../src/core/broker.ts'
import { defaultLogConfig } from '../../src/core/log/log-config.ts'
import type { LogConfig } from '../../src/core/log/log-config.ts'
import { PartitionLog } from '../../src/core/log/partition-log.ts'
import { RecordBatchBuilder } from '../../src/core/log/record-batch-builder.ts'
import { sealBatch } from '../../src/core/log/record-batch.ts'
import type { BatchSeal } from '../../src/core/log/record-batch.ts'
import { visibleBatches } from '../../src/core/log/visible-batches.ts'
import { ManualClock } from './manual-clock.ts'
import type { MemoryFileSystem } from './memory-file-system.ts'

export const now = 1_700_000_000_000
export const directory = '/data/orders-0'

const noProducer: BatchSeal = { producerId: -1, producerEpoch: -1, baseSequence: -1, transactional: false }

export function batch(values: readonly string[], seal: Partial<BatchSeal> = {}, timestamp = now): Uint8Array {
  const builder = new RecordBatchBuilder({ maxBytes: 1_000_000 })
  for (const [i, value] of values.entries()) builder.add(Buffer.from(`k${i}`), Buffer.from(value), timestamp + i)
  const { bytes } = builder.build()
  sealBatch(bytes, { ...noProducer, ...seal })
  return bytes
}

export interface OpenOptions extends Partial<LogConfig> {
  readonly clock?: ManualClock
}

export function open(fileSystem: MemoryFileSystem, { clock = new ManualClock(now), ...config }: OpenOptions = {}): Promise<PartitionLog> {
  return PartitionLog.open({ directory, name: 'orders-0', fileSystem, clock, config: { ...defaultLogConfig, ...config } })
}

/** All values that a reader sees, with their offsets. */
export function readAll(log: PartitionLog, isolation: Isolation = 'read-uncommitted', from = log.logStartOffset, maxBytes = 200): string[] {
  const seen: string[] = []
  for (let offset = from; ;) {
    const read = log.read({ offset, maxBytes, isolation })
    for (const view of visibleBatches(read, isolation)) for (const record of view) seen.push(`${record.offset}:${Buffer.from(record.value!).toString()}`)
    if (read.nextOffset === offset) return seen
    offset = read.nextOffset
  }
}
