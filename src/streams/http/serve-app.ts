import { createServer } from 'node:http'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { StreamError, isStreamError } from '../../core/index.ts'
import { prometheusText } from '../prometheus.ts'
import type { StreamsApp } from '../streams-app.ts'
import type { StoreSpec } from '../topology/node.ts'
import { keyFromText, optionsIn, rowsOfKey, rowsOfStore } from './store-questions.ts'

export interface ServeAppOptions {
  /** 0: any that is free. */
  readonly port: number
  /** Default 127.0.0.1: reached from this machine only. There is no password: put a proxy in front before others may ask. */
  readonly host?: string
}

export interface AppServer {
  /** `http://127.0.0.1:8080` */
  readonly url: string
  close(): Promise<void>
}

/** Readers of changes at a time. */
const maxFollowers = 100
const loopback = new Set(['127.0.0.1', 'localhost', '::1'])

/**
 * Answers questions about a running application over HTTP, all by GET:
 * ```
 *   /            its state                     /stores                       stores, partitions here, lag
 *   /metrics     for Prometheus                /stores/NAME?from&to&prefix&limit&reverse    rows
 *   /topology    text; /topology.svg           /stores/NAME/keys/KEY         the row of a key (?from&to: windows, ?asOf)
 *                                              /stores/NAME/changes          committed changes from now on, as server-sent events
 * ```
 * But for two: PUT /pause and PUT /resume, which a server for this machine only takes (`app.pause()`).
 * A key that another instance has is answered with a redirect to the `endpoint` that it gave; with `?stale=true` from the copy that
 * is followed here, if there is one. Rows are those of `app.store()`.
 */
export async function serveApp(app: StreamsApp, { port, host = '127.0.0.1' }: ServeAppOptions): Promise<AppServer> {
  const stop = new AbortController()
  const handler = new AppRequests(app, stop.signal, loopback.has(host))
  const server = createServer((request, response) => void handler.answer(request, response))
  await new Promise<void>((resolve, reject) => server.once('error', reject).listen(port, host, resolve)).catch((cause: unknown) => {
    throw new StreamError('INVALID_ARGUMENT', `nothing can be served at ${host}:${port}`, { cause })
  })
  const { address, port: bound, family } = server.address() as AddressInfo
  return {
    url: `http://${family === 'IPv6' ? `[${address}]` : address}:${bound}`,
    async close() {
      stop.abort()
      const closed = new Promise<void>((resolve) => server.close(() => resolve()))
      server.closeAllConnections()
      await closed
    },
  }
}

class AppRequests {
  readonly #app: StreamsApp
  readonly #stop: AbortSignal
  readonly #isLocal: boolean
  #followers = 0

  constructor(app: StreamsApp, stop: AbortSignal, isLocal: boolean) {
    this.#app = app
    this.#stop = stop
    this.#isLocal = isLocal
  }

