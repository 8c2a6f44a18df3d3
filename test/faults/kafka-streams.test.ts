/**
 * An application of two and more processes on three brokers, exactly once: word count (over a repartition topic) and a join of
 * two streams, while processes are killed or stand still past every time-out and a broker is restarted. What a read-committed
 * consumer sees in the end must be what a plain computation gives. MILLRACE_KAFKA_FAULT_ROUNDS multiplies the faults.
 */
import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest'
import { longSerde, openKafkaBroker, randomInteger, seededRandom, sleep, stringSerde, systemClock } from '../../src/core/index.ts'
import type { Broker, Random, RecordView } from '../../src/core/index.ts'
import { describeWithOwnKafka } from '../kit/kafka-describe.ts'

const faults = 6 * Number(process.env['MILLRACE_KAFKA_FAULT_ROUNDS'] ?? 1)
const seed = Number(process.env['MILLRACE_FAULT_SEED'] ?? systemClock.now() % 1_000_000)
const program = fileURLToPath(new URL('./streams-until-killed.mjs', import.meta.url))
const partitionCount = 3
const words = ['mill', 'race', 'wheel', 'water', 'stone', 'grain', 'flour']
/** Not long ago: what is older than the stores keep it, the brokers' retention takes out of changelogs, while they are needed here. */
const startAt = systemClock.now()
/** Longer than session and transaction time-out of the program. */
const standStillMs = 9_000
const patienceMs = 120_000

describeWithOwnKafka({ brokers: 3 }, 'an application on three brokers of Apache Kafka', (cluster) => {
  let admin: Broker
  const instances: Instance[] = []
  beforeAll(async () => {
    admin = await openKafkaBroker({ brokers: cluster().bootstrapServers.split(',') })
  })
  afterEach(async () => void await Promise.all(instances.splice(0).map((instance) => instance.end('SIGKILL'))))
  afterAll(() => admin?.close())

  const start = (applicationId: string) => {
    const instance = new Instance(cluster().bootstrapServers, applicationId)
    instances.push(instance)
    return instance
  }
  const createTopics = (applicationId: string) => admin.topics.create(
    ['words', 'left', 'right', 'counted', 'joined'].map((name) => ({ topic: `${applicationId}-${name}`, partitions: partitionCount, configs: { 'retention.ms': '-1' } })),
  )

  it(`sees the fault-free result after ${faults} faults (seed ${seed})`, async () => {
    const random = seededRandom(seed)
    const applicationId = 'faults'
    await createTopics(applicationId)
    const load = new Load(admin, applicationId)
    const pair = [start(applicationId), start(applicationId)]
    await Promise.all(pair.map((instance) => instance.reached('RUNNING')))
    const told: string[] = []
    for (let fault = 0; fault < faults; fault++) {
      await sleep(systemClock, randomInteger(random, 2_000))
      const at = randomInteger(random, 2)
      await pair[at]!.reached('RUNNING')
      if (fault === faults >> 1) told.push(await restartBroker(random))
      else if (fault % 2 === 0) {
        await pair[at]!.end('SIGKILL')
        await sleep(systemClock, randomInteger(random, 1_000))
        pair[at] = start(applicationId)
        told.push(`process ${at} killed`)
      } else {
        pair[at]!.signal('SIGSTOP')
        await sleep(systemClock, standStillMs)
        pair[at]!.signal('SIGCONT')
        told.push(`process ${at} stood still`)
      }
    }
    await load.finish()
    await Promise.all(pair.map((instance) => instance.reached('RUNNING')))
    await caughtUp(admin, applicationId)
    for (const instance of pair) expect(await instance.end('SIGTERM'), instance.output).toBe(0)
    await expectFaultFree(admin, applicationId, load.written)
    console.log(`${load.written} records of each kind through: ${told.join(', ')}`)
  }, 600_000)

  const restartBroker = async (random: Random) => {
    const nodeId = 1 + randomInteger(random, 3)
    await cluster().kill(nodeId)
    await sleep(systemClock, 2_000)
    await cluster().restart(nodeId)
    return `broker ${nodeId} restarted`
  }

  it('goes from one process to three and back under load, without gap or repeat, and shares the tasks', async () => {
    const applicationId = 'scaled'
    await createTopics(applicationId)
    const load = new Load(admin, applicationId)
    const first = start(applicationId)
    await first.reached('RUNNING with 9 tasks')
    const others = [start(applicationId), start(applicationId)]
    await Promise.all([first, ...others].map((instance) => instance.reached('RUNNING with 3 tasks')))
    for (const instance of others) {
      await sleep(systemClock, 1_000)
      expect(await instance.end('SIGTERM'), instance.output).toBe(0)
      expect(instance.output).toMatch(/PENDING_SHUTDOWN with \d tasks\nNOT_RUNNING with 0 tasks\n$/)
    }
    await first.reached('RUNNING with 9 tasks', 2)
    await load.finish()
    await caughtUp(admin, applicationId)
    expect(await first.end('SIGTERM'), first.output).toBe(0)
    await expectFaultFree(admin, applicationId, load.written)
  }, 480_000)

  it('ends every process when one of them asks for that, and what was done before stays', async () => {
    const applicationId = 'ended'
    await createTopics(applicationId)
    const pair = [start(applicationId), start(applicationId)]
    await Promise.all(pair.map((instance) => instance.reached('RUNNING with')))
    const producer = await admin.openProducer()
    await producer.append({ topic: `${applicationId}-words`, partition: 0, value: stringSerde.serialize('mill') })
    await caughtUp(admin, applicationId)
    await producer.append({ topic: `${applicationId}-words`, partition: 0, value: stringSerde.serialize('poison') })
    await producer.close()
    expect(await Promise.all(pair.map((instance) => instance.exitCode()))).toEqual([1, 1])
    const endings = pair.map(({ output }) => /ended with (\w+): .*/.exec(output)!)
    expect(new Set(endings.map(([, code]) => code))).toEqual(new Set(['PROCESSING_FAILED', 'SHUTDOWN_REQUESTED']))
    expect(endings.map(([line]) => line).join()).toMatch(/words-0 at offset 1.*nobody drinks this/)
    for (const { output } of pair) expect(output).toMatch(/PENDING_ERROR with \d tasks\nERROR with 0 tasks\n/)
    expect((await admin.groups.describe(applicationId)).members).toEqual([])
    expect((await committedRecords(admin, `${applicationId}-counted`)).map(({ key }) => stringSerde.deserialize(key!))).toEqual(['mill'])
  }, 240_000)
})

