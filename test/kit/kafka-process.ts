/**
 * One broker process that can be started, signalled and started again.
 *
 *   down ──start()──► running ──signal('SIGSTOP')──► paused ──signal('SIGCONT')──► running ──signal('SIGKILL')──► down … remove()
 */
import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { closeSync, existsSync, mkdirSync, openSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { sleep, systemClock } from '../../src/core/clock.ts'
import { formatDataFolder, javaOptions, kafkaClassPath, kafkaVersion } from './kafka-jars.ts'

export type BrokerSignal = 'SIGKILL' | 'SIGTERM' | 'SIGSTOP' | 'SIGCONT'

export interface BrokerProcess {
  start(): Promise<void>
  /** After SIGKILL or SIGTERM it resolves once the process is gone. */
  signal(signal: BrokerSignal): Promise<void>
  /** What it printed last, when it is not running any more. */
  failure(): string | undefined
  /** Ends it and deletes its data. */
  remove(): Promise<void>
}

export interface BrokerSettings {
  readonly nodeId: number
  readonly clusterId: string
  /** server.properties but for `log.dirs`. */
  readonly properties: readonly string[]
  /** More options of `java`. */
  readonly javaOptions: readonly string[]
}

/** Prints the server's process id; ends with the server, and kills it when its own standard input closes: when this process dies, however it dies. */
const guardScript = 'log=$1; shift; exec 3<&0; "$@" >> "$log" 2>&1 3<&- & server=$!; echo $server; (cat <&3 > /dev/null; kill -9 $server) > /dev/null 2>&1 & watch=$!; wait $server; kill $watch'

export class JarBroker implements BrokerProcess {
  readonly #home: string
  readonly #properties: string
  readonly #javaOptions: readonly string[]
  #guard: ChildProcess | undefined
  #pid: number | undefined

  constructor(home: string, settings: BrokerSettings) {
    this.#home = home
    this.#properties = join(home, 'server.properties')
    this.#javaOptions = settings.javaOptions
    mkdirSync(home, { recursive: true })
    formatDataFolder(join(home, 'data'), settings.nodeId, settings.clusterId)
    writeFileSync(this.#properties, [...settings.properties, `log.dirs=${join(home, 'data')}`, ''].join('\n'))
  }

  async start(): Promise<void> {
    const command = ['java', '-Xmx320m', ...javaOptions, ...this.#javaOptions, '-cp', kafkaClassPath(), 'kafka.Kafka', this.#properties]
    const log = openSync(this.#log, 'a')
    const guard = spawn('sh', ['-c', guardScript, 'guard', this.#log, ...command], { stdio: ['pipe', 'pipe', log] })
    closeSync(log)
    this.#guard = guard
    this.#pid = Number(await new Promise<string>((resolve, reject) => {
      guard.once('error', reject)
      guard.stdout!.once('data', (line: Buffer) => resolve(line.toString()))
    }))
    guard.unref()
  }

  async signal(signal: BrokerSignal): Promise<void> {
    if (this.#pid === undefined || this.#hasEnded()) return
    process.kill(this.#pid, signal)
    if (signal === 'SIGSTOP') while (isRunning(this.#pid)) await sleep(systemClock, 5)
    if (signal === 'SIGSTOP' || signal === 'SIGCONT') return
    while (!this.#hasEnded()) await sleep(systemClock, 10)
  }

  failure(): string | undefined {
    if (!this.#hasEnded()) return undefined
    return existsSync(this.#log) ? readFileSync(this.#log, 'utf8').slice(-1500) : 'it wrote no log'
  }

  async remove(): Promise<void> {
    await this.signal('SIGKILL')
    rmSync(this.#home, { recursive: true, force: true })
  }

  get #log(): string {
    return join(this.#home, 'server.log')
  }

  #hasEnded(): boolean {
    return this.#guard === undefined || this.#guard.exitCode !== null || this.#guard.signalCode !== null
  }
}

/** A stop takes a moment to reach all threads of a busy process; where the system does not tell, it is taken for done. */
function isRunning(pid: number): boolean {
  const threads = `/proc/${pid}/task`
  if (!existsSync(threads)) return false
  return readdirSync(threads).some((thread) => /\) [RSD] /.test(statOf(join(threads, thread, 'stat'))))
}

/** Empty for a thread that has ended since it was listed. */
function statOf(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return ''
  }
}

/** A broker in a container on the host's network, so that the same properties serve. testcontainers is loaded only here: it takes half a second. */
export async function dockerBroker(settings: BrokerSettings): Promise<BrokerProcess> {
  const { GenericContainer, getContainerRuntimeClient } = await import('testcontainers')
  const client = await getContainerRuntimeClient()
  const script = [
    `/opt/kafka/bin/kafka-storage.sh format --ignore-formatted -t ${settings.clusterId} -c /tmp/server.properties`,
    'exec /opt/kafka/bin/kafka-server-start.sh /tmp/server.properties',
  ].join(' && ')
  const started = await new GenericContainer(`apache/kafka:${kafkaVersion}`)
    .withNetworkMode('host')
    .withEnvironment({ KAFKA_HEAP_OPTS: '-Xmx320m' })
    .withCopyContentToContainer([{ content: [...settings.properties, 'log.dirs=/tmp/data', ''].join('\n'), target: '/tmp/server.properties' }])
    .withEntrypoint(['sh', '-c', script])
    .start()
  const container = client.container.getById(started.getId())
  let running = true
  return {
    start: async () => {
      if (!running) await client.container.start(container)
      running = true
    },
    signal: async (signal) => {
      await container.kill({ signal })
      if (signal === 'SIGSTOP' || signal === 'SIGCONT') return
      await container.wait()
      running = false
    },
    failure: () => (running ? undefined : 'the container has stopped'),
    remove: async () => void await started.stop({ timeout: 0 }),
  }
}
