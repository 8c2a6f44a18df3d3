import type { OffsetAnswer, OffsetQuery, OffsetReset, PartitionPosition } from './broker.ts'
import type { TopicPartition } from './record.ts'

/**
 * Where a member begins that has no position. By age: with the first record that is young enough, and where there is none
 * yet, at the end (Kafka's consumer asks for ever there).
 */
export async function resetOffsets(
  partitions: readonly TopicPartition[], reset: Exclude<OffsetReset, 'none'>, nowMs: number, listOffsets: (queries: readonly OffsetQuery[]) => Promise<readonly OffsetAnswer[]>,
): Promise<readonly PartitionPosition[]> {
  const at = typeof reset === 'string' ? reset : Math.max(0, nowMs - reset.maxAgeMs)
  const found = await listOffsets(partitions.map(({ topic, partition }) => ({ topic, partition, at })))
  const old = found.filter(({ offset }) => offset < 0)
  const ends = old.length === 0 ? [] : await listOffsets(old.map(({ topic, partition }) => ({ topic, partition, at: 'latest' })))
  return [...found.filter(({ offset }) => offset >= 0), ...ends]
}
