/**
 * Follows the files that patterns name, through every kind of rotation.
 *
 *   rescan: folders ──► newcomers ──► admitted at a position ──► members of log families
 *   take:   one family after the other, at most a turn's bytes each
 *
 * The plan of a rescan: (1) list the folders; (2) note new names and sizes of known files; (3) open newcomers and read
 * their beginnings; (4) ask for their stored offsets, all at once; (5) decide where to begin, oldest file first;
 * (6) forget files that are gone and drained.
 */
import type { Log, SourceOffset, SourcePartition, SourcePosition } from 'millrace/connect'
import { Complaints } from '../complaints.ts'
import type { FileEncoding } from '../lines/text-decoder.ts'
import { admit, storedPosition } from './admission.ts'
import type { Admission, Newcomer } from './admission.ts'
import { CompressedNewcomers } from './compressed-newcomers.ts'
import type { CompressedOutcome, FoundCompressed, StoredOffset } from './compressed-newcomers.ts'
import { Renamed } from './compressed-file.ts'
import type { SpoolOptions } from './compressed-file.ts'
import { complainOfNothing, findFiles } from './file-finder.ts'
import type { FoundFile, SearchScope } from './file-finder.ts'
import { sourcePartitionOf } from './file-identity.ts'
import type { FileIdentity } from './file-identity.ts'
import type { SpanArena } from './line-splitter.ts'
import { LogFamily } from './log-family.ts'
import type { FamilyOptions, FamilyTurn, Member } from './log-family.ts'
import { compareRotationAge, isRotatedAtEnd, rotationBase } from './rotation-names.ts'
import { TailedFile } from './tailed-file.ts'
import type { StoredPosition } from './tailed-file.ts'

export interface TailerOptions extends FamilyOptions {
  readonly scope: SearchScope
  /** Whether this reader takes the log with that rotation base: how logs are divided among tasks. */
  readonly isOurs: (rotationBase: string) => boolean
  /** One of the tasks speaks about what concerns all of them. */
  readonly isSpokesman: boolean
  /** Files are taken away when they were read: that there is none any more is no trouble. */
  readonly isEmptied: boolean
  /** Begin behind what stands in files found at the first look and never read before. */
  readonly startAtEnd: boolean
  /** Files of which nothing was read are left alone when they were changed last at such a time. */
  readonly isTooOld: (modifiedNs: bigint) => boolean
  readonly maxOpenFiles: number
  /** Lines are to have their numbers. */
  readonly countLines: boolean
  readonly encoding: FileEncoding
  readonly spool: SpoolOptions
}

/** What is committed: asked for one by one, or all of it. */
export interface StoredOffsets {
  offsets(partitions: readonly SourcePartition[]): Promise<readonly (SourceOffset | undefined)[]>
  allOffsets(): Promise<readonly StoredOffset[]>
}

interface Candidate {
  readonly found: FoundFile
  readonly file: TailedFile
  /** Path of the log it belongs to. */
  readonly family: string
  /** Whose offsets decide where to begin. */
  readonly questions: readonly SourcePartition[]
}

export class FileTailer {
  readonly #options: TailerOptions
  readonly #storedOffsets: StoredOffsets
  readonly #complaints: Complaints
  readonly #families = new Map<string, LogFamily>()
  readonly #members = new Map<string, { readonly member: Member; readonly family: LogFamily }>()
  readonly #ignored = new Set<string>()
  /** Left alone as long as they were last changed at that time. */
  readonly #old = new Map<string, bigint>()
  readonly #compressed: CompressedNewcomers
  #positions: SourcePosition[] = []
  #rotation: LogFamily[] = []
  #next = 0
  #hasFound = false
  #rescans = 0
  #isCrowded = false
  /** What was there at the first look, until it is admitted. */
  readonly #firstFound = new Set<string>()

  constructor(options: TailerOptions, storedOffsets: StoredOffsets, log: Pick<Log, 'info' | 'warn'>) {
    this.#options = options
    this.#storedOffsets = storedOffsets
    this.#complaints = new Complaints(log)
    this.#compressed = new CompressedNewcomers(options.spool, options.encoding)
  }

