/** Requests that another worker must answer, passed on: at most two hops, as upstream. */
import type { ConnectionOptions } from 'node:tls'
import { askPeer } from '../runtime/herder/peer-request.ts'
import type { PeerAnswer, PeerRequest } from '../runtime/herder/peer-request.ts'
import { RestError } from './rest-error.ts'
import type { RestAnswer } from './endpoint.ts'

export interface Forwarded {
  readonly method: string
  /** Path and query as they came. */
  readonly url: string
  readonly body: unknown
  /** Only this header goes along. */
  readonly authorization: string | undefined
  /** Of the worker that passes it on. */
  readonly tls: () => ConnectionOptions
}

const timeoutMs = 90_000

/** @throws 409 when nobody knows who it is, or it was passed on twice already; 500 when the other cannot be reached */
export async function forward(target: string | null, message: string, { method, url, body, authorization, tls }: Forwarded): Promise<RestAnswer> {
  if (target === null) throw new RestError(409, message)
  const place = new URL(url, target)
  const hops = place.searchParams.get('forward')
  if (hops === 'false') throw new RestError(409, 'Cannot complete request because of a conflicting operation (e.g. worker rebalance)')
  place.searchParams.set('forward', hops === null ? 'true' : 'false')
  const { status, text, location } = await sent(place, {
    method, tls, signal: AbortSignal.timeout(timeoutMs), body: body === undefined ? undefined : JSON.stringify(body),
    headers: { 'user-agent': 'millrace-connect', ...(authorization !== undefined && { authorization }) },
  })
  return { status, body: text === '' ? null : JSON.parse(text), ...(location !== null && { headers: { location } }) }
}

async function sent(place: URL, request: PeerRequest): Promise<PeerAnswer> {
  try {
    return await askPeer(place, request)
  } catch (error) {
    throw new RestError(500, `IO Error trying to forward REST request to ${place.origin}: ${(error as Error).message}`)
  }
}
