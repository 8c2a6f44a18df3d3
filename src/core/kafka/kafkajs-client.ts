/**
 * Connections from kafkajs 2.2.4: its sockets, TLS, SASL mechanisms, framing and correlation. The package is pinned to this
 * version, because the connection is one of its inner modules; it is loaded when the first connection is opened.
 *
 * Two of its habits are taken away here: a timer that fires every millisecond from the first answer on, although nothing
 * waits (an idle producer costs 3 % of a core), and closing politely, which waits for answers that may never come.
 */
import { createRequire } from 'node:module'
import type { ConnectionOptions } from 'node:tls'
import { StreamError } from '../errors.ts'
import type { KafkaClient, KafkaClientOptions, KafkaConnection, KafkaNodeAddress, RawRequest, SaslOptions } from './kafka-client.ts'
import { apiVersions, decodeResponse, encodeRequest } from './wire/index.ts'

export function kafkaJsClient(options: KafkaClientOptions): KafkaClient {
  return { connect: (address, clientId) => openConnection(address, clientId, options) }
}

// ---------------------------------------------------------------------------------------------------- what is used of kafkajs

interface KafkaJsConnection {
  connect(): Promise<unknown>
  authenticate(): Promise<void>
  setVersions(versions: Readonly<Record<number, VersionRange>>): void
  setSupportAuthenticationProtocol(isSupported: boolean): void
  rejectRequests(error: Error): void
  send(exchange: KafkaJsExchange): Promise<Buffer>
  readonly requestQueue: { readonly pending: readonly unknown[]; scheduleCheckPendingRequests(): void; destroy(): void }
}

interface KafkaJsExchange {
  readonly request: { readonly apiKey: number; readonly apiName: string; readonly apiVersion: number; encode(): Promise<KafkaJsPayload> }
  readonly response: { decode(payload: Buffer): Promise<KafkaJsAnswer>; parse(answer: KafkaJsAnswer): Promise<Buffer> }
  readonly logResponseError: boolean
}

interface KafkaJsPayload {
  readonly buf: Buffer
  readonly buffer: Buffer
}

interface KafkaJsAnswer {
  readonly payload: Buffer
  readonly clientSideThrottleTime: number
}

interface KafkaJsConnectionOptions extends KafkaNodeAddress {
  readonly clientId: string
  readonly ssl: ConnectionOptions | null
  readonly sasl: KafkaJsSasl | null
  readonly connectionTimeout: number
  readonly requestTimeout: number
  readonly enforceRequestTimeout: boolean
  readonly logger: KafkaJsLogger
  readonly socketFactory: KafkaJsSocketFactory
}

type KafkaJsSocketFactory = (target: KafkaNodeAddress & { readonly ssl: ConnectionOptions | null; readonly onConnect: () => void }) => KafkaJsSocket

/** A socket of node:net or node:tls. */
interface KafkaJsSocket {
  setNoDelay(noDelay: boolean): unknown
  once(event: 'close', listener: () => void): unknown
  destroy(): unknown
}

type KafkaJsSasl =
  | { readonly mechanism: string; readonly username: string; readonly password: string }
  | { readonly mechanism: string; readonly oauthBearerProvider: () => Promise<{ readonly value: string }> }

interface KafkaJsLogger {
  namespace(): KafkaJsLogger
  debug(): void
  info(): void
  warn(): void
  error(): void
}

interface VersionRange {
  readonly minVersion: number
  readonly maxVersion: number
}

interface KafkaJs {
  readonly Connection: new (options: KafkaJsConnectionOptions) => KafkaJsConnection
  readonly openSocket: KafkaJsSocketFactory
}

let kafkaJs: KafkaJs | undefined

function loadKafkaJs(): KafkaJs {
  const require = createRequire(import.meta.url)
  kafkaJs ??= {
    Connection: require('kafkajs/src/network/connection') as KafkaJs['Connection'],
    openSocket: (require('kafkajs/src/network/socketFactory') as () => KafkaJsSocketFactory)(),
  }
  return kafkaJs
}

/** Failures reach the caller as errors; said twice they would only be noise. */
const silentLogger: KafkaJsLogger = { namespace: () => silentLogger, debug() {}, info() {}, warn() {}, error() {} }

// ---------------------------------------------------------------------------------------------------- our side

async function openConnection(address: KafkaNodeAddress, clientId: string, options: KafkaClientOptions): Promise<KafkaConnection> {
  const connection = new KafkaJsBackedConnection(address, clientId, options)
  let isLate = false
  const timer = options.clock.setTimer(options.connectionTimeoutMs, () => {
    isLate = true
    connection.close()
  })
  try {
    await connection.open()
    return connection
  } catch (error) {
    connection.close()
    throw connectionError(isLate ? new Error(`it does not speak Kafka's protocol within ${options.connectionTimeoutMs} ms`) : error, address, options)
  } finally {
    timer.cancel()
  }
}

