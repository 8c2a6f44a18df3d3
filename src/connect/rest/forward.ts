/** Requests that another worker must answer, passed on: at most two hops, as upstream. */
import { RestError } from './rest-error.ts'
import type { RestAnswer } from './endpoint.ts'

export interface Forwarded {
  readonly method: string
  /** Path and query as they came. */
  readonly url: string
  readonly body: unknown
  /** Only this header goes along. */
  readonly authorization: string | undefined
}

const timeoutMs = 90_000

/** @throws 409 when nobody knows who it is, or it was passed on twice already; 500 when the other cannot be reached */
export async function forward(target: string | null, message: string, { method, url, body, authorization }: Forwarded): Promise<RestAnswer> {
  if (target === null) throw new RestError(409, message)
  const place = new URL(url, target)
  const hops = place.searchParams.get('forward')
  if (hops === 'false') throw new RestError(409, 'Cannot complete request because of a conflicting operation (e.g. worker rebalance)')
  place.searchParams.set('forward', hops === null ? 'true' : 'false')
  const answer = await sent(place, {
    method, redirect: 'error', signal: AbortSignal.timeout(timeoutMs),
    headers: { 'user-agent': 'millrace-connect', ...(body !== undefined && { 'content-type': 'application/json' }), ...(authorization !== undefined && { authorization }) },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  })
  const text = await answer.text()
  const location = answer.headers.get('location')
  return { status: answer.status, body: text === '' ? null : JSON.parse(text), ...(location !== null && { headers: { location } }) }
}

async function sent(place: URL, request: RequestInit): Promise<Response> {
  try {
    return await fetch(place, request)
  } catch (error) {
    throw new RestError(500, `IO Error trying to forward REST request to ${place.origin}: ${(error as Error).message}`)
  }
}
