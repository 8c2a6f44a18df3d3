import { timingSafeEqual } from 'node:crypto'
import type { Socket } from 'node:net'
import cors from '@fastify/cors'
import basicAuth from '@fastify/basic-auth'
import fastify from 'fastify'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { Clock } from '../../core/index.ts'
import { sleep } from '../../core/index.ts'
import type { Log } from '../connector.ts'
import { describeError } from '../errors.ts'
import { NotHere } from '../runtime/herder/refusal.ts'
import type { Endpoint, RestAnswer, RestRequest } from './endpoint.ts'
import { forward } from './forward.ts'
import { parseJson } from './request-body.ts'
import type { HeaderRule, Listener, RestConfig } from './rest-config.ts'
import { httpError, RestError, statusOf } from './rest-error.ts'

export interface RestServerOptions {
  readonly config: RestConfig
  readonly endpoints: readonly Endpoint[]
  /** On the admin listeners, where there are some. */
  readonly adminEndpoints: readonly Endpoint[]
  readonly clock: Clock
  readonly log: Log
  /** Takes secrets out of a text. */
  readonly redact: (text: string) => string
  /** What the worker does now, as a sentence. */
  readonly stage: () => string
}

/** Upstream's limit for whatever is asked of the worker. */
const requestTimeoutMs = 90_000

const maxBodyBytes = 4 * 1024 * 1024
const maxPathPart = 4096

/** Upstream's REST API on as many listeners as the worker's config names. */
export class RestServer {
  readonly #options: RestServerOptions
  readonly #apps: FastifyInstance[] = []
  #url = ''

  private constructor(options: RestServerOptions) {
    this.#options = options
  }

  /** @throws when a listener's address is in use or not this machine's */
  static async open(options: RestServerOptions): Promise<RestServer> {
    const server = new RestServer(options)
    const { listeners, adminListeners } = options.config
    try {
      for (const listener of listeners) await server.#listen(listener, adminListeners === null ? [...options.endpoints, ...options.adminEndpoints] : options.endpoints)
      for (const listener of adminListeners ?? []) await server.#listen(listener, options.adminEndpoints)
    } catch (error) {
      await server.close()
      throw error
    }
    return server
  }

  /** How clients and other workers reach it: `http://host:port`. */
  get url(): string {
    return this.#url
  }

