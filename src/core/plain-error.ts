import { StreamError, isStreamError } from './errors.ts'
import type { ErrorCode } from './errors.ts'

/** An error on its way to another thread: plain data, with everything that people and programs ask of it. */
export interface PlainError {
  readonly name: string
  readonly message: string
  readonly stack?: string
  readonly code?: ErrorCode
  readonly retriable?: boolean
  readonly details?: Readonly<Record<string, unknown>>
  readonly cause?: PlainError
}

const maxCauses = 10

export function plainError(error: unknown, depth = 0): PlainError {
  if (!(error instanceof Error)) return { name: 'Error', message: String(error) }
  return {
    name: error.name,
    message: error.message,
    ...(error.stack !== undefined && { stack: error.stack }),
    ...(isStreamError(error) && { code: error.code, retriable: error.retriable, details: plainDetails(error.details) }),
    ...(error.cause !== undefined && depth < maxCauses && { cause: plainError(error.cause, depth + 1) }),
  }
}

export function errorFromPlain({ name, message, stack, code, retriable, details, cause }: PlainError): Error {
  const causeOf = cause === undefined ? {} : { cause: errorFromPlain(cause) }
  const error = code === undefined
    ? new Error(message, causeOf)
    : new StreamError(code, message, { ...causeOf, ...(retriable !== undefined && { retriable }), ...(details !== undefined && { details }) })
  if (code === undefined) Object.defineProperty(error, 'name', { value: name })
  if (stack !== undefined) error.stack = stack
  return error
}

/** Text, numbers and lists of them; anything else might not survive the way. */
function plainDetails(details: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> {
  return Object.fromEntries(Object.entries(details).map(([name, fact]) => [name, Array.isArray(fact) ? fact.map(plainFact) : plainFact(fact)]))
}

function plainFact(fact: unknown): string | number | boolean | null {
  if (typeof fact === 'number' || typeof fact === 'boolean' || typeof fact === 'string' || fact === null) return fact
  return JSON.stringify(fact) ?? typeof fact
}
