/**
 * Apache Kafka's FileStreamSource in a Connect worker of its own, into a broker of its own, beside ours under the same class name into
 * the embedded log, at least once as theirs and exactly once, exactly as many lines of the same file, in turns in one run on the same
 * machine. Ours is on the disk when it counts as written, theirs in the memory of the broker. Seconds are from the request for the connector to the last line in the topic; CPU is
 * that of the worker's process, in ours with the log and its syncs, in theirs without the broker. The first run of each is not counted:
 * it is the compilers'. `node dist/bench/connect-beside-kafka.js`; MILLRACE_BENCH_LINES sizes it (default 1,000,000).
 */
import { closeSync, openSync, readFileSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { openEmbeddedBroker, openKafkaBroker } from '../src/core/index.ts'
import type { Broker } from '../src/core/index.ts'
import { ConnectWorker, sleep, systemClock } from '../src/connect/index.ts'
import { fileStreamSource } from '../connectors/file/plugins.ts'
import { startKafkaConnect } from '../test/kit/kafka-connect.ts'
import type { KafkaConnect } from '../test/kit/kafka-connect.ts'
import { startKafka } from '../test/kit/kafka.ts'
import { benchDirectory } from './harness.ts'

const lineCount = Number(process.env['MILLRACE_BENCH_LINES'] ?? 1_000_000)
const lineBytes = 100
const rounds = 3
const patienceMs = 60_000
const ticksPerSecond = 100
const connectorClass = 'org.apache.kafka.connect.file.FileStreamSourceConnector'

interface Cost {
  readonly seconds: number
  readonly cpuSeconds: number
}

const directory = benchDirectory()
const file = join(directory.path, 'lines.txt')

function writeLines(): void {
  const handle = openSync(file, 'w')
  for (let from = 0; from < lineCount; from += 10_000) {
    writeSync(handle, Array.from({ length: Math.min(10_000, lineCount - from) }, (_, i) => `line ${from + i} `.padEnd(lineBytes - 1, 'x').concat('\n')).join(''))
  }
  closeSync(handle)
}

async function awaitRecords(broker: Broker, topic: string): Promise<void> {
  for (const deadline = systemClock.monotonic() + patienceMs; systemClock.monotonic() < deadline; await sleep(systemClock, 5)) {
    const [latest] = await broker.topics.listOffsets([{ topic, partition: 0, at: 'latest' }])
    if ((latest?.offset ?? 0) >= lineCount) return
  }
  throw new Error(`topic ${topic} did not get ${lineCount} records in ${patienceMs} ms`)
}

/** User and system time of a process of Linux so far. */
function cpuSecondsOf(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').replace(/^.*\) /s, '').split(' ')
  return (Number(fields[11]) + Number(fields[12])) / ticksPerSecond
}

async function request(connect: KafkaConnect, method: string, path: string, body?: unknown): Promise<void> {
  const answer = await fetch(connect.url + path, { method, ...(body !== undefined && { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } }) })
  if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${await answer.text()}`)
}

async function theirs(connect: KafkaConnect, broker: Broker, name: string): Promise<Cost> {
  await broker.topics.create([{ topic: name }])
  const cpu = cpuSecondsOf(connect.pid)
  const start = performance.now()
  await request(connect, 'PUT', `/connectors/${name}/config`, { 'connector.class': connectorClass, 'tasks.max': '1', topic: name, file })
  await awaitRecords(broker, name)
  const cost = { seconds: (performance.now() - start) / 1000, cpuSeconds: cpuSecondsOf(connect.pid) - cpu }
  await request(connect, 'DELETE', `/connectors/${name}`)
  await broker.topics.remove([name])
  return cost
}

const silent = () => undefined

async function ours(broker: Broker, name: string, exactlyOnce: 'enabled' | 'disabled'): Promise<Cost> {
  await broker.topics.create([{ topic: name }])
  const worker = ConnectWorker.open({ broker, plugins: [fileStreamSource], log: { debug: silent, info: silent, warn: silent, error: silent }, config: { 'task.host': 'in-process', 'exactly.once.source.support': exactlyOnce } })
  const cpu = process.cpuUsage()
  const start = performance.now()
  await worker.start({ name, config: { 'connector.class': connectorClass, 'tasks.max': '1', 'topic': name, file, 'key.converter': 'StringConverter', 'value.converter': 'StringConverter' } })
  await awaitRecords(broker, name)
  const { user, system } = process.cpuUsage(cpu)
  const cost = { seconds: (performance.now() - start) / 1000, cpuSeconds: (user + system) / 1e6 }
  await worker.stop()
  await broker.topics.remove([name])
  return cost
}

function median(costs: readonly Cost[], of: keyof Cost): number {
  return costs.map((cost) => cost[of]).toSorted((a, b) => a - b)[costs.length >> 1]!
}

function figures(costs: readonly Cost[]) {
  return { linesPerSecond: Math.round(lineCount / median(costs, 'seconds')), cpuSecondsPerMillion: Number(((median(costs, 'cpuSeconds') / lineCount) * 1e6).toPrecision(3)) }
}

async function compare(bootstrapServers: string): Promise<void> {
  const connect = await startKafkaConnect({ bootstrapServers, withFileConnectors: true, javaOptions: ['-Xmx2g', '-XX:TieredStopAtLevel=4'] })
  const cluster = await openKafkaBroker({ brokers: [bootstrapServers] })
  const embedded = await openEmbeddedBroker({ directory: join(directory.path, 'log') })
  try {
    await inTurns(connect, cluster, embedded)
  } finally {
    await cluster.close()
    await embedded.close()
    await connect.stop()
  }
}

async function inTurns(connect: KafkaConnect, cluster: Broker, embedded: Broker): Promise<void> {
  const costs: { readonly kafka: Cost[]; readonly atLeastOnce: Cost[]; readonly exactlyOnce: Cost[] } = { kafka: [], atLeastOnce: [], exactlyOnce: [] }
  for (let round = 0; round <= rounds; round++) {
    costs.kafka.push(await theirs(connect, cluster, `lines-${round}`))
    costs.atLeastOnce.push(await ours(embedded, `followed-${round}`, 'disabled'))
    costs.exactlyOnce.push(await ours(embedded, `in-transactions-${round}`, 'enabled'))
  }
  const java = figures(costs.kafka.slice(1))
  const beside = (counted: readonly Cost[]) => {
    const here = figures(counted)
    return { ...here, ratio: Number((here.linesPerSecond / java.linesPerSecond).toPrecision(3)) }
  }
  const peakOfTheirs = Number(/^VmHWM:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${connect.pid}/status`, 'utf8'))![1]) / 1024
  console.log(JSON.stringify({
    name: 'file-stream-source-beside-kafka-connect', lines: lineCount, kafkaConnect: java, atLeastOnce: beside(costs.atLeastOnce.slice(1)), exactlyOnce: beside(costs.exactlyOnce.slice(1)),
    peakMegabytes: { kafkaConnect: Math.round(peakOfTheirs), ours: Math.round(process.resourceUsage().maxRSS / 1024) },
  }))
}

writeLines()
const kafka = await startKafka({ javaOptions: ['-XX:TieredStopAtLevel=4'] })
try {
  await compare(kafka.bootstrapServers)
} finally {
  await kafka.stop()
  directory.remove()
}