/** A process of the application. */
class Instance {
  output = ''
  readonly #child: ChildProcess
  readonly #exited: Promise<unknown>
  #look: () => void = () => undefined

  constructor(bootstrapServers: string, applicationId: string) {
    this.#child = spawn(process.execPath, [program, bootstrapServers, applicationId], { stdio: ['ignore', 'pipe', 'pipe'] })
    const take = (chunk: Buffer) => {
      this.output += chunk.toString()
      this.#look()
    }
    this.#child.stdout!.on('data', take)
    this.#child.stderr!.on('data', take)
    this.#exited = once(this.#child, 'close')
    void this.#exited.then(() => this.#look())
  }

  /** Resolves when it has printed the text so often. */
  async reached(text: string, times = 1): Promise<void> {
    const deadline = systemClock.monotonic() + patienceMs
    while (this.output.split(text).length <= times) {
      if (this.#child.exitCode !== null) throw new Error(`the process ended with ${this.#child.exitCode} before ${text}: ${this.output}`)
      if (systemClock.monotonic() > deadline) throw new Error(`not ${text} within ${patienceMs} ms: ${this.output}`)
      const changed = new Promise<void>((resolve) => (this.#look = resolve))
      await Promise.race([changed, sleep(systemClock, 1_000)])
    }
  }

  signal(signal: 'SIGSTOP' | 'SIGCONT'): void {
    if (this.#child.exitCode !== null) throw new Error(`the process ended by itself with ${this.#child.exitCode}: ${this.output}`)
    this.#child.kill(signal)
  }

  /** When it has ended by itself. */
  async exitCode(): Promise<number | null> {
    await this.#exited
    return this.#child.exitCode
  }

  /** Its exit code, null when the signal ended it. */
  async end(signal: 'SIGKILL' | 'SIGTERM'): Promise<number | null> {
    this.#child.kill(signal)
    await this.#exited
    return this.#child.exitCode
  }
}

/** One word and one record on each side of the join, many times a second, with time going on evenly. */
class Load {
  written = 0
  #isStopped = false
  readonly #done: Promise<void>

  constructor(broker: Broker, applicationId: string) {
    this.#done = this.#run(broker, applicationId)
    this.#done.catch(() => undefined)
  }

  async finish(): Promise<void> {
    this.#isStopped = true
    await this.#done
  }

  async #run(broker: Broker, applicationId: string): Promise<void> {
    const producer = await broker.openProducer()
    while (!this.#isStopped) {
      for (let index = 0; index < 10; index++) {
        const sequence = this.written++
        const common = { key: stringSerde.serialize(`key-${sequence}`), timestamp: startAt + sequence }
        void producer.append({ topic: `${applicationId}-words`, value: stringSerde.serialize(wordOf(sequence)), ...common })
        for (const side of ['left', 'right']) void producer.append({ topic: `${applicationId}-${side}`, value: stringSerde.serialize(String(sequence)), ...common })
      }
      await producer.flush()
      await sleep(systemClock, 20)
    }
    await producer.close()
  }
}

function wordOf(sequence: number): string {
  return words[(sequence * sequence) % words.length]!
}

/** The application has committed the end of everything it reads. */
async function caughtUp(admin: Broker, applicationId: string): Promise<void> {
  const deadline = systemClock.monotonic() + patienceMs
  for (;;) {
    const topics = (await admin.topics.list()).filter((topic) => topic.startsWith(`${applicationId}-`) && /-(words|left|right|repartition)$/.test(topic))
    const queries = topics.flatMap((topic) => Array.from({ length: partitionCount }, (_, partition) => ({ topic, partition, at: 'latest' as const })))
    const ends = await admin.topics.listOffsets(queries, { isolation: 'read-uncommitted' })
    const { offsets } = await admin.groups.describe(applicationId)
    const behind = ends.filter((end) => end.offset > 0 && !offsets.some(({ topic, partition, offset }) => topic === end.topic && partition === end.partition && offset >= end.offset))
    if (behind.length === 0) return
    if (systemClock.monotonic() > deadline) throw new Error(`not caught up within ${patienceMs} ms: ${JSON.stringify({ behind, offsets })}`)
    await sleep(systemClock, 200)
  }
}

async function expectFaultFree(admin: Broker, applicationId: string, written: number): Promise<void> {
  const sequences = Array.from({ length: written }, (_, sequence) => sequence)
  const counts = new Map<string, number[]>()
  for (const { key, value } of await committedRecords(admin, `${applicationId}-counted`)) {
    const word = stringSerde.deserialize(key!)
    counts.set(word, [...(counts.get(word) ?? []), longSerde.deserialize(value!)])
  }
  const perWord = new Map<string, number>()
  for (const sequence of sequences) perWord.set(wordOf(sequence), (perWord.get(wordOf(sequence)) ?? 0) + 1)
  expect(new Map([...counts].map(([word, updates]) => [word, updates.at(-1)]))).toEqual(perWord)
  for (const updates of counts.values()) expect(updates).toEqual([...new Set(updates)].sort((a, b) => a - b))

  const joined = (await committedRecords(admin, `${applicationId}-joined`)).map(({ key, value }) => `${stringSerde.deserialize(key!)} ${stringSerde.deserialize(value!)}`)
  const byText = (a: string, b: string) => (a < b ? -1 : 1)
  expect(joined.sort(byText)).toEqual(sequences.map((sequence) => `key-${sequence} ${sequence}+${sequence}`).sort(byText))
}

async function committedRecords(admin: Broker, topic: string): Promise<readonly RecordView[]> {
  const partitions = Array.from({ length: partitionCount }, (_, partition) => ({ topic, partition }))
  const ends = await admin.topics.listOffsets(partitions.map((target) => ({ ...target, at: 'latest' })), { isolation: 'read-uncommitted' })
  const reader = await admin.openReader()
  reader.assign(partitions.map((target) => ({ ...target, offset: 0 })))
  const records: RecordView[] = []
  while (reader.positions().some(({ partition, offset }) => offset < ends[partition]!.offset)) {
    for (const { batches } of (await reader.read()).partitions) for (const batch of batches) records.push(...batch)
  }
  await reader.close()
  return records
}
