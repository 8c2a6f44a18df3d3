/**
 * Load with an oracle: sequence numbers per partition go into one topic, and are copied to another by group members with
 * transactions. Whatever happens to the brokers, the copy must be 0, 1, 2, … in every partition: no gap, no duplicate, in order.
 */
import { isStreamError } from '../../src/core/index.ts'
import type { Broker, GroupMember, Producer, RecordView } from '../../src/core/index.ts'
import { sleep, systemClock } from '../../src/core/clock.ts'

export const partitionCount = 3

export interface Workload {
  readonly input: string
  readonly output: string
  /** Acknowledged appends, over all partitions. */
  readonly written: number
  /** Records of committed transactions, over all partitions, as the copiers know. */
  readonly copied: number
  /** The longest time without an acknowledged append, and without a committed copy, since this was asked for last. */
  takeLongestPauses(): { readonly writingMs: number; readonly copyingMs: number }
  /** What should not have happened: appends that failed although the brokers came back in time. */
  readonly failures: readonly unknown[]
  /** Ends the writing, waits until everything is copied, and ends the copying. */
  finish(timeoutMs: number): Promise<void>
}

export interface WorkloadOptions {
  /** A new client of the cluster. */
  readonly connect: () => Promise<Broker>
  readonly name: string
  /** Pause between two rounds of one record a partition. */
  readonly paceMs: number
}

export async function startWorkload({ connect, name, paceMs }: WorkloadOptions): Promise<Workload> {
  const input = `${name}-in`
  const output = `${name}-out`
  const admin = await connect()
  await admin.topics.create([input, output].map((topic) => ({ topic, partitions: partitionCount })))
  const writer = new Writer(admin, input, paceMs)
  const copyPauses = new LongestPause()
  const copiers = await Promise.all([1, 2].map(async (index) => new Copier(await connect(), copyPauses, `${name}-copier-${index}`, name, input, output)))
  const written = writer.run()
  const copying = copiers.map((copier) => copier.run())
  const copied = () => copiers.reduce((sum, copier) => sum + copier.copied, 0)
  return {
    input,
    output,
    get written() { return writer.acknowledged },
    get copied() { return copied() },
    takeLongestPauses: () => ({ writingMs: writer.pauses.take(), copyingMs: copyPauses.take() }),
    get failures() { return [...writer.failures, ...copiers.flatMap((copier) => copier.failures)] },
    finish: async (timeoutMs) => {
      writer.stop()
      await written
      const deadline = systemClock.monotonic() + timeoutMs
      // a commit whose answer was lost is not counted, so the end of the copy is found in the log
      while (await countVisible(admin, output) < writer.acknowledged && systemClock.monotonic() < deadline) await sleep(systemClock, 200)
      for (const copier of copiers) copier.stop()
      await Promise.all(copying)
      await Promise.all([admin.close(), ...copiers.map((copier) => copier.close())])
    },
  }
}

/** The values of a partition as read-committed readers see them. */
export async function readSequence(broker: Broker, topic: string, partition: number): Promise<number[]> {
  const [end] = await broker.topics.listOffsets([{ topic, partition, at: 'latest' }])
  const reader = await broker.openReader()
  reader.assign([{ topic, partition, offset: 0 }])
  const values: number[] = []
  while (reader.positions()[0]!.offset < end!.offset) {
    for (const { batches } of (await reader.read({ maxWaitMs: 1_000 })).partitions) {
      for (const batch of batches) batch.forEach((record) => values.push(sequenceOf(record)))
    }
  }
  await reader.close()
  return values
}

async function countVisible(broker: Broker, topic: string): Promise<number> {
  const counts = await Promise.all(Array.from({ length: partitionCount }, async (_, partition) => (await readSequence(broker, topic, partition)).length))
  return counts.reduce((sum, count) => sum + count, 0)
}

function sequenceOf(record: RecordView): number {
  return Number(Buffer.from(record.value!).toString())
}

/** Between two signs of progress. */
class LongestPause {
  #longestMs = 0
  #lastAt = systemClock.monotonic()

  progress(): void {
    const now = systemClock.monotonic()
    this.#longestMs = Math.max(this.#longestMs, now - this.#lastAt)
    this.#lastAt = now
  }

