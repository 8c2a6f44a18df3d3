/** Where to begin in a file that is seen for the first time: the decisions, apart from what they are decided on. */
import type { SourceOffset } from 'millrace/connect'
import type { StoredPosition } from './tailed-file.ts'

/** What is known about a file that was not there at the last look. */
export interface Newcomer {
  readonly role: 'wanted' | 'rotated'
  readonly size: number
  readonly modifiedNs: bigint
  /** Undefined: too little of it to tell it from others. */
  readonly fingerprint: string | undefined
  /** Stored under its own identity. */
  readonly stored: StoredPosition | undefined
  /** Stored under its fingerprint and the inode of the log's present file: it is a copy of what that file held before. */
  readonly storedOfOriginal: StoredPosition | undefined
  /** True if the bytes before the position are those that were there when it was stored. */
  holds(position: StoredPosition): boolean
  /** True if it begins as a file that is being read, and goes on so as far as the shorter of the two reaches. */
  isCopyOfMember(): boolean
}

/** What is known about the log, which is a family of files: the present one and those rotated away. */
export interface LogHistory {
  /** What files held before they were cut in place: rotation by copying makes the newcomer a copy of one of these. */
  readonly former: readonly Incarnation[]
  /** A rotated file changed at this time or later was the log's present file after the reader looked last. */
  readonly lastSeenNs: bigint | undefined
  /** Begin behind what stands in files that nothing is known about. */
  readonly startAtEnd: boolean
}

export interface Incarnation {
  readonly fingerprint: string
  /** How far it was read. */
  readonly position: StoredPosition
}

export type Admission =
  | { readonly kind: 'read'; readonly from: StoredPosition }
  | { readonly kind: 'read-new-lines' }
  /** A copy, perhaps not complete, whose original is still there: look again later. */
  | { readonly kind: 'wait' }
  | { readonly kind: 'ignore' }

const fromStart: Admission = { kind: 'read', from: { position: 0 } }
const wait: Admission = { kind: 'wait' }

export function admit(file: Newcomer, log: LogHistory): Admission {
  if (file.stored !== undefined && file.holds(file.stored)) return { kind: 'read', from: file.stored }
  if (file.fingerprint !== undefined) {
    const asCopy = admitCopy(file, log)
    if (asCopy !== undefined) return asCopy
  }
  if (file.role === 'wanted') return log.startAtEnd && file.stored === undefined ? { kind: 'read-new-lines' } : fromStart
  return log.lastSeenNs !== undefined && file.modifiedNs >= log.lastSeenNs ? fromStart : { kind: 'ignore' }
}

/** Rotation by copying: the copy is read from where the reading of the original ended, and only when that was cut. */
function admitCopy(file: Newcomer, log: LogHistory): Admission | undefined {
  if (file.isCopyOfMember()) return wait
  const former = log.former.filter(({ fingerprint }) => fingerprint === file.fingerprint).map(({ position }) => position)
  if (file.storedOfOriginal !== undefined) former.push(file.storedOfOriginal)
  const from = former.find((position) => position.position <= file.size && file.holds(position))
  if (from !== undefined) return { kind: 'read', from }
  // Lines that came between the copy and the cut were read from the original: the copy has nothing new.
  return file.role === 'rotated' && former.length > 0 ? { kind: 'ignore' } : undefined
}

/** @returns undefined when it is not a position that this connector has written */
export function storedPosition(offset: SourceOffset | undefined): StoredPosition | undefined {
  const { position, guard } = offset ?? {}
  if (typeof position !== 'number' || !Number.isSafeInteger(position) || position < 0) return undefined
  return typeof guard === 'string' ? { position, guard } : { position }
}
