import type { z } from 'zod'

export interface RestRequest {
  readonly params: Readonly<Record<string, string>>
  /** The first of each name. */
  readonly query: Readonly<Record<string, string>>
  /** All values of a name. */
  readonly queryAll: (name: string) => readonly string[]
  readonly body: unknown
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string>>
  /** `http://host:port`, as the client wrote it. */
  readonly base: string
}

export interface RestAnswer {
  readonly status: number
  /** null: no body. */
  readonly body: unknown
  readonly headers?: Readonly<Record<string, string>>
}

/** One endpoint as data: the server routes by it, the OpenAPI document and the guide's table are made of it. */
export interface Endpoint {
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'
  /** With `:name` for what varies. */
  readonly path: string
  readonly summary: string
  readonly query?: Readonly<Record<string, string>>
  /** For the document; the handler reads the body itself, and says what is wrong. */
  readonly body?: z.ZodType
  /** Status → what it means. */
  readonly answers: Readonly<Record<number, string>>
  /** Between workers only, and not in the document. */
  readonly isInternal?: boolean
  /** May be asked of another worker: the leader, or the one that runs the connector. */
  readonly isForwarded?: boolean
  handle(request: RestRequest): RestAnswer | Promise<RestAnswer>
}

export const ok = (body: unknown): RestAnswer => ({ status: 200, body })
export const accepted = (body: unknown = null): RestAnswer => ({ status: 202, body })
export const done: RestAnswer = { status: 204, body: null }

/** `true` in any case, and nothing else, is true. */
export function isTrue(text: string | undefined): boolean {
  return text?.toLowerCase() === 'true'
}
