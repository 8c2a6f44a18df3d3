/** What the worker and a task's thread say to each other, as plain data. */
import { isStreamError, StreamError } from '../../core/index.ts'
import type { BrokerHandle, ErrorCode } from '../../core/index.ts'
import type { Log } from '../connector.ts'
import type { GaugeReading } from './task-gauges.ts'
import type { TaskProgress, TaskSpec } from './task-spec.ts'

export interface TaskThreadData {
  readonly spec: TaskSpec
  readonly isPaused: boolean
  readonly broker: BrokerHandle
}

export type ToThread = { readonly kind: 'pause' | 'resume' | 'stop' }

export type FromThread =
  | { readonly kind: 'progress'; readonly progress: TaskProgress }
  | { readonly kind: 'log'; readonly level: keyof Log; readonly text: string }
  /** A sign of life. */
  | { readonly kind: 'alive'; readonly gauges: readonly GaugeReading[] }
  | { readonly kind: 'stopped' }
  | { readonly kind: 'failed'; readonly error: PlainError }

/** An error that has crossed a thread. */
export interface PlainError {
  readonly name: string
  readonly message: string
  readonly stack?: string
  readonly code?: ErrorCode
  readonly retriable?: boolean
  readonly cause?: PlainError
}

/** How often a thread gives a sign of life. */
export const signOfLifeMs = 500

const maxCauses = 10

export function plainError(error: unknown, depth = 0): PlainError {
  if (!(error instanceof Error)) return { name: 'Error', message: String(error) }
  return {
    name: error.name,
    message: error.message,
    ...(error.stack !== undefined && { stack: error.stack }),
    ...(isStreamError(error) && { code: error.code, retriable: error.retriable }),
    ...(error.cause !== undefined && depth < maxCauses && { cause: plainError(error.cause, depth + 1) }),
  }
}

export function errorFromPlain({ name, message, stack, code, retriable, cause }: PlainError): Error {
  const causeOf = cause === undefined ? {} : { cause: errorFromPlain(cause) }
  const error = code === undefined ? new Error(message, causeOf) : new StreamError(code, message, { ...causeOf, ...(retriable !== undefined && { retriable }) })
  if (code === undefined) Object.defineProperty(error, 'name', { value: name })
  if (stack !== undefined) error.stack = stack
  return error
}
