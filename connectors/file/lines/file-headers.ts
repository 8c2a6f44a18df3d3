/** What records tell about the file that they come from. */
import { schema } from 'millrace/connect'
import type { ConnectHeader } from 'millrace/connect'
import type { TailedFile } from '../tail/tailed-file.ts'
import type { Entry } from './entry-assembler.ts'
import { LineRecord } from './line-record.ts'

export function header(key: string, value: string): ConnectHeader {
  return { key, schema: null, value }
}

export function fileHeaders({ path, device, inode }: Pick<TailedFile, 'path' | 'device' | 'inode'>): readonly ConnectHeader[] {
  return [header('file.path', path), header('file.device', device), header('file.inode', inode)]
}

export interface BadLine {
  readonly topic: string
  readonly entry: Entry
  /** Set where the line is no text. */
  readonly bytes: Buffer | undefined
  readonly reason: string
  readonly nowMs: number
}

/** Where a line that became a dead letter stands and what is wrong with it: for people, and as `millrace dlq` and the REST API read it. */
export function failureHeaders(file: Pick<TailedFile, 'path' | 'device' | 'inode'>, position: number, reason: string): readonly ConnectHeader[] {
  return [
    ...fileHeaders(file), header('file.position', String(position)), header('file.error', reason),
    header('__connect.errors.exception.class.name', 'INVALID_DATA'), header('__connect.errors.exception.message', `${file.path}, byte ${position}: ${reason}`),
  ]
}

/** The dead letter for a line that is no record: the line as it is, and in headers where it stands and what is wrong. */
export function badLineRecord({ topic, entry, bytes, reason, nowMs }: BadLine): LineRecord {
  return new LineRecord({
    topic,
    value: bytes ?? entry.text,
    valueSchema: bytes === undefined ? schema.string() : schema.bytes(),
    timestamp: nowMs,
    headers: failureHeaders(entry.file, entry.start, reason),
  }, entry)
}
