import { isStreamError } from '../../core/index.ts'

/** A refusal that only the REST API knows, as upstream words it. */
export class RestError extends Error {
  override readonly name = 'RestError'
  readonly status: number

  constructor(status: number, message: string) {
    super(message)
    this.status = status
  }
}

const reasons: Readonly<Record<number, string>> = { 404: 'Not Found', 405: 'Method Not Allowed', 406: 'Not Acceptable', 413: 'Request Entity Too Large', 415: 'Unsupported Media Type' }

/** `HTTP 404 Not Found`: what upstream says when no endpoint is to blame. */
export function httpError(status: number): RestError {
  return new RestError(status, `HTTP ${status} ${reasons[status] ?? 'Error'}`)
}

/** Codes of errors that the one who asked can put right. */
const blamed = new Set(['INVALID_ARGUMENT', 'INVALID_CONFIG', 'PLUGIN_NOT_FOUND', 'UNSUPPORTED'])

/** Never a stack; what is not known is the server's fault. */
export function statusOf(error: unknown): number {
  if (error instanceof RestError) return error.status
  const given = isStreamError(error) ? error.details['httpStatus'] : undefined
  if (typeof given === 'number') return given
  if (isStreamError(error)) return blamed.has(error.code) ? 400 : 500
  const own = (error as { readonly statusCode?: unknown } | null)?.statusCode
  return typeof own === 'number' && own >= 400 && own < 500 ? own : 500
}
