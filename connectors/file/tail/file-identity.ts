/**
 * Who a file is, whatever it is called: device, inode, and a fingerprint of its beginning.
 *
 * The fingerprint covers the first line, at most its first 1,024 bytes. That much never changes while a file only grows, so
 * a file has one identity from its first complete line on; before that, nothing of it can have been read. An inode that the
 * system gives to a new file, or a file that was cut and written anew, shows by another fingerprint. Where files begin alike
 * (a common header), the *guard* decides: every stored position carries a digest of the bytes just before it.
 */
import { hash } from 'node:crypto'
import type { SourcePartition } from 'millrace/connect'

export const fingerprintBytes = 1024

/** How many bytes before a position its guard covers. */
export const guardBytes = 64

const newline = 10

export interface FileIdentity {
  readonly device: string
  readonly inode: string
  readonly fingerprint: string
}

/** Of the first bytes of a file; undefined while they hold neither a complete line nor `fingerprintBytes`. */
export function fingerprintOf(head: Uint8Array): string | undefined {
  const end = head.subarray(0, fingerprintBytes).indexOf(newline)
  if (end < 0 && head.length < fingerprintBytes) return undefined
  return digest(head.subarray(0, end < 0 ? fingerprintBytes : end + 1))
}

/** Of a file that will not grow any more: whatever it holds. */
export function finalFingerprintOf(head: Uint8Array): string {
  return fingerprintOf(head) ?? digest(head)
}

/** Of the bytes before a position. */
export function guardOf(before: Uint8Array): string {
  return digest(before)
}

export function sourcePartitionOf({ device, inode, fingerprint }: FileIdentity): SourcePartition {
  return { device, inode, fingerprint }
}

function digest(bytes: Uint8Array): string {
  return hash('sha256', bytes, 'hex').slice(0, 16)
}
