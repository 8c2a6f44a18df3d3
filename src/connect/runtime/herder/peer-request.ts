import { request as askHttp } from 'node:http'
import type { IncomingMessage } from 'node:http'
import { request as askHttps } from 'node:https'
import type { ConnectionOptions } from 'node:tls'

export interface PeerRequest {
  readonly method: string
  readonly headers: Readonly<Record<string, string>>
  /** JSON. */
  readonly body?: string | undefined
  readonly signal: AbortSignal
  /** Asked for where the other one's address is https. */
  readonly tls: () => ConnectionOptions
}

export interface PeerAnswer {
  readonly status: number
  readonly location: string | null
  readonly text: string
}

const maxAnswerBytes = 64 << 20

/** One worker asks another. Unlike `fetch` it goes by this worker's certificates. @throws what kept it from a whole answer */
export function askPeer(url: URL, { method, headers, body, signal, tls }: PeerRequest): Promise<PeerAnswer> {
  return new Promise((resolve, reject) => {
    const options = {
      // Its own connection: one that was kept may be closed by the other side in the moment it is used.
      agent: false, method, signal,
      headers: { 'accept': 'application/json', ...(body !== undefined && { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) }), ...headers },
    }
    const onAnswer = (answer: IncomingMessage) => { readAnswer(answer).then(resolve, reject) }
    const request = url.protocol === 'https:' ? askHttps(url, { ...tls(), ...options }, onAnswer) : askHttp(url, options, onAnswer)
    request.on('error', reject)
    request.end(body)
  })
}

async function readAnswer(answer: IncomingMessage): Promise<PeerAnswer> {
  const parts: Buffer[] = []
  let bytes = 0
  for await (const part of answer as AsyncIterable<Buffer>) {
    bytes += part.length
    if (bytes > maxAnswerBytes) throw new Error(`the answer is longer than ${maxAnswerBytes} bytes`)
    parts.push(part)
  }
  return { status: answer.statusCode!, location: answer.headers.location ?? null, text: Buffer.concat(parts).toString('utf8') }
}