class KafkaJsBackedConnection implements KafkaConnection {
  readonly #address: KafkaNodeAddress
  readonly #connection: KafkaJsConnection
  readonly #hasSasl: boolean
  #socket: KafkaJsSocket | undefined
  #isOpen = true
  #versions: Readonly<Record<number, VersionRange>> = {}

  constructor(address: KafkaNodeAddress, clientId: string, options: KafkaClientOptions) {
    this.#address = address
    this.#hasSasl = options.sasl !== null
    const { Connection, openSocket } = loadKafkaJs()
    this.#connection = new Connection({
      host: address.host,
      port: address.port,
      clientId,
      ssl: options.ssl === false ? null : options.ssl === true ? {} : options.ssl,
      sasl: options.sasl === null ? null : saslFor(options.sasl),
      connectionTimeout: options.connectionTimeoutMs,
      requestTimeout: options.connectionTimeoutMs,
      enforceRequestTimeout: false,
      logger: silentLogger,
      socketFactory: (target) => this.#own(openSocket(target)),
    })
    const queue = this.#connection.requestQueue
    const schedule = queue.scheduleCheckPendingRequests.bind(queue)
    queue.scheduleCheckPendingRequests = () => {
      if (queue.pending.length > 0) schedule()
    }
  }

  async open(): Promise<void> {
    await this.#connection.connect()
    const answer = decodeResponse(apiVersions, await this.request({ apiKey: apiVersions.key, apiName: apiVersions.name, apiVersion: apiVersions.version, body: encodeRequest(apiVersions, {}) }))
    this.#versions = Object.fromEntries(answer.apiKeys.map(({ apiKey, minVersion, maxVersion }) => [apiKey, { minVersion, maxVersion }]))
    this.#connection.setVersions(this.#versions)
    this.#connection.setSupportAuthenticationProtocol(true)
    if (this.#hasSasl) await this.#connection.authenticate()
  }

  get isOpen(): boolean {
    return this.#isOpen
  }

  versions(apiKey: number): VersionRange | undefined {
    return this.#versions[apiKey]
  }

  async request(request: RawRequest): Promise<Buffer> {
    const payload = { buf: request.body, buffer: request.body }
    try {
      return await this.#connection.send({
        request: { apiKey: request.apiKey, apiName: request.apiName, apiVersion: request.apiVersion, encode: () => Promise.resolve(payload) },
        response: {
          decode: (answer) => Promise.resolve({ payload: answer, clientSideThrottleTime: 0 }),
          parse: (answer) => Promise.resolve(answer.payload),
        },
        logResponseError: false,
      })
    } catch (error) {
      this.close()
      throw lostConnection(this.#address, `during ${request.apiName}`, error)
    }
  }

  #own(socket: KafkaJsSocket): KafkaJsSocket {
    socket.setNoDelay(true)
    socket.once('close', () => this.close())
    this.#socket = socket
    return socket
  }

  close(): void {
    if (!this.#isOpen) return
    this.#isOpen = false
    this.#connection.rejectRequests(new Error('the connection was closed'))
    this.#connection.requestQueue.destroy()
    this.#socket?.destroy()
  }
}

/** A fresh object for each connection: kafkajs keeps state of the exchange in it. */
function saslFor(sasl: SaslOptions): KafkaJsSasl {
  const mechanism = sasl.mechanism.toLowerCase()
  if (sasl.mechanism !== 'OAUTHBEARER') return { mechanism, username: sasl.username, password: sasl.password }
  const { token } = sasl
  return { mechanism, oauthBearerProvider: async () => ({ value: typeof token === 'string' ? token : await token() }) }
}

function connectionError(error: unknown, address: KafkaNodeAddress, options: KafkaClientOptions): StreamError {
  if (error instanceof Error && error.name.includes('SASL')) {
    const mechanism = options.sasl?.mechanism ?? 'SASL'
    return new StreamError('NOT_AUTHORIZED', `the Kafka broker at ${address.host}:${address.port} refuses to authenticate us by ${mechanism}: ${error.message}`, { cause: error })
  }
  return lostConnection(address, 'while connecting', error)
}

function lostConnection(address: KafkaNodeAddress, when: string, error: unknown): StreamError {
  if (error instanceof StreamError) return error
  const reason = error instanceof Error ? error.message : String(error)
  return new StreamError('BACKEND_UNAVAILABLE', `no connection to the Kafka broker at ${address.host}:${address.port} ${when}: ${reason}`, {
    retriable: true,
    cause: error,
    details: { host: address.host, port: address.port },
  })
}
