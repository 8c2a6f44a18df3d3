/**
 * `.snapshot`: the producers of a partition as they were before the offset in the file's name. Kafka's layout:
 * version i16 = 1, crc u32 (CRC-32C of everything after it), then a counted array of
 * producerId i64, epoch i16, lastSequence i32, lastOffset i64, offsetDelta i32, timestamp i64, coordinatorEpoch i32, currentTxnFirstOffset i64.
 * Only the last batch of a producer is in it: the other four come back by replaying the log.
 */
import { join } from 'node:path'
import { StreamError } from '../errors.ts'
import { readInt16, readInt32, readInt64, readUint32, writeInt16, writeInt32, writeInt64 } from './big-endian.ts'
import { crc32c } from './crc32c.ts'
import { offsetOfFileName, segmentFileName } from './file-names.ts'
import { replaceFile } from './file-system.ts'
import type { FileSystem } from './file-system.ts'
import type { ProducerEntry, ProducerState } from './producer-state.ts'

const headerBytes = 10
const entryBytes = 46
const version = 1

/** Larger files are refused unread; 5 million producers fit. */
export const maxSnapshotBytes = 256 * 1024 * 1024

export function encodeSnapshot(state: ProducerState): Uint8Array {
  const bytes = new Uint8Array(headerBytes + state.size * entryBytes)
  writeInt16(bytes, 0, version)
  writeInt32(bytes, 6, state.size)
  let at = headerBytes
  for (const entry of state.entries()) at = writeEntry(bytes, at, entry)
  writeInt32(bytes, 2, crc32c(bytes, 6))
  return bytes
}

/** @throws STORAGE_CORRUPT, naming the file */
export function decodeSnapshot(bytes: Uint8Array, path: string): readonly ProducerEntry[] {
  const damaged = (what: string) => new StreamError('STORAGE_CORRUPT', `${path} is not a producer snapshot: ${what}`, { details: { path } })
  if (bytes.length < headerBytes) throw damaged(`it has ${bytes.length} bytes`)
  if (readInt16(bytes, 0) !== version) throw damaged(`its version is ${readInt16(bytes, 0)}`)
  if (readUint32(bytes, 2) !== crc32c(bytes, 6)) throw damaged('its checksum is wrong')
  const count = readInt32(bytes, 6)
  if (bytes.length !== headerBytes + count * entryBytes) throw damaged(`it has ${bytes.length} bytes for ${count} producers`)
  return Array.from({ length: count }, (_, i) => readEntry(bytes, headerBytes + i * entryBytes))
}

/** `snapshot`: as `encodeSnapshot` made it of the producers before the offset. */
export function writeSnapshot({ fileSystem, directory }: { readonly fileSystem: FileSystem; readonly directory: string }, offset: number, snapshot: Uint8Array): Promise<void> {
  return replaceFile(fileSystem, join(directory, segmentFileName(offset, 'snapshot')), snapshot)
}

export function removeSnapshots(fileSystem: FileSystem, directory: string, isUnwanted: (offset: number) => boolean): void {
  for (const name of fileSystem.list(directory)) {
    const offset = offsetOfFileName(name, 'snapshot')
    if (offset !== null && isUnwanted(offset)) fileSystem.remove(join(directory, name))
  }
}

function writeEntry(bytes: Uint8Array, at: number, entry: ProducerEntry): number {
  const last = entry.batches.at(-1)
  writeInt64(bytes, at, entry.producerId)
  writeInt16(bytes, at + 8, entry.epoch)
  writeInt32(bytes, at + 10, last?.lastSequence ?? -1)
  writeInt64(bytes, at + 14, last?.lastOffset ?? -1)
  writeInt32(bytes, at + 22, last?.offsetDelta ?? 0)
  writeInt64(bytes, at + 26, entry.lastTimestamp)
  writeInt32(bytes, at + 34, entry.coordinatorEpoch)
  writeInt64(bytes, at + 38, entry.transactionFirstOffset)
  return at + entryBytes
}

function readEntry(bytes: Uint8Array, at: number): ProducerEntry {
  const lastOffset = readInt64(bytes, at + 14)
  const timestamp = readInt64(bytes, at + 26)
  return {
    producerId: readInt64(bytes, at),
    epoch: readInt16(bytes, at + 8),
    batches: lastOffset < 0 ? [] : [{ lastSequence: readInt32(bytes, at + 10), lastOffset, offsetDelta: readInt32(bytes, at + 22), timestamp }],
    lastTimestamp: timestamp,
    coordinatorEpoch: readInt32(bytes, at + 34),
    transactionFirstOffset: readInt64(bytes, at + 38),
  }
}