  async close(): Promise<void> {
    await Promise.all(this.#apps.map((app) => app.close()))
  }

  async #listen(listener: Listener, endpoints: readonly Endpoint[]): Promise<void> {
    const { config, log } = this.#options
    const app = fastify({
      bodyLimit: maxBodyBytes, forceCloseConnections: true, clientErrorHandler: refuseBytes,
      frameworkErrors: (error, _request, reply) => send(reply as unknown as FastifyReply, refusal(400, error.message)), routerOptions: { ignoreTrailingSlash: true, maxParamLength: maxPathPart },
      ...(listener.tls !== null && { https: listener.tls }),
    }) as unknown as FastifyInstance
    this.#apps.push(app)
    await this.#prepare(app, endpoints)
    for (const endpoint of endpoints) this.#route(app, endpoint)
    this.#refuseTheRest(app, endpoints)
    await app.listen({ host: listener.host, port: listener.port })
    const address = app.server.address()
    const port = typeof address === 'object' && address !== null ? address.port : listener.port
    const isLoopback = /^(127\.|localhost$|::1$)/.test(listener.host)
    log.info(`the REST API listens on ${listener.protocol}://${bracketed(listener.host)}:${port}${isLoopback ? ', for this machine only; set listeners to open it to others' : ''}`)
    const { advertised } = config
    if (this.#url === '') this.#url = `${advertised.protocol ?? listener.protocol}://${bracketed(advertised.host ?? (listener.host === '0.0.0.0' ? '127.0.0.1' : listener.host))}:${advertised.port ?? port}`
  }

  async #prepare(app: FastifyInstance, endpoints: readonly Endpoint[]): Promise<void> {
    const { config, redact, log } = this.#options
    const withoutBody = keysOf(endpoints.filter(({ body, isInternal }) => body === undefined && isInternal !== true))
    // what Node says for itself would name the version of a parser
    app.removeAllContentTypeParsers()
    app.addContentTypeParser('application/json', { parseAs: 'string' }, (request, text, next) => {
      try {
        // as upstream, what nobody asked for is not looked at
        next(null, withoutBody.has(keyOf(request)) ? undefined : parseJson(text as string))
      } catch (error) {
        next(error as Error)
      }
    })
    if (config.allowedOrigins.length > 0) {
      await app.register(cors, { origin: config.allowedOrigins.includes('*') ? '*' : [...config.allowedOrigins], ...(config.allowedMethods.length > 0 && { methods: [...config.allowedMethods] }) })
    }
    if (config.users !== null) await requireUser(app, config.users, keysOf(endpoints.filter(({ isInternal }) => isInternal === true)))
    app.addHook('onRequest', async (request) => { if (request.routeOptions.url !== undefined && !acceptsJson(request)) throw httpError(406) })
    app.addHook('onSend', async (_request, reply) => { for (const rule of config.headers) applyHeader(reply, rule, this.#options.clock) })
    app.setErrorHandler((error, request, reply) => {
      const status = statusOf(error)
      if (status >= 500) log.warn(`${request.method} ${request.url}: ${withCause(error)}`)
      const message = (error as { readonly code?: string }).code === 'FST_ERR_CTP_INVALID_MEDIA_TYPE' ? httpError(415).message : redact(describeError(error))
      return send(reply, refusal(status, message))
    })
  }

  #route(app: FastifyInstance, endpoint: Endpoint): void {
    app.route({
      method: endpoint.method, url: endpoint.path,
      handler: async (request, reply) => send(reply, await this.#answer(endpoint, request)),
    })
  }

  async #answer(endpoint: Endpoint, request: FastifyRequest): Promise<RestAnswer> {
    try {
      return await this.#inTime(async () => endpoint.handle(restRequest(request)))
    } catch (error) {
      if (!(error instanceof NotHere)) throw error
      if (endpoint.isForwarded !== true) throw new RestError(409, error.message)
      return forward(error.url, error.message, { method: request.method, url: request.url, body: request.body, authorization: request.headers.authorization, tls: this.#options.config.peerTls })
    }
  }

  /** What takes longer goes on; only who asked waits no more. @throws 500 */
  async #inTime(handle: () => Promise<RestAnswer>): Promise<RestAnswer> {
    const { clock, stage } = this.#options
    const enough = new AbortController()
    const late = sleep(clock, requestTimeoutMs, enough.signal).then((): never => { throw new RestError(500, `Request timed out. ${stage()}`.trimEnd()) })
    late.catch(() => {}) // when the answer was quicker
    try {
      return await Promise.race([handle(), late])
    } finally {
      enough.abort()
    }
  }

  /** A path that takes other methods is told from one that is not there. */
  #refuseTheRest(app: FastifyInstance, endpoints: readonly Endpoint[]): void {
    const paths = endpoints.map(({ method, path }) => ({ method, regex: new RegExp(`^${path.replaceAll('.', '\\.').replace(/:[^/]+/g, '[^/]+')}/?$`) }))
    app.setNotFoundHandler((request, reply) => {
      const [path = ''] = request.url.split('?')
      const methods = [...new Set(paths.filter(({ regex }) => regex.test(path)).map(({ method }) => method))]
      if (methods.length === 0) throw httpError(404)
      const isAsked = request.method === 'OPTIONS'
      void reply.header('allow', [...(isAsked && methods.includes('GET') ? ['HEAD'] : []), ...methods, 'OPTIONS'].join(','))
      if (isAsked) return reply.code(200).header('content-type', 'application/json').send(Buffer.alloc(0))
      throw httpError(405)
    })
  }
}

/** To find an endpoint again when a request for it has come. */
function keysOf(endpoints: readonly Endpoint[]): ReadonlySet<string> {
  return new Set(endpoints.map(({ method, path }) => `${method} ${path}`))
}

function keyOf(request: FastifyRequest): string {
  return `${request.method} ${request.routeOptions.url}`
}

function refusal(status: number, message: string): RestAnswer {
  return { status, body: { error_code: status, message } }
}

/** What is no HTTP never becomes a request. */
function refuseBytes(error: Error, socket: Socket): void {
  if (!socket.writable) {
    socket.destroy()
    return
  }
  const body = JSON.stringify({ error_code: 400, message: `The request cannot be read: ${error.message}` })
  socket.end(`HTTP/1.1 400 Bad Request\r\nContent-Type: application/json\r\nContent-Length: ${Buffer.byteLength(body)}\r\nConnection: close\r\n\r\n${body}`)
}

function bracketed(host: string): string {
  return host.includes(':') ? `[${host}]` : host
}

function restRequest(request: FastifyRequest): RestRequest {
  const query = request.query as Readonly<Record<string, string | readonly string[]>>
  const values = (name: string): readonly string[] => {
    const value = Object.hasOwn(query, name) ? query[name]! : []
    return typeof value === 'string' ? [value] : value
  }
  return {
    params: request.params as Readonly<Record<string, string>>,
    query: Object.fromEntries(Object.keys(query).map((name) => [name, values(name)[0] ?? ''])),
    queryAll: values,
    body: request.body,
    headers: Object.fromEntries(Object.entries(request.headers).map(([name, value]) => [name, String(value)])),
    base: `${request.protocol}://${request.headers.host ?? 'localhost'}`,
  }
}

/** Bytes, so that the content type is exactly upstream's. */
function send(reply: FastifyReply, { status, body, headers = {} }: RestAnswer): FastifyReply {
  void reply.code(status).headers(headers)
  if (body === null || body === undefined) return reply.removeHeader('content-type').send()
  if (reply.getHeader('content-type') === undefined) void reply.header('content-type', 'application/json')
  return reply.send(typeof body === 'string' ? Buffer.from(body) : Buffer.from(JSON.stringify(body)))
}

/** What upstream's endpoints give is JSON only; a browser or a scraper that asks for other things, too, gets it all the same. */
function acceptsJson(request: FastifyRequest): boolean {
  const accept = request.headers.accept
  if (accept === undefined || request.url.startsWith('/metrics')) return true
  return accept.split(',').some((each) => /^\s*(\*\/\*|application\/(\*|json))\s*(;|$)/i.test(each))
}

function applyHeader(reply: FastifyReply, { action, name, value }: HeaderRule, clock: Clock): void {
  const text = action.endsWith('Date') ? new Date(clock.now() + Number(value)).toUTCString() : value
  const known = reply.getHeader(name)
  const isAdded = action.startsWith('add') && known !== undefined
  void reply.header(name, isAdded ? [...(Array.isArray(known) ? known : [String(known)]), text] : text)
}

/** What workers ask of each other needs no user, as upstream: it is signed. */
async function requireUser(app: FastifyInstance, users: ReadonlyMap<string, string>, internal: ReadonlySet<string>): Promise<void> {
  await app.register(basicAuth, {
    authenticate: { realm: 'millrace' },
    validate: async (name, password) => {
      if (!isSame(users.get(name), password)) throw new RestError(401, 'User cannot access the resource.')
    },
  })
  app.addHook('onRequest', (request, reply, next) => {
    if (internal.has(keyOf(request))) next()
    else app.basicAuth(request, reply, next)
  })
}

/** In a time that does not depend on what is wrong. */
function isSame(wanted: string | undefined, given: string): boolean {
  const [a, b] = [Buffer.from(wanted ?? ''), Buffer.from(given)]
  return timingSafeEqual(a.length === b.length ? a : b, b) && wanted !== undefined && a.length === b.length
}

/** The sentences of answers are upstream's; why it was so is for the log. */
function withCause(error: unknown): string {
  const [text, cause] = [describeError(error), (error as { readonly cause?: unknown }).cause]
  return cause === undefined || text.includes(describeError(cause)) ? text : `${text}: ${describeError(cause)}`
}
