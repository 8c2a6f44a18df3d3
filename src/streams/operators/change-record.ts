import type { Change } from '../change.ts'
import type { StreamRecord } from '../stream-record.ts'

/** What travels on the edges of a table. */
export type ChangeRecord = StreamRecord<unknown, Change<unknown>>

/** The record as one of a table edge: the node before it is known to send `Change`s. */
export function asChange(record: StreamRecord): ChangeRecord {
  return record as ChangeRecord
}
