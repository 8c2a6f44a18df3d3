/**
 * Faults on a real cluster of three brokers, under one load with an oracle (kafka-workload.ts). MILLRACE_KAFKA_FAULT_ROUNDS
 * repeats the list of faults (default 1 round, some two minutes); MILLRACE_KAFKA_FAULT_PACE_MS sets the load
 * (default 50: some 60 records a second); MILLRACE_KAFKA_DOWN_MS is how long all brokers are down (default 8 000). A Connect
 * worker with VerifiableSource and VerifiableSink goes through all of it, too.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { ConnectWorker } from '../../src/connect/index.ts'
import { coordinatorPartition, openKafkaBroker } from '../../src/core/index.ts'
import type { Broker, Producer } from '../../src/core/index.ts'
import { sleep, systemClock } from '../../src/core/clock.ts'
import { memoryLog } from '../connect/runtime/connect-kit.ts'
import { runKafkaTool } from '../kit/kafka.ts'
import type { KafkaCluster } from '../kit/kafka.ts'
import { describeWithOwnKafka } from '../kit/kafka-describe.ts'
import { partitionCount, readSequence, startWorkload } from './kafka-workload.ts'
import type { Workload } from './kafka-workload.ts'

const rounds = Number(process.env['MILLRACE_KAFKA_FAULT_ROUNDS'] ?? 1)
const paceMs = Number(process.env['MILLRACE_KAFKA_FAULT_PACE_MS'] ?? 50)
/** Longer than it takes the cluster to notice (broker.session.timeout.ms: 9 s). */
const stillMs = 14_000
const downMs = Number(process.env['MILLRACE_KAFKA_DOWN_MS'] ?? 8_000)
const patienceMs = 180_000
const testTimeoutMs = 300_000
const nodeIds = [1, 2, 3] as const

