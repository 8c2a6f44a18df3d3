/**
 * A file that grows by whole batches of lines, with a manifest beside it that says how much of it counts.
 *
 *   open: cut to the manifest's length ──► publish, unless that manifest is of this file ──► append … append ──► publish (sync the file,
 *   then replace the manifest) ──► append …
 *
 * The manifest `<file>.offsets.json` holds the length of the file and the next offset of each partition at one moment. What a
 * crash leaves behind that length was never committed: it is cut off, and those records are read again. So each record is in
 * the file once, wherever the process was killed.
 */
import { closeSync, constants, fdatasyncSync, fstatSync, ftruncateSync, openSync, readFileSync, writeSync } from 'node:fs'
import { dirname } from 'node:path'
import { connectorError, retriableError } from 'millrace/connect'
import { z } from 'zod'
import { makeFolder, replaceFile } from '../durable.ts'

const manifestShape = z.object({
  version: z.literal(1),
  device: z.string(),
  inode: z.string(),
  length: z.number().int().min(0),
  offsets: z.record(z.string(), z.number().int().min(0)),
})

type Manifest = z.infer<typeof manifestShape>

export class OutputFile {
  readonly path: string
  /** Partition name → next offset, of what was appended. */
  readonly offsets = new Map<string, number>()
  readonly #handle: number
  #length: number
  #published = -1
  #publishedOffsets: Manifest['offsets'] = {}

  /** @throws a connector error that says what is wrong with the file or its manifest */
  constructor(path: string, warn: (text: string) => void) {
    this.path = path
    try {
      makeFolder(dirname(path))
      this.#handle = openSync(path, constants.O_RDWR | constants.O_CREAT | constants.O_APPEND, 0o644)
    } catch (error) {
      throw connectorError(`${path} cannot be opened for writing (${codeOf(error)}); check the folder and its permissions`, { cause: error })
    }
    this.#length = fstatSync(this.#handle).size
    const manifest = this.#readManifest()
    if (manifest !== undefined) this.#continueFrom(manifest, warn)
  }

  /** Appends all or nothing; `offsets` is what holds afterwards. @throws a retriable error when the disk is full or refuses */
  append(lines: Buffer, offsets: ReadonlyMap<string, number>): void {
    let written = 0
    try {
      // without a manifest of this very file, what a crash leaves behind could not be told from what was there before
      if (this.#published < 0 && fstatSync(this.#handle).isFile()) this.publish()
      while (written < lines.length) written += writeSync(this.#handle, lines, written)
    } catch (error) {
      if (written > 0) ftruncateSync(this.#handle, this.#length)
      const reason = codeOf(error) === 'ENOSPC' ? 'the disk is full; free some space' : `the disk refused to write (${codeOf(error)})`
      throw retriableError(`${this.path}: ${reason}. Nothing is damaged`, { cause: error })
    }
    this.#length += lines.length
    for (const [partition, offset] of offsets) this.offsets.set(partition, offset)
  }

  /** Makes what was appended durable and says so in the manifest. */
  publish(): void {
    if (this.#published === this.#length && this.#offsetsPublished()) return
    fdatasyncSync(this.#handle)
    const { dev, ino } = fstatSync(this.#handle, { bigint: true })
    const manifest: Manifest = { version: 1, device: String(dev), inode: String(ino), length: this.#length, offsets: Object.fromEntries(this.offsets) }
    replaceFile(this.manifestPath, JSON.stringify(manifest))
    this.#published = this.#length
    this.#publishedOffsets = manifest.offsets
  }

  close(): void {
    closeSync(this.#handle)
  }

  #offsetsPublished(): boolean {
    return [...this.offsets].every(([partition, offset]) => this.#publishedOffsets[partition] === offset)
  }

  get manifestPath(): string {
    return `${this.path}.offsets.json`
  }

  #readManifest(): Manifest | undefined {
    let text: string
    try {
      text = readFileSync(this.manifestPath, 'utf8')
    } catch (error) {
      if (codeOf(error) === 'ENOENT') return undefined
      throw connectorError(`${this.manifestPath} cannot be read (${codeOf(error)})`, { cause: error })
    }
    const parsed = manifestShape.safeParse(jsonOrUndefined(text))
    if (parsed.success) return parsed.data
    throw connectorError(`${this.manifestPath} is not a manifest of this version. It says which records ${this.path} holds: restore it, or move both files away to begin a new file`)
  }

  #continueFrom(manifest: Manifest, warn: (text: string) => void): void {
    for (const [partition, offset] of Object.entries(manifest.offsets)) this.offsets.set(partition, offset)
    const { dev, ino } = fstatSync(this.#handle, { bigint: true })
    if (String(dev) !== manifest.device || String(ino) !== manifest.inode) return // moved away by a rotation: this is its successor
    if (this.#length < manifest.length) {
      warn(`${this.path} has ${this.#length} bytes, ${manifest.length - this.#length} less than were written: somebody cut it. Going on at its end`)
      return
    }
    if (this.#length > manifest.length) ftruncateSync(this.#handle, manifest.length)
    this.#length = manifest.length
    this.#published = manifest.length
    this.#publishedOffsets = manifest.offsets
  }
}

function jsonOrUndefined(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

function codeOf(error: unknown): string {
  return (error as NodeJS.ErrnoException).code ?? String(error)
}
