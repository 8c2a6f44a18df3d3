import type { SpanArena } from './line-splitter.ts'
import type { Incarnation } from './admission.ts'
import type { LineBlock, OverlongLine, ReadLimits, TailedFile } from './tailed-file.ts'

/** A file of a family, with what the last look at the folder told about it. */
export interface Member {
  readonly file: TailedFile
  modifiedNs: bigint
  /** Still found in a folder that is searched. */
  listed: boolean
  /** It was read before the last look at the folder, by this reader or by the one before it. */
  known: boolean
  /** Since when it has had no complete line to give and has not grown, and how many bytes were waiting then. */
  quietSinceMs: number | undefined
  quietBytes: number
  quietAsPresent: boolean
}

export interface FamilyOptions extends ReadLimits {
  /** How long a file that was rotated away stays open at its end: its writer may not have noticed. */
  readonly rotatedIdleMs: number
  /** How long an unfinished last line of the present file waits for its newline; infinity: for ever. */
  readonly partialFlushMs: number
}

const rememberedIncarnations = 8
const rememberedGone = 64

/**
 * The files of one log: the present one, which has the log's path, and those rotated away, oldest first. An older file is
 * read to its end before the next one gets a turn; whatever is appended to it later comes first again.
 */
export class LogFamily {
  /** The path of the log: where its present file is. */
  readonly path: string
  readonly #members: Member[] = []
  readonly #former: Incarnation[] = []
  readonly #gone: Incarnation[] = []

  constructor(path: string) {
    this.path = path
  }

  get members(): readonly Member[] {
    return this.#members
  }

  /** Files that are in no folder any more, as far as they were read: they may come back compressed. */
  get gone(): readonly Incarnation[] {
    return this.#gone
  }

  get former(): readonly Incarnation[] {
    return this.#former
  }

  isPresent(member: Member): boolean {
    return member.listed && member.file.path === this.path && !member.file.isSpooled
  }

  /** The time that tells which rotated files are newer than the last look: that of the newest known file that is no longer the present one. */
  get lastSeenNs(): bigint | undefined {
    const known = this.#members.filter((member) => member.known)
    const rotated = known.filter((member) => !this.isPresent(member))
    return (rotated.length > 0 ? rotated : known).reduce<bigint | undefined>((newest, { modifiedNs }) => (newest === undefined || modifiedNs > newest ? modifiedNs : newest), undefined)
  }

  add(member: Member): void {
    const later = (other: Member) => this.isPresent(other) || other.modifiedNs > member.modifiedNs
    const at = this.isPresent(member) ? -1 : this.#members.findIndex(later)
    this.#members.splice(at < 0 ? this.#members.length : at, 0, member)
  }

  remove(member: Member): void {
    const { fingerprint } = member.file
    if (fingerprint !== undefined) this.#gone.unshift({ fingerprint, position: member.file.storedPosition() })
    this.#gone.length = Math.min(this.#gone.length, rememberedGone)
    this.#members.splice(this.#members.indexOf(member), 1)
  }

  /** Begins anew with files that were cut since the last look, so that a newcomer is known as the copy of what they held. */
  noticeReplaced(onError: (member: Member, error: unknown) => void): void {
    for (const member of this.#members) {
      try {
        if (member.file.isOpen && member.file.isReplaced()) this.#beginAnew(member.file)
      } catch (error) {
        onError(member, error)
      }
    }
  }

  /** The next lines, from the oldest file that has any. `onError` gets what the system says about a file; the next one is tried. */
  take(into: Buffer, at: number, spans: SpanArena, options: FamilyOptions, nowMs: number, onError: (member: Member, error: unknown) => void): FamilyTurn {
    for (const member of this.#members) {
      if (!member.file.isOpen) continue
      try {
        const turn = this.#takeFrom(member, into, at, spans, options, nowMs)
        if (turn !== 'nothing') return turn
      } catch (error) {
        onError(member, error)
      }
    }
    return 'nothing'
  }

  #takeFrom(member: Member, into: Buffer, at: number, spans: SpanArena, options: FamilyOptions, nowMs: number): FamilyTurn {
    const { file } = member
    // Before the first line there is no guard: who the file is must be looked up again, it may have been cut since.
    if (file.position === 0 && file.identify() === undefined) return this.#whenQuiet(member, options, nowMs)
    const turn = file.take(into, at, spans, options)
    if (turn.kind === 'replaced') {
      this.#beginAnew(file)
      return 'busy'
    }
    if (turn.kind === 'none') return turn.busy ? 'busy' : this.#whenQuiet(member, options, nowMs)
    member.quietSinceMs = undefined
    return turn
  }

  #beginAnew(file: TailedFile): void {
    if (file.fingerprint !== undefined) this.#former.unshift({ fingerprint: file.fingerprint, position: file.storedPosition() })
    this.#former.length = Math.min(this.#former.length, rememberedIncarnations)
    file.seek(0)
    file.identify()
  }

  /**
   * The last line of a file that stays quiet is given though no newline ends it: of a rotated file, which is closed then; of
   * the present one only where that is wanted, since its writer may come back to the line.
   */
  #whenQuiet(member: Member, options: FamilyOptions, nowMs: number): FamilyTurn {
    const { file } = member
    const isPresent = this.isPresent(member)
    const patienceMs = isPresent ? options.partialFlushMs : file.isSpooled ? 0 : options.rotatedIdleMs
    if (isPresent && file.fingerprint === undefined) return 'nothing' // its first line is what the file is known by
    const isAsBefore = member.quietBytes === file.unreadBytes && member.quietAsPresent === isPresent
    member.quietBytes = file.unreadBytes
    member.quietAsPresent = isPresent
    if (!isAsBefore || (isPresent && file.unreadBytes === 0)) member.quietSinceMs = undefined
    member.quietSinceMs ??= nowMs
    if (nowMs - member.quietSinceMs < patienceMs) return 'nothing'
    const last = file.takeUnfinished(options)
    if (last === undefined && !isPresent) file.close()
    return last ?? 'nothing'
  }
}

/** `busy`: nothing to give yet, but ask again at once. */
export type FamilyTurn = LineBlock | OverlongLine | 'busy' | 'nothing'
