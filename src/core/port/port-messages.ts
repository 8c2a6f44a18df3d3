/**
 * What travels over the port. Calls are answered by id, in any order; a call can be called off while it waits.
 * Everything is plain data for the structured clone; the bytes of batches are transferred, not cloned.
 */
import type { FetchedPartition } from '../engine/engine-api.ts'
import { StreamError, isStreamError } from '../errors.ts'
import type { ErrorCode } from '../errors.ts'
import { RecordBatchView } from '../log/record-batch.ts'
import type { EngineApi } from '../engine/engine-api.ts'

export type Method = Exclude<keyof EngineApi, 'isInOtherThread'>

export type ClientMessage =
  | { readonly kind: 'call'; readonly id: number; readonly method: Method; readonly args: readonly unknown[] }
  | { readonly kind: 'call-off'; readonly id: number }

export type ServerMessage =
  /** `memory`: of the batch that was appended, on its way back. */
  | { readonly kind: 'answer'; readonly id: number; readonly value: unknown; readonly memory: ArrayBuffer | null }
  | { readonly kind: 'failure'; readonly id: number; readonly error: PortError }

export interface PortError {
  /** null for what is not a StreamError: a bug on the other side. */
  readonly code: ErrorCode | null
  readonly message: string
  readonly retriable: boolean
  readonly details: Readonly<Record<string, unknown>>
}

/** A partition's batches in one block of memory that can be handed over. */
export interface PortPartition extends Omit<FetchedPartition, 'batches'> {
  readonly bytes: Uint8Array<ArrayBuffer>
  /** Where they begin in it. */
  readonly positions: readonly number[]
}

export function encodePartition(partition: FetchedPartition): PortPartition {
  const { batches, ...rest } = partition
  const memory = ownMemory(partition)
  if (memory !== null) return { ...rest, bytes: memory, positions: batches.map(({ position }) => position) }
  const positions: number[] = []
  const bytes = new Uint8Array(batches.reduce((size, batch) => size + batch.sizeBytes, 0))
  let at = 0
  for (const batch of batches) {
    positions.push(at)
    bytes.set(batch.batchBytes, at)
    at += batch.sizeBytes
  }
  return { ...rest, bytes, positions }
}

/** What the batches were read into, when all of them are in it and it has little else: it is handed over as it is. */
function ownMemory({ batches }: FetchedPartition): Uint8Array<ArrayBuffer> | null {
  const bytes = batches[0]?.bytes
  if (bytes === undefined || !(bytes.buffer instanceof ArrayBuffer) || bytes.length < bytes.buffer.byteLength) return null
  let used = 0
  for (const batch of batches) {
    if (batch.bytes !== bytes) return null
    used += batch.sizeBytes
  }
  return used * 2 < bytes.length ? null : bytes as Uint8Array<ArrayBuffer>
}

/** `fromOffset`: the position that was read from; records before it are left out of iterations. */
export function decodePartition({ bytes, positions, ...rest }: PortPartition, fromOffset: number): FetchedPartition {
  return { ...rest, batches: positions.map((position) => new RecordBatchView(bytes, position, fromOffset)) }
}

export function encodeError(error: unknown): PortError {
  if (isStreamError(error)) return { code: error.code, message: error.message, retriable: error.retriable, details: plainFacts(error.details) }
  return { code: null, message: error instanceof Error ? (error.stack ?? error.message) : String(error), retriable: false, details: {} }
}

export function decodeError({ code, message, retriable, details }: PortError): Error {
  return code === null ? new Error(message) : new StreamError(code, message, { retriable, details })
}

/** Facts are text and numbers; anything else might not survive the way. */
function plainFacts(details: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> {
  return Object.fromEntries(Object.entries(details).map(([name, fact]) => [name, typeof fact === 'number' || typeof fact === 'boolean' ? fact : String(fact)]))
}