  async answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    try {
      await this.#route(request, response)
    } catch (error) {
      if (response.headersSent) response.destroy()
      else sendJson(response, statusOf(error), { error: isStreamError(error) ? error.code : 'INTERNAL', message: error instanceof Error ? error.message : String(error) })
    }
  }

  async #route(request: IncomingMessage, response: ServerResponse): Promise<void> {
    // A page of the web may make a browser of this machine ask under a name of its own.
    if (this.#isLocal && !loopback.has(hostOf(request))) return sendJson(response, 403, { error: 'FORBIDDEN', message: 'ask this server as localhost' })
    const url = new URL(request.url ?? '/', 'http://localhost')
    if (request.method === 'PUT' && (url.pathname === '/pause' || url.pathname === '/resume')) return this.#control(response, url.pathname)
    if (request.method !== 'GET') return sendJson(response, 405, { error: 'METHOD_NOT_ALLOWED', message: 'everything here is asked by GET, but for PUT /pause and PUT /resume' })
    const [first = '', name, kind, ...rest] = url.pathname.split('/').slice(1).map(decodeURIComponent)
    if (first === 'stores' && name !== undefined && name !== '') return this.#store(response, { spec: this.#app.storeSpec(name), kind, rest, url })
    if (name !== undefined) return notFound(response)
    switch (first) {
      case '': return this.#state(response)
      case 'metrics': return send(response, 200, 'text/plain; version=0.0.4; charset=utf-8', await prometheusText(this.#app.metricValues(), this.#app.brokerMetrics()))
      case 'topology': return send(response, 200, 'text/plain; charset=utf-8', this.#app.topology.describe())
      case 'topology.svg': return send(response, 200, 'image/svg+xml', this.#app.topology.describe('svg'))
      case 'stores': return sendJson(response, 200, this.#app.storeMetadata())
      default: return notFound(response)
    }
  }

  #state(response: ServerResponse): void {
    const { applicationId, state, isPaused } = this.#app
    sendJson(response, 200, { applicationId, state, isPaused, metrics: this.#app.metrics() })
  }

  /** There is no password, so only this machine may: who opened the port to others let them read, and no more. */
  #control(response: ServerResponse, path: '/pause' | '/resume'): void {
    if (!this.#isLocal) return sendJson(response, 403, { error: 'FORBIDDEN', message: 'a server that other machines reach takes no such requests: serve at 127.0.0.1, or call app.pause() in the program' })
    if (path === '/pause') this.#app.pause()
    else this.#app.resume()
    this.#state(response)
  }

  async #store(response: ServerResponse, question: StoreQuestion): Promise<void> {
    const { spec, kind, rest, url } = question
    if (kind === undefined) return sendJson(response, 200, rowsOfStore(this.#app, spec, url.searchParams))
    if (kind === 'changes' && rest.length === 0) return this.#follow(response, spec)
    if (kind === 'keys' && rest.length === 1) return this.#key(response, question, keyFromText(spec, rest[0]!))
    notFound(response)
  }

  async #key(response: ServerResponse, { spec, url }: StoreQuestion, key: unknown): Promise<void> {
    const { isLocal, isMoving, isStandby, endpoint, partition } = await this.#app.keyMetadata(spec.name, key)
    if (isLocal || (isStandby && optionsIn(url.searchParams).stale)) {
      const found = rowsOfKey(this.#app, spec, key, url.searchParams)
      return sendJson(response, found === null ? 404 : 200, found ?? { error: 'NOT_FOUND', message: `the store ${spec.name} has no such key` })
    }
    if (isMoving) throw new StreamError('STORE_NOT_AVAILABLE', `partition ${partition} of the store ${spec.name} moves, or is restored here; ask again`)
    if (endpoint === null) return sendJson(response, 421, { error: 'STORE_NOT_AVAILABLE', message: `partition ${partition} of the store ${spec.name} is not here, and the instance that has it gave no endpoint` })
    response.writeHead(307, { location: `${endpoint.includes('://') ? endpoint : `http://${endpoint}`}${url.pathname}${url.search}` }).end()
  }

  /** Server-sent events; a reader that does not read is waited for, and nothing is kept for it. */
  async #follow(response: ServerResponse, spec: StoreSpec): Promise<void> {
    if (this.#followers >= maxFollowers) return sendJson(response, 503, { error: 'TOO_MANY', message: `${maxFollowers} readers follow changes already` })
    const gone = new AbortController()
    response.once('close', () => gone.abort())
    this.#followers++
    try {
      const changes = this.#app.storeChanges(spec.name, AbortSignal.any([gone.signal, this.#stop]))
      response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store' })
      response.flushHeaders()
      for await (const change of changes) {
        const isTaken = response.write(`id: ${change.partition}-${change.offset}\ndata: ${jsonText(change)}\n\n`)
        if (!isTaken) await new Promise<void>((resolve) => response.once('drain', resolve).once('close', resolve))
      }
    } finally {
      this.#followers--
      if (response.headersSent) response.end()
    }
  }
}

interface StoreQuestion {
  readonly spec: StoreSpec
  readonly kind: string | undefined
  readonly rest: readonly string[]
  readonly url: URL
}

function hostOf({ headers }: IncomingMessage): string {
  return (headers.host ?? '').replace(/:\d+$/, '').replace(/^\[(.*)\]$/, '$1')
}

function statusOf(error: unknown): number {
  if (error instanceof URIError || isStreamError(error, 'INVALID_ARGUMENT')) return 400
  return isStreamError(error, 'STORE_NOT_AVAILABLE') ? 503 : 500
}

function notFound(response: ServerResponse): void {
  sendJson(response, 404, { error: 'NOT_FOUND', message: 'there is /, /metrics, /topology, /topology.svg, /stores, /stores/NAME, /stores/NAME/keys/KEY and /stores/NAME/changes' })
}

function sendJson(response: ServerResponse, status: number, body: unknown): void {
  send(response, status, 'application/json', `${jsonText(body)}\n`)
}

function send(response: ServerResponse, status: number, type: string, body: string): void {
  response.writeHead(status, { 'content-type': type, 'cache-control': 'no-store' }).end(body)
}

/** What JSON does not have becomes text. */
function jsonText(value: unknown): string {
  return JSON.stringify(value, (_name, part: unknown) => {
    if (typeof part === 'bigint') return part.toString()
    return part instanceof Uint8Array ? Buffer.from(part).toString('base64') : part
  })
}
