/** Kafka's names for the files of a partition: the base offset in 20 digits, and what is in it. */

/** `txncheck` is our own (transaction-check.ts). */
export type SegmentFile = 'log' | 'index' | 'timeindex' | 'txnindex' | 'txncheck' | 'snapshot'

export function segmentFileName(baseOffset: number, kind: SegmentFile): string {
  return `${String(baseOffset).padStart(20, '0')}.${kind}`
}

/** The offset in the name of such a file, or null when the name is another one. */
export function offsetOfFileName(name: string, kind: SegmentFile): number | null {
  const match = /^(\d{20})\.(\w+)$/.exec(name)
  return match?.[2] === kind ? Number(match[1]) : null
}