  /** Bytes that stand in the files and were not given. */
  get unreadBytes(): number {
    let sum = 0
    for (const { member } of this.#members.values()) sum += member.file.unreadBytes
    return sum
  }

  /** Folders to watch for changes. */
  get folders(): readonly string[] {
    return [...new Set(this.#options.scope.include.map(({ root }) => root))]
  }

  /** The files that are followed now. */
  get files(): readonly Member[] {
    return [...this.#members.values()].map(({ member }) => member)
  }

  /** Positions of files that hold nothing to give, to be stored all the same. */
  takePositions(): readonly SourcePosition[] {
    return this.#positions.splice(0)
  }

  /** Some files wait for others to be closed: look again soon. */
  get isCrowded(): boolean {
    return this.#isCrowded
  }

  async rescan(): Promise<void> {
    this.#isCrowded = false
    const all = findFiles(this.#options.scope, this.#complaints)
    if (this.#options.isSpokesman && !(this.#options.isEmptied && this.#hasFound)) complainOfNothing(this.#options.scope, all, this.#complaints)
    this.#hasFound ||= all.length > 0
    const found = all.filter(({ path }) => this.#options.isOurs(rotationBase(path)))
    this.#noteSeen(found)
    if (this.#rescans === 0) for (const { key } of found) this.#firstFound.add(key)
    const newcomers = found.filter(({ key, modifiedNs }) => !this.#members.has(key) && !this.#ignored.has(key) && this.#old.get(key) !== modifiedNs)
    await this.#admitAll(newcomers.filter(({ compression }) => compression === undefined), found)
    await this.#admitCompressed(newcomers.filter((each): each is FoundCompressed => each.compression !== undefined), found)
    this.#forgetGone(new Set(found.map(({ key }) => key)))
    this.#rotation = [...this.#families.values()]
    this.#rescans++
  }

  /** The next lines of the next log that has any. */
  take(into: Buffer, at: number, spans: SpanArena, nowMs: number): FamilyTurn {
    let outcome: FamilyTurn = 'nothing'
    for (let tried = 0; tried < this.#rotation.length; tried++) {
      const family = this.#rotation[this.#next % this.#rotation.length]!
      this.#next = (this.#next + 1) % this.#rotation.length
      const turn = family.take(into, at, spans, this.#options, nowMs, (member, error) => this.#complain(member.file, error))
      if (typeof turn === 'object') return turn
      if (turn === 'busy') outcome = 'busy'
    }
    return outcome
  }

  close(): void {
    for (const { member } of this.#members.values()) member.file.close()
    this.#compressed.close()
    this.#members.clear()
    this.#families.clear()
    this.#rotation = []
  }

  #noteSeen(found: readonly FoundFile[]): void {
    for (const { member } of this.#members.values()) {
      member.listed = false
      member.known = true
    }
    for (const { key, path, size, modifiedNs, compression } of found) {
      const member = this.#members.get(key)?.member
      if (member === undefined || member.listed) continue
      const isAnother = member.file.isSpooled ? member.modifiedNs !== modifiedNs || compression === undefined : compression !== undefined
      if (isAnother && !member.file.isOpen) {
        this.#remove(key) // its inode was used again, or it was written anew: looked at as a new file
        continue
      }
      const changed = !member.file.isSpooled && (modifiedNs !== member.modifiedNs || size !== member.file.position)
      member.listed = true
      member.file.path = path
      member.modifiedNs = modifiedNs
      if (changed && !member.file.isOpen && this.#makeRoom()) this.#open(member.file)
    }
  }

  async #admitAll(newcomers: readonly FoundFile[], found: readonly FoundFile[]): Promise<void> {
    const byPath = new Map(found.map((file) => [file.path, file]))
    if (newcomers.length > 0) for (const family of this.#families.values()) family.noticeReplaced((member, error) => this.#complain(member.file, error))
    // Present files first: what equals them is a copy. Then oldest first: each file is compared with those before it.
    const candidates: Candidate[] = []
    for (const found of newcomers.toSorted(compareAge)) {
      if (!this.#makeRoom(candidates.length)) {
        this.#isCrowded = true
        break
      }
      candidates.push(...this.#candidate(found, byPath))
    }
    candidates.sort((a, b) => Number(a.file.path !== a.family) - Number(b.file.path !== b.family))
    const questions = candidates.flatMap((candidate) => candidate.questions)
    const answers = questions.length === 0 ? [] : [...await this.#storedOffsets.offsets(questions)]
    for (const candidate of candidates) {
      const stored = answers.splice(0, candidate.questions.length).map(storedPosition)
      try {
        this.#carryOut(candidate, this.#decide(candidate, stored))
      } catch (error) {
        this.#complain(candidate.file, error)
      }
    }
  }

  async #admitCompressed(newcomers: readonly FoundCompressed[], found: readonly FoundFile[]): Promise<void> {
    if (newcomers.length === 0) return
    const byPath = new Map(found.map((file) => [file.path, file]))
    const stored = await this.#storedOffsets.allOffsets()
    for (const newcomer of newcomers.toSorted(compareAge)) {
      const path = this.#familyOf(newcomer, byPath)
      try {
        if (!this.#makeRoom()) this.#isCrowded = true
        else this.#carryOutCompressed(newcomer, path, await this.#compressed.consider(newcomer, this.#families.get(path), stored))
      } catch (error) {
        if (error instanceof Renamed) continue
        const { message, code } = error as NodeJS.ErrnoException
        this.#complaints.say(`file:${newcomer.path}`, `${newcomer.path} cannot be inflated: ${message} (${code}); it is tried again when it has changed`)
      }
    }
  }

  #carryOutCompressed(found: FoundFile, path: string, outcome: CompressedOutcome): void {
    if (outcome.kind === 'ignore') this.#ignored.add(found.key)
    if (outcome.kind === 'wait') this.#isCrowded ||= outcome.soon
    if (outcome.kind !== 'read') return
    const { file, from, known } = outcome
    if (!known && this.#options.isTooOld(found.modifiedNs)) return this.#leaveAlone(found, file)
    if (file.isOpen) {
      file.seek(from.position)
      if (known && file.unreadBytes === 0) this.#positions.push({ sourcePartition: sourcePartitionOf(file.identity as FileIdentity), sourceOffset: file.offset() })
    }
    this.#admit(found, path, file, known)
  }

  /** Opens a newcomer and says whose offsets matter: its own, and those of the log's present file, in case it is a copy of that. */
  #candidate(found: FoundFile, byPath: ReadonlyMap<string, FoundFile>): Candidate[] {
    const file = new TailedFile(found, this.#options.encoding)
    if (!this.#open(file)) return []
    const family = this.#familyOf(found, byPath)
    const fingerprint = file.identify()
    if (fingerprint === undefined) return [{ found, file, family, questions: [] }]
    const original = byPath.get(family)
    const asked = original === undefined || original.key === found.key ? [found] : [found, original]
    return [{ found, file, family, questions: asked.map(({ device, inode }) => sourcePartitionOf({ device, inode, fingerprint })) }]
  }

  /** The path of the log that a file belongs to. A name that may only look rotated (`host-1.log`) is a log of its own unless the base exists. */
  #familyOf({ path, role }: FoundFile, byPath: ReadonlyMap<string, FoundFile>): string {
    const base = rotationBase(path)
    if (role === 'rotated' || byPath.has(base) || this.#families.has(base)) return base
    return isRotatedAtEnd(path) && this.#options.scope.include.some((pattern) => pattern.matches(base)) ? base : path
  }

  #decide({ found, file, family }: Candidate, [stored, storedOfOriginal]: readonly (StoredPosition | undefined)[]): Admission {
    const log = this.#families.get(family)
    const newcomer: Newcomer = {
      role: found.role,
      size: found.size,
      modifiedNs: found.modifiedNs,
      fingerprint: file.fingerprint,
      stored,
      storedOfOriginal,
      holds: (position) => file.holds(position),
      isCopyOfMember: () => log?.members.some((member) => member.file.isOpen && member.file.beginsAs(file)) ?? false,
    }
    const startAtEnd = this.#options.startAtEnd && this.#firstFound.has(found.key)
    return admit(newcomer, { former: log?.former ?? [], lastSeenNs: log?.lastSeenNs, startAtEnd })
  }

  #carryOut({ found, file, family: path }: Candidate, admission: Admission): void {
    const isNew = admission.kind === 'read-new-lines' || (admission.kind === 'read' && admission.from.guard === undefined)
    if (isNew && this.#options.isTooOld(found.modifiedNs)) return this.#leaveAlone(found, file)
    if (admission.kind === 'wait' || admission.kind === 'ignore') {
      file.close()
      if (admission.kind === 'ignore') this.#ignored.add(file.key)
      return
    }
    if (admission.kind === 'read') file.seek(admission.from.position)
    else file.seekEnd(this.#options.turnBytes)
    this.#admit(found, path, file, admission.kind === 'read' && admission.from.guard !== undefined)
  }

  #leaveAlone({ key, modifiedNs }: FoundFile, file: TailedFile): void {
    file.close()
    this.#old.set(key, modifiedNs)
  }

  #admit(found: FoundFile, path: string, file: TailedFile, known: boolean): void {
    if (this.#options.countLines && file.isOpen) file.countLines()
    const family = this.#families.get(path) ?? new LogFamily(path)
    const member: Member = { file, modifiedNs: found.modifiedNs, listed: true, known, quietSinceMs: undefined, quietBytes: 0, quietAsPresent: true }
    this.#families.set(path, family)
    this.#members.set(file.key, { member, family })
    family.add(member)
  }

  /** Forgets files that were drained, closed, and are in no folder any more. */
  #forgetGone(found: ReadonlySet<string>): void {
    for (const [key, { member }] of this.#members) {
      if (found.has(key) || member.file.isOpen) continue
      this.#remove(key)
    }
    this.#compressed.retain(found)
    for (const key of this.#ignored) if (!found.has(key)) this.#ignored.delete(key)
    for (const key of this.#old.keys()) if (!found.has(key)) this.#old.delete(key)
    for (const key of this.#firstFound) if (!found.has(key) || this.#members.has(key)) this.#firstFound.delete(key)
  }

  #remove(key: string): void {
    const { member, family } = this.#members.get(key)!
    this.#members.delete(key)
    family.remove(member)
    if (family.members.length === 0) this.#families.delete(family.path)
  }

  #open(file: TailedFile): boolean {
    try {
      if (!file.open()) return false
      this.#complaints.settle(`file:${file.path}`, `${file.path} can be read again`)
      return true
    } catch (error) {
      this.#complain(file, error)
      return false
    }
  }

  /** Keeps the number of open files bounded: the file that has been quiet for longest is closed, and opened again when it grows. */
  #makeRoom(openedBesides = 0): boolean {
    let open = openedBesides
    let quietest: Member | null = null
    // Asked for each of ten thousand newcomers: no lists are made here.
    for (const { member } of this.#members.values()) {
      if (!member.file.isOpen) continue
      open++
      if ((quietest === null || member.modifiedNs < quietest.modifiedNs) && member.file.unreadBytes === 0) quietest = member
    }
    if (open < this.#options.maxOpenFiles) return true
    if (quietest === null) return false
    quietest.file.close()
    return true
  }

  #complain(file: TailedFile, error: unknown): void {
    file.close()
    const { code } = error as NodeJS.ErrnoException
    if (code === undefined) throw error
    const advice = code === 'EACCES' || code === 'EPERM' ? '; let this user read it' : ''
    this.#complaints.say(`file:${file.path}`, `${file.path} cannot be read (${code})${advice}; it is tried again at every rescan`)
  }
}

function compareAge(a: FoundFile, b: FoundFile): number {
  return a.modifiedNs === b.modifiedNs ? compareRotationAge(a.path, b.path) : a.modifiedNs < b.modifiedNs ? -1 : 1
}
