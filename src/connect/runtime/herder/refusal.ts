/** Refusals of the herder, each with the HTTP status that upstream's REST API gives it (`details.httpStatus`). */
import { StreamError } from '../../../core/index.ts'
import type { ErrorCode } from '../../../core/index.ts'

function refusal(httpStatus: number, code: ErrorCode, { retriable = false } = {}) {
  return (message: string, cause?: unknown): StreamError => new StreamError(code, message, { retriable, details: { httpStatus }, ...(cause !== undefined && { cause }) })
}

export const badRequest = refusal(400, 'INVALID_ARGUMENT')
export const forbidden = refusal(403, 'UNSUPPORTED')
export const notFound = refusal(404, 'INVALID_ARGUMENT')
export const conflict = refusal(409, 'INVALID_ARGUMENT')
/** The world failed, not the one who asked. */
export const failed = refusal(500, 'CONNECTOR_FAILED')
/** Who runs a connector or a task here waits, and asks again. */
export const unavailable = refusal(503, 'BACKEND_UNAVAILABLE', { retriable: true })

/** Another worker of the cluster must answer. */
export class NotHere extends Error {
  override readonly name = 'NotHere'
  /** Its REST address; null: nobody knows it now, since a rebalance is under way. */
  readonly url: string | null

  constructor(message: string, url: string | null) {
    super(message)
    this.url = url
  }
}
