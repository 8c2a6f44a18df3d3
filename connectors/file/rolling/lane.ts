/**
 * The files of one partition that are being written, and the manifest that says what of it is published.
 *
 *   records ──► temporary files ──roll──► 1. finish and sync them   2. manifest: next offset, and which file gets which name
 *                                         3. rename   4. sync the folders
 *
 * A crash before 2 leaves temporary files that nobody knows: they are deleted, and their records are read again. A crash after 2
 * leaves renames to be done, which the manifest lists. So each record is in a published file once, and a file has its name when
 * it is whole. The manifest's epoch counts writers: whoever opens a lane takes it from its predecessor.
 */
import { existsSync, readFileSync, readdirSync, renameSync, unlinkSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { connectorError, isStreamError } from 'millrace/connect'
import type { SinkRecord } from 'millrace/connect'
import { z } from 'zod'
import { makeFolder, replaceFile, syncPath } from '../durable.ts'
import { TemporaryFile, diskError } from './file-body.ts'
import type { FileBody } from './file-body.ts'

const manifestShape = z.object({
  version: z.literal(1),
  epoch: z.number().int().min(0),
  /** Everything before it is published, or will be by the renames. */
  offset: z.number().int().min(0).nullable(),
  renames: z.array(z.tuple([z.string(), z.string()])),
})

type Manifest = z.infer<typeof manifestShape>

export interface LaneOptions {
  /** For this lane alone. */
  readonly folder: string
  readonly maxOpenFiles: number
  readonly bodyOf: (file: TemporaryFile) => FileBody
  /** The group that a record's file belongs to, and the name of a file by its group and first offset. */
  readonly groupOf: (record: SinkRecord) => string
  readonly nameOf: (group: string, offset: number) => string
}

interface OpenFile {
  readonly name: string
  readonly file: TemporaryFile
  readonly body: FileBody
  records: number
}

export class Lane {
  readonly #options: LaneOptions
  readonly #files = new Map<string, OpenFile>()
  #manifest: Manifest
  #next: number | undefined
  #made = 0
  /** The manifest has the names of the files, but not all of them bear them yet. */
  #decided = false
  /** When the oldest unpublished record came. */
  sinceMs: number | undefined

  /** Finishes what a predecessor left. @throws a connector error for a manifest that cannot be read, what the system says */
  constructor(options: LaneOptions) {
    this.#options = options
    makeFolder(options.folder)
    const left = readManifest(this.#manifestPath)
    if (left !== undefined) finishRenames(left.renames)
    this.#manifest = { version: 1, epoch: (left?.epoch ?? 0) + 1, offset: left?.offset ?? null, renames: [] }
    replaceFile(this.#manifestPath, JSON.stringify(this.#manifest))
    for (const name of readdirSync(options.folder)) if (name.endsWith('.part')) unlinkSync(join(options.folder, name))
    this.#next = left?.offset ?? undefined
  }

  /** Where reading goes on after a restart; undefined while nothing was published. */
  get published(): number | undefined {
    return this.#manifest.offset ?? undefined
  }

  get next(): number | undefined {
    return this.#next
  }

  get isEmpty(): boolean {
    return this.#files.size === 0
  }

  get bytes(): number {
    return Math.max(0, ...[...this.#files.values()].map(({ file }) => file.length))
  }

  get records(): number {
    return Math.max(0, ...[...this.#files.values()].map(({ records }) => records))
  }

  /** @throws a data error for a record that no file can hold; a retriable error when the disk is full: the record was not taken then */
  add(record: SinkRecord): void {
    const group = this.#options.groupOf(record)
    if (!this.#files.has(group) && this.#files.size >= this.#options.maxOpenFiles) this.publish()
    if (!this.#fileOf(group, record).body.add(record)) {
      this.publish() // another file of this group, so all of them: what is published must have no gap
      this.#fileOf(group, record).body.add(record)
    }
    this.#files.get(group)!.records++
    this.#next = record.originalOffset + 1
  }

  /** A record that went elsewhere. */
  pass({ originalOffset }: SinkRecord): void {
    this.#next = originalOffset + 1
  }

  /** @throws a retriable error when the disk is full or refuses: call it again later */
  publish(): void {
    try {
      if (!this.#decided) this.#decide([...this.#files.values()].filter(({ records }) => records > 0))
      finishRenames(this.#manifest.renames)
    } catch (error) {
      throw isStreamError(error) ? error : diskError(this.#options.folder, error)
    }
    for (const { file, records } of this.#files.values()) {
      if (records > 0) file.close()
      else file.discard()
    }
    this.#files.clear()
    this.#decided = false
    this.sinceMs = undefined
  }

  /** Up to the manifest nothing is published; from then on everything is. */
  #decide(written: readonly OpenFile[]): void {
    for (const { body, file } of written) {
      body.finish()
      file.sync()
    }
    this.#requireOwnership()
    const taken = written.find(({ name }) => existsSync(name))
    if (taken !== undefined) throw connectorError(`${taken.name} is there already, and was not written by this connector; move it away, or give path another form`)
    const manifest: Manifest = { ...this.#manifest, offset: this.#next ?? null, renames: written.map(({ file, name }): [string, string] => [file.path, name]) }
    replaceFile(this.#manifestPath, JSON.stringify(manifest))
    this.#manifest = manifest
    this.#decided = true
  }

  /** What is not published will be read again. */
  close(): void {
    for (const { file } of this.#files.values()) {
      file.close()
      if (existsSync(file.path)) unlinkSync(file.path)
    }
    this.#files.clear()
  }

  get #manifestPath(): string {
    return join(this.#options.folder, 'manifest.json')
  }

  #fileOf(group: string, record: SinkRecord): OpenFile {
    const open = this.#files.get(group)
    if (open !== undefined) return open
    const file = new TemporaryFile(join(this.#options.folder, `${this.#manifest.epoch}-${this.#made++}.part`))
    const made: OpenFile = { name: this.#options.nameOf(group, record.originalOffset), file, body: this.#options.bodyOf(file), records: 0 }
    this.#files.set(group, made)
    return made
  }

  #requireOwnership(): void {
    const present = readManifest(this.#manifestPath)
    if (present?.epoch === this.#manifest.epoch) return
    throw connectorError(`${this.#manifestPath} belongs to another writer now (${present?.epoch ?? 'none'} instead of ${this.#manifest.epoch}): a later task has taken over`)
  }
}

function readManifest(path: string): Manifest | undefined {
  if (!existsSync(path)) return undefined
  const text = readFileSync(path, 'utf8')
  try {
    return manifestShape.parse(JSON.parse(text))
  } catch (error) {
    throw connectorError(`${path} is not a manifest of this version. It says which offsets are in the published files: restore it, or move the folder that it is in away to write the topic again`, { cause: error })
  }
}

function finishRenames(renames: Manifest['renames']): void {
  const folders = new Set<string>()
  for (const [from, to] of renames) {
    if (!existsSync(from)) continue // done before
    makeFolder(dirname(to))
    renameSync(from, to)
    folders.add(dirname(to))
  }
  for (const folder of folders) syncPath(folder)
}
