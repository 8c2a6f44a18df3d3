import { StreamError, connectorError, isStreamError } from 'millrace/connect'
import type { SinkOffsets, SinkRecord, SinkTask, SinkTaskContext, TopicPartition } from 'millrace/connect'
import { Connection } from './connection.ts'
import type { PostgresSinkConfig } from './sink-config.ts'
import { BatchUnderWay } from './sink/batch-under-way.ts'
import { byTopic, HeldTopics } from './sink/held-topics.ts'
import { columnTypesOf } from './sink/json-schema.ts'
import { Lane, metAtTable } from './sink/lane.ts'
import type { LaneRows } from './sink/lane.ts'
import { OffsetTable } from './sink/offset-table.ts'
import { quoteText } from './sink/sql-text.ts'

interface Started {
  readonly config: PostgresSinkConfig
  readonly context: SinkTaskContext
  readonly offsets: OffsetTable
  /** In a put, a partition belongs to one of them: its records stay in order. */
  readonly lanes: readonly Lane[]
}

/**
 * Writes records to tables; see the README beside this file for what it promises. One `put` is one transaction on each connection, and returns when all is sent: the
 * next one waits for the commit.
 */
export class PostgresSinkTask implements SinkTask<PostgresSinkConfig> {
  #started: Started | undefined
  readonly #held = new HeldTopics()
  readonly #underWay = new BatchUnderWay()
  /** Where reading of a partition was told to go on when it was opened. */
  readonly #begins = new Map<string, number>()

  start(config: PostgresSinkConfig, context: SinkTaskContext): void {
    const offsets = new OffsetTable(config['offsets.table'], context.connectorName)
    const rowOptions = {
      pkMode: config['pk.mode'],
      pkFields: config['pk.fields'],
      deleteEnabled: config['delete.enabled'],
      truncateEnabled: config['truncate.enabled'],
      placeholder: config['unavailable.value.placeholder'],
      valueColumn: config['value.column'],
    }
    const columnTypes = config['value.schema'] === null ? new Map<string, string>() : columnTypesOf(config['value.schema'])
    const lanes = Array.from({ length: config['write.connections'] }, () =>
      new Lane({ config, context, offsets, rowOptions, columnTypes, connection: new Connection(config, `millrace ${context.connectorName}-${context.taskId}`) }))
    this.#started = { config, context, offsets, lanes }
  }

  /** Reading goes on where the database stands, whatever was committed elsewhere. */
  async open(partitions: readonly TopicPartition[]): Promise<void> {
    const { config, context, lanes, offsets } = this.#running()
    await this.#underWay.rest()
    if (!config['exactly.once']) return
    const stored = await lanes[0]!.connection.use(async (client) => {
      await client.query(offsets.createStatement)
      await offsets.prepare(client, partitions)
      return offsets.read(client, partitions)
    })
    for (const { topic, partition, offset } of stored) this.#begins.set(`${topic}-${partition}`, offset)
    if (stored.length > 0) context.seek(stored)
  }

  async put(records: readonly SinkRecord[]): Promise<void> {
    try {
      await this.#put(records)
    } catch (error) {
      // a person must remove it, or the worker has failed the task: no part of the batch would fare better
      throw isStreamError(error, 'CONNECTOR_FAILED') && !error.retriable ? toldApart(error, 'ofNoRecord') : error
    }
  }

  async #put(records: readonly SinkRecord[]): Promise<void> {
    // While the server works on the batch before.
    const shares = this.#sharesOf(records)
    await this.#settle()
    if (records.length === 0) return
    this.#requireBehindBegins(records)
    if (this.#held.isEmpty) return this.#start(records, shares)
    const others = records.filter((record) => !this.#held.has(record.originalTopic))
    const late = byTopic(records.filter((record) => this.#held.has(record.originalTopic)))
    await this.#start(others, this.#sharesOf(others))
    // only now: had the others failed, all of them would be handed over again
    for (const [topic, own] of late) this.#held.add(topic, own)
  }

  /** Where records to blame are searched for, it waits for the commit: what stands in its way must meet the batch that it is about. */
  #start(records: readonly SinkRecord[], shares: readonly LaneRows[]): Promise<void> {
    const { context } = this.#running()
    return this.#underWay.start(records, (all, sent) => this.#putApart(all, shares, context.bisects ? noop : sent))
  }

  /** What waits from puts before is written, as far as it can be. @throws what stands in its way, which is not to be put down to the records at hand */
  async #settle(): Promise<void> {
    try {
      await this.#underWay.settle((all, sent) => this.#putApart(all, this.#sharesOf(all), sent))
      await this.#retryHeld()
    } catch (error) {
      throw isStreamError(error) && error.retriable ? error : toldApart(error, 'ofEarlierRecords')
    }
  }

  /**
   * All in one transaction; or, when it is a table that stands in the way, each topic in its own, and those that cannot be written wait, as long as
   * the task has another one that can go on.
   */
  async #putApart(records: readonly SinkRecord[], shares: readonly LaneRows[], sent: () => void): Promise<void> {
    try {
      await this.#writeAll(shares, sent)
      return
    } catch (error) {
      const topics = byTopic(records)
      if (!this.#isTroubleOfTable(error) || !this.#canSpare([...topics.keys()].slice(0, 1))) throw error
      const failed = new Map<string, unknown>()
      for (const [topic, own] of topics) await this.#writeAll(this.#sharesOf(own), noop).catch((reason: unknown) => {
        if (!this.#isTroubleOfTable(reason)) throw reason
        failed.set(topic, reason)
      })
      if (!this.#canSpare([...failed.keys()])) throw error
      for (const [topic, reason] of failed) this.#hold(topic, topics.get(topic)!, reason)
    }
  }

  /** Some topic of the task goes on when these wait. */
  #canSpare(topics: readonly string[]): boolean {
    return this.#running().context.assignment().some(({ topic }) => !topics.includes(topic) && !this.#held.has(topic))
  }

