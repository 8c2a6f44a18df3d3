/**
 * Compressed files that were found and are not read yet: what they are a copy of, and where to begin in them.
 *
 *   found ──beginning──► known and done: a member that is never opened
 *             │ older than what was read last, and not asked for: passed over
 *             └──► inflated in the background ──► original still read, or its position not committed yet: waits
 *                                                  └──► read from the committed position of the file that it was made of, or from its beginning
 */
import { closeSync } from 'node:fs'
import type { SourceOffset, SourcePartition } from 'millrace/connect'
import { storedPosition } from './admission.ts'
import { Renamed, inflatedHead, spool } from './compressed-file.ts'
import type { CompressedFile, SpoolOptions } from './compressed-file.ts'
import { finalFingerprintOf } from './file-identity.ts'
import type { FoundFile } from './file-finder.ts'
import type { LogFamily } from './log-family.ts'
import { TailedFile } from './tailed-file.ts'
import type { StoredPosition } from './tailed-file.ts'
import type { FileEncoding } from '../lines/text-decoder.ts'

export type StoredOffset = readonly [SourcePartition, SourceOffset]

export type CompressedOutcome =
  | { readonly kind: 'read'; readonly file: TailedFile; readonly from: StoredPosition; readonly known: boolean }
  | { readonly kind: 'ignore' }
  /** Nothing to decide yet. */
  | { readonly kind: 'wait'; readonly soon: boolean }

export type FoundCompressed = FoundFile & CompressedFile

interface Pending {
  readonly size: number
  readonly modifiedNs: bigint
  readonly fingerprint: string
  file: TailedFile | undefined
  error: unknown
}

const waitLonger: CompressedOutcome = { kind: 'wait', soon: false }
const waitABit: CompressedOutcome = { kind: 'wait', soon: true }

export class CompressedNewcomers {
  readonly #options: SpoolOptions
  readonly #encoding: FileEncoding
  readonly #pending = new Map<string, Pending>()
  #inflating = false

  constructor(options: SpoolOptions, encoding: FileEncoding) {
    this.#options = options
    this.#encoding = encoding
  }

  /** @throws what zlib or the system says about the file; ask again when it has changed */
  async consider(found: FoundCompressed, family: LogFamily | undefined, stored: readonly StoredOffset[]): Promise<CompressedOutcome> {
    const pending = await this.#pendingOf(found)
    const alike = stored.filter(([partition]) => partition['fingerprint'] === pending.fingerprint)
    const own = alike.find(([partition]) => partition['device'] === found.device && partition['inode'] === found.inode)?.[1]
    if (own?.['done'] === true) return this.#known(found, pending, storedPosition(own)!)
    const positions = alike.flatMap(([, offset]) => storedPosition(offset) ?? []).toSorted((a, b) => b.position - a.position)
    const isNews = family?.lastSeenNs !== undefined && found.modifiedNs >= family.lastSeenNs
    if (found.role === 'rotated' && positions.length === 0 && !isNews) return this.#drop(found)
    if (pending.error !== undefined) throw pending.error as Error // until the file changes: most of them are being written
    if (pending.file === undefined) {
      if (!this.#inflating) void this.#inflate(found, pending)
      return waitABit
    }
    return this.#decide(found, pending.file, family, positions)
  }

  /** Forgets files that are gone. */
  retain(keys: ReadonlySet<string>): void {
    for (const [key, { file }] of this.#pending) {
      if (keys.has(key)) continue
      file?.close()
      this.#pending.delete(key)
    }
  }

  close(): void {
    this.retain(new Set())
  }

  async #pendingOf(found: FoundCompressed): Promise<Pending> {
    const known = this.#pending.get(found.key)
    if (known?.size === found.size && known.modifiedNs === found.modifiedNs) return known
    known?.file?.close()
    this.#pending.delete(found.key)
    const fingerprint = finalFingerprintOf(await inflatedHead(found))
    const pending: Pending = { size: found.size, modifiedNs: found.modifiedNs, fingerprint, file: undefined, error: undefined }
    this.#pending.set(found.key, pending)
    return pending
  }

  /** One file at a time: the others of the task go on being read meanwhile. */
  async #inflate(found: FoundCompressed, pending: Pending): Promise<void> {
    this.#inflating = true
    try {
      const handle = await spool(found, this.#options)
      if (this.#pending.get(found.key) === pending) pending.file = TailedFile.ofSpool(found, this.#encoding, handle)
      else closeSync(handle)
    } catch (error) {
      if (error instanceof Renamed) this.#pending.delete(found.key) // found again under its new name
      else pending.error = error
    } finally {
      this.#inflating = false
    }
  }

  #decide(found: FoundFile, file: TailedFile, family: LogFamily | undefined, positions: readonly StoredPosition[]): CompressedOutcome {
    file.identify(true)
    const members = family?.members ?? []
    if (members.some((member) => member.file.isOpen && !member.file.isSpooled && member.file.beginsAs(file))) return waitLonger
    const from = positions.find((position) => file.holds(position))
    const given = [...members.map((member) => member.file), ...(family?.former ?? []), ...(family?.gone ?? [])].filter(({ fingerprint }) => fingerprint === file.fingerprint)
    const isCommittedLater = given.some((former) => {
      const at = former instanceof TailedFile ? former.storedPosition() : former.position
      return at.position > (from?.position ?? 0) && file.holds(at)
    })
    if (isCommittedLater) return waitABit
    this.#pending.delete(found.key)
    return { kind: 'read', file, from: from ?? { position: 0 }, known: from !== undefined }
  }

  #known(found: FoundFile, { fingerprint }: Pending, from: StoredPosition): CompressedOutcome {
    this.#drop(found)
    const file = TailedFile.ofSpool(found, this.#encoding, undefined)
    file.fingerprint = fingerprint
    return { kind: 'read', file, from, known: true }
  }

  #drop({ key }: FoundFile): CompressedOutcome {
    this.#pending.get(key)?.file?.close()
    this.#pending.delete(key)
    return { kind: 'ignore' }
  }
}
