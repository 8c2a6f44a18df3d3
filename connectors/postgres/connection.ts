import { isStreamError } from 'millrace/connect'
import type { Password } from 'millrace/connect'
import type { Socket } from 'node:net'
import pg from 'pg'
import { workerError } from './failures.ts'

export interface ConnectionConfig {
  readonly 'connection.url': Password
  readonly 'connection.user': string | null
  readonly 'connection.password': Password | null
  readonly 'connection.timeout.ms': number
  readonly 'statement.timeout.ms': number
}

/** How much longer than the server the client waits for a statement, before it takes the server for dead. */
const graceMs = 5_000
/** So long a connection that is to end may stay silent. */
const goodbyeTimeoutMs = 1_000

/**
 * One connection to a server that may go away.
 *
 *   use ──► connects when there is no connection ──► runs ──► kept open
 *                                                      └ trouble with the server: thrown away, the next use connects again
 */
export class Connection {
  /** Host, port and database, for people; without user and password. */
  readonly server: string
  readonly #options: pg.ClientConfig
  #client: pg.Client | undefined

  constructor(config: ConnectionConfig, applicationName: string) {
    this.server = serverOf(config)
    this.#options = { ...clientOptions(config), application_name: applicationName }
  }

  /** @throws a retriable error when the server is away, a connector error when a person must act, else what `body` throws */
  async use<T>(body: (client: pg.Client) => Promise<T>): Promise<T> {
    try {
      return await body(await this.#connected())
    } catch (error) {
      if (isStreamError(error) && error.code !== 'CONNECTOR_FAILED') throw error
      await this.close()
      if (isStreamError(error)) throw error
      throw workerError(this.server, error)
    }
  }

  /** As `use`, in one transaction. */
  transaction<T>(body: (client: pg.Client) => Promise<T>): Promise<T> {
    return this.use(async (client) => {
      await client.query('begin')
      try {
        const result = await body(client)
        await client.query('commit')
        return result
      } catch (error) {
        await client.query('rollback').catch(() => this.close())
        throw error
      }
    })
  }

  async close(): Promise<void> {
    const client = this.#client
    this.#client = undefined
    if (client !== undefined) await endClient(client)
  }

  async #connected(): Promise<pg.Client> {
    if (this.#client !== undefined) return this.#client
    const client = new pg.Client(this.#options)
    client.on('error', () => {
      if (this.#client === client) this.#client = undefined // noticed while idle: the next use connects again
    })
    await client.connect()
    this.#client = client
    return client
  }
}

/** Host, port and database, for people; without user and password. */
export function serverOf(config: Pick<ConnectionConfig, 'connection.url'>): string {
  try {
    const { host, pathname } = new URL(urlOf(config))
    return `${host}${pathname}`
  } catch {
    return 'the address in connection.url'
  }
}

function urlOf(config: Pick<ConnectionConfig, 'connection.url'>): string {
  return config['connection.url'].reveal().replace(/^jdbc:/, '')
}

function clientOptions(config: ConnectionConfig): pg.ClientConfig {
  const statementTimeoutMs = config['statement.timeout.ms']
  return {
    connectionString: urlOf(config),
    ...(config['connection.user'] === null ? {} : { user: config['connection.user'] }),
    ...(config['connection.password'] === null ? {} : { password: config['connection.password'].reveal() }),
    connectionTimeoutMillis: config['connection.timeout.ms'],
    ...(statementTimeoutMs === 0 ? {} : { statement_timeout: statementTimeoutMs, query_timeout: statementTimeoutMs + graceMs }),
    keepAlive: true,
  }
}

/** After so long a server that owes an answer is taken for dead. */
export function silenceTimeoutMs({ 'statement.timeout.ms': statementTimeoutMs }: ConnectionConfig): number {
  return statementTimeoutMs === 0 ? Number.POSITIVE_INFINITY : statementTimeoutMs + graceMs
}

/** A connection that its owner closes. `settings.replication`: for the replication protocol, without time-outs for its one endless statement. */
export async function openClient(config: ConnectionConfig, settings: pg.ClientConfig & { readonly replication?: string }): Promise<pg.Client> {
  const timeouts = settings.replication === undefined ? {} : { statement_timeout: false as const, query_timeout: 0 }
  const client = new pg.Client({ ...clientOptions(config), ...settings, ...timeouts } as pg.ClientConfig)
  client.on('error', () => undefined) // the next statement, or the stream, says what happened
  await client.connect()
  return client
}

/** Says goodbye, and hangs up when the server does not: it may be gone without a word. Never throws. */
export async function endClient(client: pg.Client): Promise<void> {
  const { stream } = (client as unknown as { readonly connection: { readonly stream: Socket } }).connection
  stream.setTimeout(goodbyeTimeoutMs, () => stream.destroy())
  await client.end().catch(() => undefined)
}