  #hold(topic: string, records: readonly SinkRecord[], reason: unknown): void {
    const { context } = this.#running()
    context.log.error(`${topic} waits, and other topics go on: ${(reason as Error).message}`)
    this.#held.hold(topic, records, context.clock.monotonic())
    context.pause(context.assignment().filter((each) => each.topic === topic))
  }

  async #retryHeld(): Promise<void> {
    const { context } = this.#running()
    for (const [topic, records] of this.#held.due(context.clock.monotonic())) {
      try {
        await this.#writeAll(this.#sharesOf(records), noop)
      } catch (error) {
        if (!this.#isTroubleOfTable(error)) throw error
        this.#hold(topic, records, error)
        continue
      }
      this.#held.release(topic)
      context.resume(context.assignment().filter((each) => each.topic === topic))
      context.log.info(`${topic} goes on`)
    }
  }

  #isTroubleOfTable(error: unknown): boolean {
    if (typeof error !== 'object' || error === null || !metAtTable.has(error)) return false
    const { code } = ((error as Error).cause ?? {}) as { readonly code?: string }
    return code === '55P03' || code === '57014' || (isStreamError(error, 'CONNECTOR_FAILED') && this.#running().config['table.error'] === 'pause')
  }

  async preCommit(offsets: SinkOffsets): Promise<SinkOffsets> {
    await this.#underWay.rest()
    return this.#underWay.safe(this.#held.safe(offsets))
  }

  async close(partitions: readonly TopicPartition[]): Promise<void> {
    await this.#underWay.rest()
    this.#underWay.drop(partitions)
    this.#held.drop(partitions)
  }

  /** One for each connection. */
  #sharesOf(records: readonly SinkRecord[]): readonly LaneRows[] {
    const { lanes } = this.#running()
    const shares = lanes.length === 1 ? [records] : sharesOf(records, lanes.length)
    return shares.map((share, index) => lanes[index]!.read(share))
  }

  /** On all connections beside each other. @throws what cannot be put down to a table, if there is such an error; else the first */
  async #writeAll(shares: readonly LaneRows[], sent: () => void): Promise<void> {
    const { lanes } = this.#running()
    const filled = [...lanes.entries()].filter(([index]) => shares[index]!.records.length > 0)
    const unsent = new Set(filled.map(([index]) => index))
    const isSent = (index: number) => {
      unsent.delete(index)
      if (unsent.size === 0) sent()
    }
    const written = await Promise.allSettled(filled.map(([index, lane]) => lane.write(shares[index]!, () => isSent(index)).then(() => isSent(index))))
    const errors = written.flatMap((each) => (each.status === 'rejected' ? [each.reason as Error] : []))
    if (errors.length > 0) throw errors.find((error) => !this.#isTroubleOfTable(error)) ?? errors[0]!
  }

  async stop(): Promise<void> {
    await this.#underWay.rest()
    const started = this.#started
    this.#started = undefined
    await Promise.all(started?.lanes.map(({ connection }) => connection.close()) ?? [])
  }

  #requireBehindBegins(records: readonly SinkRecord[]): void {
    if (this.#begins.size === 0) return
    let last = { topic: '', partition: -1, begin: 0 }
    for (const { originalTopic: topic, originalPartition: partition, originalOffset: offset } of records) {
      if (last.topic !== topic || last.partition !== partition) last = { topic, partition, begin: this.#begins.get(`${topic}-${partition}`) ?? 0 }
      if (offset < last.begin) this.#refuseBefore({ ...last, offset })
    }
  }

  /** Reading begins before what was told only when the topic ends before it: it is another topic than the one that was written. */
  #refuseBefore({ topic, partition, begin, offset }: SinkOffsets[number] & { readonly begin: number }): never {
    const { config, context, lanes } = this.#running()
    throw connectorError(
      `${config['offsets.table']} in ${lanes[0]!.connection.server} says that ${topic}-${partition} was written up to offset ${begin}, but the topic goes on at ${offset}: it was made anew, or its offsets were reset. ` +
        `To write it from its beginning: delete from ${config['offsets.table']} where connector = ${quoteText(context.connectorName)} and topic = ${quoteText(topic)}`,
    )
  }

  #running(): Started {
    if (this.#started === undefined) throw new Error('the PostgreSQL sink task is used before start or after stop')
    return this.#started
  }
}

/** Partition by partition, in turn: the records of one stay together, in order. */
function sharesOf(records: readonly SinkRecord[], count: number): readonly (readonly SinkRecord[])[] {
  const shares = Array.from({ length: count }, (): SinkRecord[] => [])
  const byPartition = new Map<string, SinkRecord[]>()
  let last: { readonly topic: string; readonly partition: number; readonly share: SinkRecord[] } | undefined
  for (const record of records) {
    const { originalTopic: topic, originalPartition: partition } = record
    if (last?.topic !== topic || last.partition !== partition) {
      const share = byPartition.get(`${topic}-${partition}`) ?? shares[byPartition.size % count]!
      byPartition.set(`${topic}-${partition}`, share)
      last = { topic, partition, share }
    }
    last.share.push(record)
  }
  return shares
}

/** The error, from which the worker sees that the records at hand are not to blame. */
function toldApart(error: unknown, whose: 'ofNoRecord' | 'ofEarlierRecords'): StreamError {
  const { code, message, details } = isStreamError(error) ? error : connectorError((error as Error).message)
  return new StreamError(code, message, { cause: error, details: { ...details, [whose]: true } })
}

const noop = () => undefined
