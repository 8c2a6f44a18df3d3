/** A real Kafka Connect worker from the jars of the kit, with the connectors of kafka/connect/Scripted.java. */
import { spawn, spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { sleep, systemClock } from '../../src/core/index.ts'
import { freePort } from './free-port.ts'
import { archiveOptions, fileConnectorsClassPath, javaOptions, kafkaClassPath, kitFolder } from './kafka-jars.ts'

export interface KafkaConnect {
  readonly url: string
  readonly pid: number
  stop(signal?: 'SIGTERM' | 'SIGKILL'): Promise<void>
}

const startPatienceMs = 180_000

export interface KafkaConnectOptions {
  readonly bootstrapServers: string
  /** What else the worker's properties shall hold. */
  readonly config?: Readonly<Record<string, string>>
  /** Default distributed. */
  readonly mode?: 'distributed' | 'standalone'
  /** Also Kafka's own file connectors. Default false. */
  readonly withFileConnectors?: boolean
  /** More options of `java`, such as those of a worker that is measured. */
  readonly javaOptions?: readonly string[]
}

export async function startKafkaConnect({ bootstrapServers, config = {}, mode = 'distributed', withFileConnectors = false, javaOptions: moreOptions = [] }: KafkaConnectOptions): Promise<KafkaConnect> {
  const home = mkdtempSync(join(tmpdir(), 'millrace-kafka-connect-'))
  const classes = join(home, 'classes')
  mkdirSync(classes)
  const source = join(kitFolder, 'connect', 'Scripted.java')
  const compiled = spawnSync('javac', ['-nowarn', '-d', classes, '-cp', kafkaClassPath(), source], { encoding: 'utf8' })
  if (compiled.status !== 0) throw new Error(`Scripted.java does not compile: ${compiled.stderr}`)
  listPlugins(classes)
  const url = `http://127.0.0.1:${await freePort()}`
  const properties = {
    'bootstrap.servers': bootstrapServers, 'group.id': 'connect-cluster', 'listeners': url, 'plugin.discovery': 'service_load', 'offset.flush.interval.ms': '3600000',
    'config.storage.topic': 'connect-configs', 'offset.storage.topic': 'connect-offsets', 'status.storage.topic': 'connect-status', 'offset.storage.partitions': '1',
    ...Object.fromEntries(['config', 'offset', 'status'].map((name) => [`${name}.storage.replication.factor`, '1'])),
    'key.converter': 'org.apache.kafka.connect.storage.StringConverter', 'value.converter': 'org.apache.kafka.connect.storage.StringConverter', ...config,
  }
  const file = join(home, 'worker.properties')
  writeFileSync(file, Object.entries(properties).map(([key, value]) => `${key}=${value}\n`).join(''))
  const classPath = [kafkaClassPath(), classes, ...(withFileConnectors ? [fileConnectorsClassPath()] : [])].join(delimiter)
  const java = spawn('java', ['-Xmx320m', ...javaOptions, ...archiveOptions(), ...moreOptions, '-cp', classPath, `org.apache.kafka.connect.cli.${mode === 'distributed' ? 'ConnectDistributed' : 'ConnectStandalone'}`, file], { stdio: ['ignore', 'ignore', 'pipe'] })
  let errors = ''
  java.stderr.on('data', (chunk: Buffer) => { errors = (errors + chunk.toString()).slice(-4000) })
  const ended = new Promise<void>((resolve) => { java.once('close', () => resolve()) })
  const stop = async (signal: 'SIGTERM' | 'SIGKILL' = 'SIGTERM') => {
    java.kill(signal)
    await ended
    rmSync(home, { recursive: true, force: true })
  }
  for (const deadline = systemClock.monotonic() + startPatienceMs; !await isHealthy(url); await sleep(systemClock, 100)) {
    if (java.exitCode === null && systemClock.monotonic() < deadline) continue
    await stop('SIGKILL')
    throw new Error(`Kafka Connect did not start: ${errors}`)
  }
  return { url, pid: java.pid!, stop }
}

/** Without these lists the worker would look through every jar of its class path, which takes longer than the rest of its start. */
function listPlugins(classes: string): void {
  const services = join(classes, 'META-INF', 'services')
  mkdirSync(services, { recursive: true })
  writeFileSync(join(services, 'org.apache.kafka.connect.source.SourceConnector'), 'Scripted$Source\n')
  writeFileSync(join(services, 'org.apache.kafka.connect.sink.SinkConnector'), 'Scripted$Sink\n')
}

async function isHealthy(url: string): Promise<boolean> {
  try {
    return (await fetch(`${url}/health`)).ok
  } catch {
    return false
  }
}
