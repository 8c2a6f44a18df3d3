/**
 * `.txncheck`, our own file beside Kafka's `.txnindex`, which has no checksum: entries i32, CRC-32C u32 of so many entries. A wrong
 * entry would hide committed records or show aborted ones, and nothing in the log could be compared with it without reading all
 * of the segment. An index without a check is not believed: it is made again from the log.
 */
import type { FileHandle, FileSystem } from './file-system.ts'
import { readInt32, readUint32, writeInt32 } from './big-endian.ts'
import { crc32c } from './crc32c.ts'
import { transactionIndexEntryBytes } from './transaction-index.ts'

const checkBytes = 8
const maxIndexBytes = 64 * 1024 * 1024

/** `entries`: the whole of the index. */
export function writeTransactionCheck(file: FileHandle, entries: Uint8Array): void {
  const bytes = new Uint8Array(checkBytes)
  writeInt32(bytes, 0, entries.length / transactionIndexEntryBytes)
  writeInt32(bytes, 4, crc32c(entries))
  file.write([bytes], 0)
}

/** How many entries of the index, from the first on, are as they were written; 0 when that is not known. */
export function trueTransactionEntries(fileSystem: FileSystem, indexPath: string, checkPath: string): number {
  if (fileSystem.stat(checkPath)?.sizeBytes !== checkBytes) return 0
  const check = fileSystem.readFile(checkPath, checkBytes)!
  const entries = fileSystem.readFile(indexPath, maxIndexBytes) ?? new Uint8Array(0)
  const sizeBytes = readInt32(check, 0) * transactionIndexEntryBytes
  const isTrue = sizeBytes >= 0 && sizeBytes <= entries.length && crc32c(entries, 0, sizeBytes) === readUint32(check, 4)
  return isTrue ? readInt32(check, 0) : 0
}
