/**
 * Compressed files are closed files: they are inflated whole into a nameless temporary file, which is then read as any other.
 * So a line is given only of a file that is whole and sound, memory stays bounded, and positions count inflated bytes.
 */
import { createReadStream, closeSync, fstatSync, mkdtempSync, openSync, readFileSync, rmdirSync, unlinkSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { Writable } from 'node:stream'
import type { Transform } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import * as zlib from 'node:zlib'
import { zstdCodec } from 'millrace/connect'
import { fingerprintBytes } from './file-identity.ts'

export type Compression = 'gzip' | 'zstd'

/** By the name; undefined for what is not compressed, or not in a way that is read here. */
export function compressionOf(path: string): Compression | undefined {
  return path.endsWith('.gz') ? 'gzip' : path.endsWith('.zst') ? 'zstd' : undefined
}

/** What newer versions of Node have, and the declarations for Node 20 do not know. */
const { createZstdDecompress } = zlib as unknown as { readonly createZstdDecompress?: () => Transform }

/** Without streams for zstd, a file is inflated at once: more than this is refused rather than taken into memory. */
const maxInMemoryBytes = 64 * 1_048_576

/** A compressed file by its name and its key, device and inode: names pass from file to file while logs rotate. */
export interface CompressedFile {
  readonly path: string
  readonly key: string
  readonly compression: Compression
}

/** Another file has taken the name since it was found. */
export class Renamed extends Error {}

/** The inflated beginning, as far as identity needs it. @throws Renamed, or what zlib or the system says; an unfinished file may have a beginning already */
export async function inflatedHead(found: CompressedFile): Promise<Buffer> {
  const handle = openFound(found)
  const inflater = inflaterOf(found.compression)
  if (inflater === undefined) return inflatedInMemory(handle).subarray(0, fingerprintBytes)
  const file = createReadStream('', { fd: handle, highWaterMark: 16_384 })
  const parts: Buffer[] = []
  let length = 0
  file.once('error', (error) => inflater.destroy(error)).pipe(inflater)
  try {
    for await (const chunk of inflater as AsyncIterable<Buffer>) {
      parts.push(chunk)
      length += chunk.length
      if (length >= fingerprintBytes) break
    }
  } finally {
    file.destroy()
  }
  return Buffer.concat(parts).subarray(0, fingerprintBytes)
}

export interface SpoolOptions {
  /** Where the temporary file is made; it has no name as soon as it is open, so a crash leaves nothing. */
  readonly folder: string
  readonly maxBytes: number
  readonly signal: AbortSignal
}

/** @returns the handle of the inflated file. @throws Renamed, or what zlib or the system says, also for a file that is not complete yet */
export async function spool(found: CompressedFile, { folder, maxBytes, signal }: SpoolOptions): Promise<number> {
  const ownFolder = mkdtempSync(join(folder, 'millrace-spool-'))
  const name = join(ownFolder, 'inflated')
  const handle = openSync(name, 'wx+', 0o600)
  try {
    unlinkSync(name)
    rmdirSync(ownFolder)
    const source = openFound(found)
    let written = 0
    const take = (chunk: Buffer): void => {
      written += chunk.length
      if (written > maxBytes) throw new TooLarge(`it inflates to more than compressed.max.bytes=${maxBytes}`)
      for (let at = 0; at < chunk.length;) at += writeSync(handle, chunk, at)
    }
    const inflater = inflaterOf(found.compression)
    if (inflater === undefined) take(inflatedInMemory(source))
    else await pipeline(createReadStream('', { fd: source }), inflater, sink(take), { signal })
    return handle
  } catch (error) {
    closeSync(handle)
    throw error
  }
}

class TooLarge extends Error {
  readonly code = 'E2BIG'
}

function sink(take: (chunk: Buffer) => void): Writable {
  return new Writable({
    write(chunk: Buffer, _encoding, done) {
      try {
        take(chunk)
        done()
      } catch (error) {
        done(error as Error)
      }
    },
  })
}

function inflaterOf(compression: Compression): Transform | undefined {
  return compression === 'gzip' ? zlib.createGunzip() : createZstdDecompress?.()
}

/** Reads the file to its end and closes it. */
function inflatedInMemory(handle: number): Buffer {
  try {
    if (fstatSync(handle).size > maxInMemoryBytes) throw new TooLarge(`it has more than ${maxInMemoryBytes} bytes, and Node ${process.versions.node} has no streams for zstd; Node 22.15 has`)
    return Buffer.from(zstdCodec.inflate(readFileSync(handle), maxInMemoryBytes))
  } finally {
    closeSync(handle)
  }
}

function openFound({ path, key }: CompressedFile): number {
  const handle = openSync(path, 'r')
  const { dev, ino } = fstatSync(handle, { bigint: true })
  if (`${dev}:${ino}` === key) return handle
  closeSync(handle)
  throw new Renamed(`${path} is another file now`)
}
