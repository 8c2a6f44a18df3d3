/**
 * A real Apache Kafka for tests, on loopback. Where it comes from, first that works:
 *
 *   MILLRACE_TEST_KAFKA (bootstrap servers) → Docker through testcontainers → Java with the jars of Maven Central
 *
 *   startKafka({ brokers: 3 }) ──► running ── kill/pause/resume/restart(node) … ──stop()──► gone, files removed
 */
import { existsSync, mkdtempSync, renameSync, rmSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { sleep, systemClock } from '../../src/core/clock.ts'
import { randomUuid, systemRandom } from '../../src/core/random.ts'
import { freePorts } from './free-port.ts'
import { archiveOptions, classArchive, KafkaUnavailable } from './kafka-jars.ts'
import { dockerBroker, JarBroker } from './kafka-process.ts'
import type { BrokerProcess } from './kafka-process.ts'

export { hasKafkaTools, KafkaUnavailable, measureKafkaStreams, runKafkaStreams, runKafkaTool } from './kafka-jars.ts'

export interface KafkaOptions {
  /** Default 1. Node ids are 1, 2, 3 …; the first three are controllers too. */
  readonly brokers?: number
  /** More lines of server.properties; `{node}` stands for the id of the node, `{port}` for one more free port, for a listener of one's own. */
  readonly properties?: readonly string[]
  /** More options of `java`, where it runs without Docker. */
  readonly javaOptions?: readonly string[]
}

/** What another process needs to use a cluster. */
export interface KafkaAddress {
  /** `host:port,host:port`. */
  readonly bootstrapServers: string
  readonly origin: 'environment' | 'docker' | 'jars'
}

export interface KafkaCluster extends KafkaAddress {
  /** `host:port` of the listener on `{port}`, by node id; empty without such properties. */
  readonly extraListeners: ReadonlyMap<number, string>
  /** SIGKILL. */
  kill(nodeId: number): Promise<void>
  /** SIGSTOP: its sockets stay open and nothing answers. */
  pause(nodeId: number): Promise<void>
  resume(nodeId: number): Promise<void>
  /** A clean stop, which hands leadership over first. */
  shutDown(nodeId: number): Promise<void>
  /** Starts a broker that was killed or shut down; resolves when it accepts connections. */
  restart(nodeId: number): Promise<void>
  /** Ends all brokers and removes their files. */
  stop(): Promise<void>
}

/** The cluster named by MILLRACE_TEST_KAFKA, if it answers; else one broker of our own. */
export async function findOrStartKafka(): Promise<KafkaAddress & { stop(): Promise<void> }> {
  const bootstrapServers = process.env['MILLRACE_TEST_KAFKA']
  if (bootstrapServers === undefined || bootstrapServers === '') {
    const own = await startKafka()
    return { bootstrapServers: own.bootstrapServers, origin: own.origin, stop: () => own.stop() }
  }
  const [host, port] = bootstrapServers.split(',')[0]!.split(':')
  if (!await accepts(Number(port), host!)) throw new KafkaUnavailable(`no Kafka: MILLRACE_TEST_KAFKA is ${bootstrapServers}, and nothing listens there`)
  return { bootstrapServers, origin: 'environment', stop: () => Promise.resolve() }
}

/** A cluster of one's own, whose brokers may be killed. Throws `KafkaUnavailable` when nothing can be started here. */
export async function startKafka(options: KafkaOptions = {}): Promise<KafkaCluster> {
  const nodes = await planNodes(options.brokers ?? 1)
  const docker = process.env['DOCKER_HOST'] !== undefined || existsSync('/var/run/docker.sock')
  const home = mkdtempSync(join(tmpdir(), 'millrace-kafka-'))
  const processes = new Map<number, BrokerProcess>()
  const stop = async () => {
    await Promise.all([...processes.values()].map((broker) => broker.remove()))
    rmSync(home, { recursive: true, force: true })
  }
  try {
    const javaOptions = docker ? [] : [...await archivedClasses(), ...(options.javaOptions ?? [])]
    for (const node of nodes) {
      const settings = { nodeId: node.id, clusterId, properties: serverProperties(node, nodes, options.properties ?? []), javaOptions }
      processes.set(node.id, docker ? await dockerBroker(settings) : new JarBroker(join(home, `broker-${node.id}`), settings))
    }
    await Promise.all([...processes.values()].map((broker) => broker.start()))
    await Promise.all(nodes.map((node) => untilListening(node, processes.get(node.id)!)))
  } catch (error) {
    await stop()
    throw error
  }
  const broker = (nodeId: number) => {
    const found = processes.get(nodeId)
    if (found === undefined) throw new Error(`the cluster has no node ${nodeId}`)
    return found
  }
  return {
    bootstrapServers: nodes.map((node) => `127.0.0.1:${node.port}`).join(','),
    origin: docker ? 'docker' : 'jars',
    extraListeners: new Map(nodes.map((node) => [node.id, `127.0.0.1:${node.extraPort}`])),
    kill: (nodeId) => broker(nodeId).signal('SIGKILL'),
    pause: (nodeId) => broker(nodeId).signal('SIGSTOP'),
    resume: (nodeId) => broker(nodeId).signal('SIGCONT'),
    shutDown: (nodeId) => broker(nodeId).signal('SIGTERM'),
    restart: async (nodeId) => {
      await broker(nodeId).start()
      await untilListening(nodes[nodeId - 1]!, broker(nodeId))
    },
    stop,
  }
}

/** A topic or group name that no other test file uses. */
export function freshName(prefix: string): string {
  return `${prefix}-${randomUuid(systemRandom).slice(0, 8)}`
}

/**
 * Java's options for the archive of the classes that a broker loads: with it, one starts in half the CPU time, and the tests
 * start dozens. Made once per machine, by a broker that starts and ends.
 */
async function archivedClasses(): Promise<readonly string[]> {
  if (!existsSync(classArchive())) await (archiving ??= archiveClasses(classArchive()))
  return archiveOptions()
}

let archiving: Promise<void> | undefined

async function archiveClasses(archive: string): Promise<void> {
  const nodes = await planNodes(1)
  const home = mkdtempSync(join(tmpdir(), 'millrace-kafka-classes-'))
  const made = `${archive}.${process.pid}`
  const javaOptions = [`-XX:ArchiveClassesAtExit=${made}`, '-Xlog:disable']
  const broker = new JarBroker(home, { nodeId: 1, clusterId, properties: serverProperties(nodes[0]!, nodes, []), javaOptions })
  try {
    await broker.start()
    await untilListening(nodes[0]!, broker)
    await broker.signal('SIGTERM')
    if (existsSync(made)) renameSync(made, archive)
  } finally {
    await broker.remove()
  }
}

const clusterId = 'TWlsbHJhY2VUZXN0S2l0MQ'

interface PlannedNode {
  readonly id: number
  readonly port: number
  readonly controllerPort: number
  readonly extraPort: number
}

async function planNodes(count: number): Promise<readonly PlannedNode[]> {
  const ports = await freePorts(count * 3)
  return Array.from({ length: count }, (_, index) => ({
    id: index + 1,
    port: ports[index * 3]!,
    controllerPort: ports[index * 3 + 1]!,
    extraPort: ports[index * 3 + 2]!,
  }))
}

function serverProperties(node: PlannedNode, nodes: readonly PlannedNode[], more: readonly string[]): string[] {
  const controllers = nodes.slice(0, 3)
  const isController = controllers.includes(node)
  const replicas = controllers.length
  const minInSync = Math.ceil(replicas / 2)
  const own = [
    `process.roles=${isController ? 'broker,controller' : 'broker'}`,
    `node.id=${node.id}`,
    `controller.quorum.voters=${controllers.map((voter) => `${voter.id}@127.0.0.1:${voter.controllerPort}`).join(',')}`,
    'controller.listener.names=CONTROLLER',
    'inter.broker.listener.name=PLAINTEXT',
    'listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,SSL:SSL,SASL_PLAINTEXT:SASL_PLAINTEXT,SASL_SSL:SASL_SSL',
    `listeners=PLAINTEXT://127.0.0.1:${node.port}${isController ? `,CONTROLLER://127.0.0.1:${node.controllerPort}` : ''}`,
    `default.replication.factor=${replicas}`,
    `min.insync.replicas=${minInSync}`,
    ...['offsets.topic', 'transaction.state.log', 'share.coordinator.state.topic'].map((topic) => `${topic}.replication.factor=${replicas}`),
    ...['transaction.state.log', 'share.coordinator.state.topic'].map((topic) => `${topic}.min.isr=${minInSync}`),
    // Where no broker is to be killed, one that got no time from a busy machine shall not be taken for dead.
    `broker.session.timeout.ms=${nodes.length === 1 ? 60_000 : 3_000}`,
    ...commonProperties,
  ]
  const named = new Set(more.map((line) => line.split('=')[0]))
  const kept = own.filter((line) => !named.has(line.split('=')[0]))
  const added = more.map((line) => line.replaceAll('{node}', String(node.id)).replaceAll('{port}', String(node.extraPort)).replaceAll('{listeners}', own.find((own) => own.startsWith('listeners='))!.slice(10)))
  return [...kept, ...added]
}

/** Small, quick to fail over, quick to notice a dead member or an abandoned transaction. */
const commonProperties = [
  'auto.create.topics.enable=false',
  'num.partitions=1',
  'offsets.topic.num.partitions=5',
  'transaction.state.log.num.partitions=5',
  'share.coordinator.state.topic.num.partitions=1',
  'group.initial.rebalance.delay.ms=0',
  'group.min.session.timeout.ms=1000',
  'transaction.abort.timed.out.transaction.cleanup.interval.ms=500',
  'broker.heartbeat.interval.ms=500',
  'controlled.shutdown.max.retries=1',
  'num.network.threads=2',
  'num.io.threads=4',
  'num.recovery.threads.per.data.dir=1',
  'log.cleaner.dedupe.buffer.size=2097152',
  // Many records of tests have times of long ago: retention, which looks half a minute after a start first, would take them while they are needed.
  'log.initial.task.delay.ms=86400000',
  'log.retention.check.interval.ms=86400000',
]

/** Three that start at a time on a busy machine of two cores have taken more than 90 s. */
const startPatienceMs = 180_000

async function untilListening(node: PlannedNode, broker: BrokerProcess): Promise<void> {
  const deadline = systemClock.monotonic() + startPatienceMs
  while (!await accepts(node.port, '127.0.0.1')) {
    const failure = broker.failure()
    if (failure !== undefined) throw new KafkaUnavailable(`Kafka's broker ${node.id} did not start: ${failure}`)
    if (systemClock.monotonic() > deadline) throw new KafkaUnavailable(`Kafka's broker ${node.id} did not listen within ${startPatienceMs} ms`)
    await sleep(systemClock, 50)
  }
}

function accepts(port: number, host: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ port, host })
    const settle = (accepted: boolean) => {
      socket.destroy()
      resolve(accepted)
    }
    socket.once('connect', () => settle(true)).once('error', () => settle(false))
  })
}
