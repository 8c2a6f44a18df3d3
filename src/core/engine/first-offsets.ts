import type { Header } from '../record.ts'
import type { Partition } from './partition.ts'

/**
 * Where a decided transaction begins in each of its partitions: a header of the record that decides it. That the transaction is
 * complete is not waited for, so a power cut may leave the decision as the last that is known of the id, beside records of its
 * producer's next transaction; by this, they are told from those that the decision is about. Kafka's own records have no headers,
 * and who reads them does not look for any.
 */
export type FirstOffsets = ReadonlyMap<string, number>

const headerKey = 'millrace.first-offsets'

export function firstOffsetsOf(partitions: readonly Partition[], producerId: number): FirstOffsets {
  return new Map(partitions.flatMap((partition) => {
    const offset = partition.log.openTransactionOffset(producerId)
    return offset < 0 ? [] : [[placeOf(partition), offset] as const]
  }))
}

/** Whether the transaction that is open in the partition from `firstOffset` on is the decided one. */
export function isDecided(decided: FirstOffsets, partition: Partition, firstOffset: number): boolean {
  return decided.get(placeOf(partition)) === firstOffset
}

export function firstOffsetsHeader(offsets: FirstOffsets): Header {
  return { key: headerKey, value: Buffer.from([...offsets].map(([place, offset]) => `${place}:${offset}`).join(',')) }
}

/** null where the record has none: one of before, written when completion was still waited for. */
export function readFirstOffsets(headers: readonly Header[]): FirstOffsets | null {
  const value = headers.find(({ key }) => key === headerKey)?.value
  if (value === undefined || value === null) return null
  const entries = Buffer.from(value).toString().split(',').filter((entry) => entry !== '')
  return new Map(entries.map((entry) => {
    const colon = entry.lastIndexOf(':')
    return [entry.slice(0, colon), Number(entry.slice(colon + 1))] as const
  }))
}

/** A topic of the same name that is made anew is another one. */
function placeOf({ log, partition }: Partition): string {
  return `${log.topicId}/${partition}`
}