describeWithOwnKafka({ brokers: 3 }, 'three brokers of Apache Kafka under faults', (cluster) => {
  let admin: Broker
  let workload: Workload
  let worker: ConnectWorker
  const connectLog = memoryLog()
  const connect = () => openKafkaBroker({ brokers: cluster().bootstrapServers.split(','), requestTimeoutMs: 10_000, deliveryTimeoutMs: 240_000 })

  beforeAll(async () => {
    admin = await connect()
    workload = await startWorkload({ connect, name: 'faults', paceMs })
    worker = ConnectWorker.open({
      broker: await connect(), log: connectLog, config: { 'task.host': 'in-process', 'key.converter': 'StringConverter', 'value.converter': 'StringConverter', 'offset.flush.interval.ms': '500', 'restart.backoff.max.ms': '5000' },
    })
    await worker.start({ name: 'source', config: { 'connector.class': 'VerifiableSource', 'topic': 'verified', 'throughput': '50', 'transaction.boundary': 'interval', 'transaction.boundary.interval.ms': '500' } })
    await worker.start({ name: 'sink', config: { 'connector.class': 'VerifiableSink', 'topics': 'verified' } })
    await progress(workload)
  }, testTimeoutMs)
  afterAll(async () => {
    await worker?.stop()
    await worker?.parts.broker.close()
    await admin?.close()
  })

  const survives = (what: string, fault: () => Promise<void>) => it(`goes on after ${what}`, async () => {
    workload.takeLongestPauses()
    await fault()
    await progress(workload)
    const { writingMs, copyingMs } = workload.takeLongestPauses()
    console.log(`${what}: longest pause ${(writingMs / 1_000).toFixed(1)} s of writing, ${(copyingMs / 1_000).toFixed(1)} s of copying`)
    expect(workload.failures).toEqual([])
  }, testTimeoutMs)
  /** The others go on meanwhile. */
  const killAndRestart = async (nodeId: number) => {
    await allInSync(admin, workload)
    await cluster().kill(nodeId)
    await progress(workload)
    await cluster().restart(nodeId)
  }

  /** Writes with three replicas and with two, reads what there is with one, and leaves none. */
  const writeWhileTheyDie = async (producer: Producer, topic: string) => {
    await admin.topics.create([{ topic }])
    const leader = await leaderOf(admin, topic)
    const others = nodeIds.filter((nodeId) => nodeId !== leader)
    const write = (value: number) => producer.append({ topic, value: Buffer.from(String(value)) })
    await write(0)
    await cluster().kill(others[0]!)
    await write(1)
    await cluster().kill(others[1]!)
    expect(await readSequence(admin, topic, 0)).toEqual([0, 1])
    const unwritten = write(2)
    unwritten.catch(() => undefined) // awaited by the caller
    await cluster().kill(leader)
    return { leader, others, unwritten }
  }

  for (let round = 1; round <= rounds; round++) {
    describe(`round ${round}`, () => {
      survives('the leader of a partition is killed while it is written to', async () => {
        const leader = await leaderOf(admin, workload.input)
        await killAndRestart(leader)
      })

      survives('the active controller is killed', async () => {
        await killAndRestart(await activeController(cluster()))
      })

      survives('the coordinator of the group is killed', async () => {
        await killAndRestart(await leaderOf(admin, '__consumer_offsets', coordinatorPartition('faults', 5)))
      })

      survives('the coordinator of a transactional id is killed', async () => {
        await killAndRestart(await leaderOf(admin, '__transaction_state', coordinatorPartition('faults-copier-1', 5)))
      })

      survives('every broker is restarted, one after the other', async () => {
        for (const nodeId of nodeIds) {
          await cluster().shutDown(nodeId)
          await cluster().restart(nodeId)
          await allInSync(admin, workload)
        }
      })

      survives(`a broker stands still for ${stillMs / 1_000} s`, async () => {
        const leader = await leaderOf(admin, workload.output)
        await cluster().pause(leader)
        await sleep(systemClock, stillMs)
        await cluster().resume(leader)
        await allInSync(admin, workload)
      })

      survives(`one broker dies after the other, and all are down for ${downMs / 1_000} s`, async () => {
        const topic = `replicated-${round}`
        const producer = await admin.openProducer()
        const { leader, others, unwritten } = await writeWhileTheyDie(producer, topic)
        await sleep(systemClock, downMs)
        await Promise.all([leader, ...others].map((nodeId) => cluster().restart(nodeId)))
        expect(await unwritten).toMatchObject({ offset: 2 })
        expect(await readSequence(admin, topic, 0)).toEqual([0, 1, 2])
        await producer.close()
        await allInSync(admin, workload)
      })
    })
  }

  it('has not cost the Connect worker a number, or given it one twice, and it goes on', async () => {
    const taken = () => worker.status().map(({ tasks }) => tasks[0]?.records ?? 0)
    const before = taken()
    for (const deadline = systemClock.monotonic() + patienceMs; !taken().every((count, index) => count > before[index]!); await sleep(systemClock, 100)) {
      if (systemClock.monotonic() > deadline) throw new Error(`source and sink stand still: ${JSON.stringify(worker.status())}, ${connectLog.lines.slice(-20).join('\n')}`)
    }
    expect(worker.status().map(({ tasks }) => tasks[0]!.state)).toEqual(['RUNNING', 'RUNNING'])
    const gauges = Object.fromEntries(worker.parts.runner.task('sink', 0)!.supervised.gauges().map(({ name, value }) => [name, value]))
    await worker.stop()
    const numbers = await readSequence(admin, 'verified', 0)
    console.log(`${numbers.length} records through Connect, of which the sink's last launch looked at ${gauges['verified_records']}`)
    expect(numbers.findIndex((value, index) => value !== index), 'first wrong place in verified-0').toBe(-1)
    expect(gauges).toMatchObject({ verified_gaps: 0 })
    const { offsets } = await admin.groups.describe('connect-sink')
    expect(offsets[0]!.offset).toBeGreaterThanOrEqual(numbers.length)
  }, testTimeoutMs)

  it('has copied every record exactly once, in order', async () => {
    await workload.finish(patienceMs)
    expect(workload.failures).toEqual([])
    const perPartition = workload.written / partitionCount
    console.log(`${workload.written} records written and copied through ${rounds * 7} faults`)
    for (let partition = 0; partition < partitionCount; partition++) {
      for (const topic of [workload.input, workload.output]) {
        const values = await readSequence(admin, topic, partition)
        expect(values.findIndex((value, index) => value !== index), `first wrong place in ${topic}-${partition}`).toBe(-1)
        expect(values).toHaveLength(perPartition)
      }
    }
  }, testTimeoutMs)
})

/** Both writing and copying have moved on by some records. */
async function progress(workload: Workload): Promise<void> {
  const { written, copied } = workload
  const deadline = systemClock.monotonic() + patienceMs
  while (workload.written < written + 50 || workload.copied < copied + 50) {
    if (workload.failures.length > 0) throw workload.failures[0]
    if (systemClock.monotonic() > deadline) throw new Error(`no progress within ${patienceMs} ms: ${workload.written - written} written, ${workload.copied - copied} copied`)
    await sleep(systemClock, 20)
  }
}

async function leaderOf(admin: Broker, topic: string, partition = 0): Promise<number> {
  for (;;) {
    const [description] = await admin.topics.describe([topic])
    const { leader } = description!.partitions[partition]!
    if (leader > 0) return leader
    await sleep(systemClock, 100)
  }
}

/** A fault on two of three replicas at once would be another test. */
async function allInSync(admin: Broker, workload: Workload): Promise<void> {
  const deadline = systemClock.monotonic() + patienceMs
  for (;;) {
    const descriptions = await admin.topics.describe([workload.input, workload.output, '__consumer_offsets', '__transaction_state'])
    if (descriptions.every(({ partitions }) => partitions.every(({ inSyncReplicas }) => inSyncReplicas.length === nodeIds.length))) return
    if (systemClock.monotonic() > deadline) throw new Error(`replicas do not come back in sync within ${patienceMs} ms`)
    await sleep(systemClock, 200)
  }
}

async function activeController(cluster: KafkaCluster): Promise<number> {
  const status = await runKafkaTool('org.apache.kafka.tools.MetadataQuorumCommand', ['--bootstrap-server', cluster.bootstrapServers, 'describe', '--status'])
  return Number(/LeaderId:\s+(\d+)/.exec(status)![1])
}