  take(): number {
    const longestMs = this.#longestMs
    this.#longestMs = 0
    return Math.round(longestMs)
  }
}

class Writer {
  acknowledged = 0
  readonly pauses = new LongestPause()
  readonly failures: unknown[] = []
  readonly #broker: Broker
  readonly #topic: string
  readonly #paceMs: number
  #isStopped = false

  constructor(broker: Broker, topic: string, paceMs: number) {
    this.#broker = broker
    this.#topic = topic
    this.#paceMs = paceMs
  }

  stop(): void {
    this.#isStopped = true
  }

  async run(): Promise<void> {
    const producer = await this.#broker.openProducer()
    for (let sequence = 0; !this.#isStopped && this.failures.length === 0; sequence++) {
      const value = Buffer.from(String(sequence))
      const appends = Array.from({ length: partitionCount }, (_, partition) => producer.append({ topic: this.#topic, partition, value }))
      for (const result of await Promise.allSettled(appends)) {
        this.pauses.progress()
        if (result.status === 'fulfilled') this.acknowledged++
        else this.failures.push(result.reason)
      }
      await sleep(systemClock, this.#paceMs)
    }
    await producer.close()
  }
}

/** Reads, writes and commits in transactions; after any failure it aborts and goes on from the committed offsets. */
class Copier {
  copied = 0
  readonly failures: unknown[] = []
  readonly #broker: Broker
  readonly #pauses: LongestPause
  readonly #transactionalId: string
  readonly #groupId: string
  readonly #input: string
  readonly #output: string
  #isStopped = false

  constructor(broker: Broker, pauses: LongestPause, transactionalId: string, groupId: string, input: string, output: string) {
    this.#broker = broker
    this.#pauses = pauses
    this.#transactionalId = transactionalId
    this.#groupId = groupId
    this.#input = input
    this.#output = output
  }

  stop(): void {
    this.#isStopped = true
  }

  close(): Promise<void> {
    return this.#broker.close()
  }

  async run(): Promise<void> {
    try {
      const member = await this.#broker.joinGroup({ groupId: this.#groupId, topics: [this.#input], offsetReset: 'earliest', sessionTimeoutMs: 10_000 })
      let producer = await this.#openProducer()
      while (!this.#isStopped) {
        try {
          await this.#copyOnce(member, producer)
        } catch (error) {
          producer = await this.#recover(member, producer, error)
        }
      }
      await producer.close()
      await member.leave()
    } catch (error) {
      this.failures.push(error)
    }
  }

  #openProducer(): Promise<Producer> {
    return this.#retried(() => this.#broker.openProducer({ transactionalId: this.#transactionalId, transactionTimeoutMs: 15_000 }))
  }

  async #copyOnce(member: GroupMember, producer: Producer): Promise<void> {
    const { partitions } = await member.read({ maxWaitMs: 200, maxBytes: 64 * 1024 })
    if (partitions.length === 0) return
    producer.begin()
    let count = 0
    for (const { partition, batches } of partitions) {
      for (const batch of batches) {
        batch.forEach((record) => {
          count++
          producer.append({ topic: this.#output, partition, value: record.value }).catch(() => undefined) // commit tells
        })
      }
    }
    await producer.commit({ group: member.metadata(), offsets: partitions.map(({ topic, partition, nextOffset }) => ({ topic, partition, offset: nextOffset })) })
    this.copied += count
    this.#pauses.progress()
  }

  async #recover(member: GroupMember, producer: Producer, error: unknown): Promise<Producer> {
    if (!isStreamError(error)) throw error
    let next = producer
    try {
      await this.#retried(() => producer.abort())
    } catch {
      await producer.close()
      next = await this.#openProducer()
    }
    const assignment = member.assignment
    const committed = await this.#retried(() => member.committed(assignment))
    for (const { topic, partition } of assignment) {
      const found = committed.find((offset) => offset.topic === topic && offset.partition === partition)
      member.seek({ topic, partition, offset: found?.offset ?? 0 })
    }
    return next
  }

  async #retried<T>(attempt: () => Promise<T>): Promise<T> {
    for (let attempts = 0; ; attempts++) {
      try {
        return await attempt()
      } catch (error) {
        if (!isStreamError(error) || !error.retriable || attempts >= 5) throw error
      }
    }
  }
}
