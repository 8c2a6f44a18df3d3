/**
 * Reads partitions from their leaders: one long poll per leader at a time, its answer kept until it is asked for.
 * ```
 *   read ──▶ answers here? ──▶ returned, up to maxBytes; where there is known to be more, it is fetched meanwhile
 *             └─ no: poll every leader that has no poll open, wait for news, the deadline or the signal
 * ```
 * A leader is asked for more when at most half an answer of it is left, and an answer is at most `maxBytes` (or one batch). Passing failures of a
 * leader are waited out; only what no waiting mends is thrown.
 */
import type { Isolation, PartitionPosition, PartitionRecords, ReadOptions, ReadResult } from '../broker.ts'
import { StreamError } from '../errors.ts'
import { partitionKey } from '../record.ts'
import type { TopicPartition } from '../record.ts'
import { byTopic } from './by-topic.ts'
import type { KafkaCluster } from './kafka-cluster.ts'
import { unknownTopic } from './kafka-cluster.ts'
import { kafkaError, remedyFor } from './kafka-errors.ts'
import type { KafkaLane } from './kafka-lane.ts'
import { asStreamError } from './kafka-sender.ts'
import { settledWithin } from '../wait.ts'
import { retryDelayMs } from './retry.ts'
import { fetchedBatches } from './visible-batches.ts'
import type { FetchedBatch } from './visible-batches.ts'
import { fetch } from './wire/index.ts'
import type { FetchedPartition } from './wire/index.ts'

interface AssignedPartition extends TopicPartition {
  readonly key: string
  /** The next offset to read. */
  offset: number
  isPaused: boolean
  fetched: Fetched | null
  /** Up to where there was something to read when it was asked for last. */
  knownEnd: number
  failures: number
  /** No poll before this (monotonic). */
  resumeAt: number
}

interface Fetched {
  readonly isolation: Isolation
  /** Not yet returned. */
  readonly batches: FetchedBatch[]
  /** Of them. */
  leftBytes: number
  readonly logStartOffset: number
  readonly highWatermark: number
  readonly lastStableOffset: number
}

interface ReadSettings {
  readonly maxBytes: number
  readonly minBytes: number
  readonly isolation: Isolation
}

/** What to do about a position that the log does not have: throws, or returns where to go on. */
export type OutOfRangePolicy = (position: PartitionPosition, isolation: Isolation, cause: StreamError) => Promise<number>

const defaultMaxBytes = 1024 * 1024
const defaultMaxWaitMs = 500
/** A poll knows only the partitions it was sent with, so none stays open longer. */
const longestPollMs = 500
const openPollPatienceMs = 20
/** Look-ups with growing pauses, some 150 ms: `create` returns when all brokers know a topic, so one that is unknown is hardly ever new. */
const unknownTopicPatience = 3

export class KafkaFetcher {
  readonly #cluster: KafkaCluster
  readonly #lane: KafkaLane
  readonly #outOfRange: OutOfRangePolicy
  readonly #partitions = new Map<string, AssignedPartition>()
  readonly #polls = new Map<number, Promise<void>>()
  #lookup: Promise<void> | null = null
  #failure: unknown = null
  /** When the first of those that the last polling passed over, because they had failed, may be asked again. */
  #retryAt = Infinity
  #wake: () => void = () => undefined
  #isReading = false
  /** After an assignment every leader is asked once before anything is returned, so that no slow one is left behind. */
  #isFresh = false

  constructor(cluster: KafkaCluster, lane: KafkaLane, outOfRange: OutOfRangePolicy) {
    this.#cluster = cluster
    this.#lane = lane
    this.#outOfRange = outOfRange
  }

  assign(positions: readonly PartitionPosition[]): void {
    this.#partitions.clear()
    this.add(positions)
  }

  /** To what is assigned already. */
  add(positions: readonly PartitionPosition[]): void {
    this.#failure = null
    this.#isFresh = true
    for (const { topic, partition, offset } of positions) {
      const key = partitionKey(topic, partition)
      this.#partitions.set(key, { topic, partition, offset, key, isPaused: false, fetched: null, knownEnd: 0, failures: 0, resumeAt: -Infinity })
    }
  }

  remove(partitions: readonly TopicPartition[]): void {
    this.#failure = null
    for (const { topic, partition } of partitions) this.#partitions.delete(partitionKey(topic, partition))
  }

  positions(): readonly PartitionPosition[] {
    return [...this.#partitions.values()].map(({ topic, partition, offset }) => ({ topic, partition, offset }))
  }

  seek({ topic, partition, offset }: PartitionPosition): void {
    const assigned = this.#assigned({ topic, partition })
    assigned.offset = offset
    assigned.fetched = null
    this.#failure = null
  }

  /** A paused partition holds no records; they are fetched again. */
  pause(partitions: readonly TopicPartition[]): void {
    for (const target of partitions) Object.assign(this.#assigned(target), { isPaused: true, fetched: null })
  }

  resume(partitions: readonly TopicPartition[]): void {
    for (const target of partitions) this.#assigned(target).isPaused = false
  }

  #assigned({ topic, partition }: TopicPartition): AssignedPartition {
    const assigned = this.#partitions.get(partitionKey(topic, partition))
    if (assigned !== undefined) return assigned
    throw new StreamError('INVALID_ARGUMENT', `partition ${partition} of ${topic} is not assigned here`)
  }

  // -------------------------------------------------------------------------------------------------- reading

  async read(options: ReadOptions): Promise<ReadResult> {
    if (this.#isReading) throw new StreamError('INVALID_ARGUMENT', 'read() was called while another read() of the same reader is waiting')
    this.#isReading = true
    try {
      return await this.#read(options)
    } finally {
      this.#isReading = false
    }
  }

  async #read({ maxBytes = defaultMaxBytes, minBytes = 1, maxWaitMs = defaultMaxWaitMs, isolation = 'read-committed', signal }: ReadOptions): Promise<ReadResult> {
    const { clock } = this.#cluster
    const deadline = clock.monotonic() + maxWaitMs
    const settings = { maxBytes, minBytes, isolation }
    let knewTooLittle = false
    for (let round = 0; signal?.aborted !== true; round++) {
      const partitions = this.#take(settings)
      if (partitions.length > 0) {
        void this.#poll(settings, 0, ({ offset, knownEnd }) => offset < knownEnd)
        return { partitions }
      }
      this.#throwFailure()
      const leftMs = Math.max(0, deadline - clock.monotonic())
      if (leftMs === 0 && round > 0 && !knewTooLittle) break
      const asksAll = leftMs === 0 || this.#isFresh
      const polls = this.#poll(settings, asksAll ? 0 : leftMs)
      knewTooLittle = round === 0 && this.#lookup !== null
      this.#isFresh = this.#lookup !== null
      if (asksAll) await this.#answers(polls, leftMs === 0 ? this.#cluster.requestTimeoutMs : leftMs, signal)
      else await this.#news(leftMs, signal)
    }
    return { partitions: [] }
  }

  #throwFailure(): void {
    const failure = this.#failure
    this.#failure = null
    if (failure !== null) throw failure as Error
  }

  /** Until something arrives, at most `maxMs`. */
  #news(maxMs: number, signal: AbortSignal | undefined): Promise<void> {
    return new Promise((resolve) => {
      const done = () => {
        timer.cancel()
        signal?.removeEventListener('abort', done)
        this.#wake = () => undefined
        resolve()
      }
      const timer = this.#cluster.clock.setTimer(Math.min(maxMs, Math.max(1, this.#retryAt - this.#cluster.clock.monotonic())), done)
      signal?.addEventListener('abort', done, { once: true })
      this.#wake = done
    })
  }

  /** A read that does not wait still asks each leader once; a poll that an earlier read left open has a moment to answer. */
  async #answers(fresh: readonly Promise<void>[], maxMs: number, signal: AbortSignal | undefined): Promise<void> {
    const waited = this.#lookup === null ? fresh : [...fresh, this.#lookup]
    if (this.#polls.size > fresh.length) await settledWithin(Promise.race(this.#polls.values()), this.#cluster.clock, openPollPatienceMs, signal)
    await settledWithin(Promise.all(waited), this.#cluster.clock, maxMs, signal)
  }

  /** Records at hand, partition after partition, and the partition that came last goes first the next time. */
  #take({ maxBytes, isolation }: ReadSettings): PartitionRecords[] {
    const taken: PartitionRecords[] = []
    let leftBytes = maxBytes
    const visited: AssignedPartition[] = []
    for (const assigned of this.#partitions.values()) {
      if (assigned.fetched === null || assigned.isPaused) continue
      if (assigned.fetched.isolation !== isolation) {
        assigned.fetched = null
        continue
      }
      if (leftBytes <= 0) break
      const records = takeFrom(assigned, assigned.fetched, leftBytes, taken.length === 0)
      if (records === null) break
      leftBytes -= records.sizeBytes
      taken.push(records.partition)
      visited.push(assigned)
    }
    for (const assigned of visited) {
      this.#partitions.delete(assigned.key)
      this.#partitions.set(assigned.key, assigned)
    }
    return taken
  }

  // -------------------------------------------------------------------------------------------------- polling

  /** Polls each leader that has none open and of which little is at hand, for the wanted partitions of which nothing is; returns the new polls. */
  #poll(settings: ReadSettings, maxWaitMs: number, isWanted: (assigned: AssignedPartition) => boolean = () => true): readonly Promise<void>[] {
    const now = this.#cluster.clock.monotonic()
    const perLeader = new Map<number, AssignedPartition[]>()
    const leaderless: AssignedPartition[] = []
    const heldBytes = new Map<number | undefined, number>()
    this.#retryAt = Infinity
    for (const assigned of this.#partitions.values()) {
      if (assigned.fetched !== null) {
        const leader = this.#cluster.cachedLeader(assigned)
        heldBytes.set(leader, (heldBytes.get(leader) ?? 0) + assigned.fetched.leftBytes)
      }
      if (assigned.isPaused || assigned.fetched !== null || !isWanted(assigned)) continue
      if (assigned.resumeAt > now) {
        this.#retryAt = Math.min(this.#retryAt, assigned.resumeAt)
        continue
      }
      const leader = this.#cluster.cachedLeader(assigned)
      if (leader === undefined) leaderless.push(assigned)
      else if (perLeader.has(leader)) perLeader.get(leader)!.push(assigned)
      else perLeader.set(leader, [assigned])
    }
    if (leaderless.length > 0) this.#lookup ??= this.#lookUp(leaderless).finally(() => (this.#lookup = null))
    const fresh: Promise<void>[] = []
    for (const [leader, partitions] of perLeader) {
      if (this.#polls.has(leader) || (heldBytes.get(leader) ?? 0) > settings.maxBytes / 2) continue
      const poll = this.#pollLeader(leader, partitions, settings, Math.min(maxWaitMs, longestPollMs)).catch((error: unknown) => void (this.#failure ??= error)).finally(() => {
        this.#polls.delete(leader)
        this.#wake()
      })
      this.#polls.set(leader, poll)
      fresh.push(poll)
    }
    return fresh
  }

  async #pollLeader(leader: number, partitions: readonly AssignedPartition[], settings: ReadSettings, maxWaitMs: number): Promise<void> {
    const asked = new Map(partitions.map((assigned) => [assigned.key, { assigned, offset: assigned.offset }]))
    const topics = byTopic(partitions).map(([topic, assigned]) => ({
      topic,
      partitions: assigned.map(({ partition, offset }) => ({ partition, currentLeaderEpoch: -1, fetchOffset: offset, logStartOffset: -1, partitionMaxBytes: settings.maxBytes })),
    }))
    const request = {
      replicaId: -1, maxWaitMs: Math.ceil(maxWaitMs), minBytes: settings.minBytes, maxBytes: settings.maxBytes, isolationLevel: settings.isolation === 'read-committed' ? 1 : 0,
      sessionId: 0, sessionEpoch: -1, topics, forgottenTopicsData: [], rackId: '',
    }
    try {
      const answer = await this.#lane.send(leader, fetch, request, this.#cluster.requestTimeoutMs + maxWaitMs)
      for (const { topic, partitions: answered } of answer.responses) {
        for (const partition of answered) {
          const question = asked.get(partitionKey(topic, partition.partitionIndex))
          if (question !== undefined && this.#isStillWanted(question.assigned, question.offset)) await this.#answered(question.assigned, partition, settings.isolation)
        }
      }
    } catch (error) {
      const failure = asStreamError(error)
      if (!failure.retriable) throw failure
      this.#cluster.forgetLeaders()
      for (const assigned of partitions) this.#backOff(assigned)
    }
  }

  #isStillWanted(assigned: AssignedPartition, offset: number): boolean {
    return this.#partitions.get(assigned.key) === assigned && assigned.offset === offset && !assigned.isPaused
  }

  async #answered(assigned: AssignedPartition, answer: FetchedPartition, isolation: Isolation): Promise<void> {
    if (answer.errorCode !== 0) return this.#refused(assigned, answer.errorCode, isolation)
    assigned.failures = 0
    const { logStartOffset, highWatermark, lastStableOffset } = answer
    assigned.knownEnd = isolation === 'read-committed' ? lastStableOffset : highWatermark
    if (answer.records === null || answer.records.length === 0) return
    const batches = fetchedBatches(answer.records, assigned.offset, isolation, answer.abortedTransactions ?? [])
    const leftBytes = batches.reduce((sum, { batch }) => sum + batch.sizeBytes, 0)
    if (batches.length > 0) assigned.fetched = { isolation, batches, leftBytes, logStartOffset, highWatermark, lastStableOffset }
  }

  async #refused(assigned: AssignedPartition, errorCode: number, isolation: Isolation): Promise<void> {
    const { topic, partition, offset } = assigned
    const error = kafkaError(errorCode, `reading ${topic}-${partition} from offset ${offset}`, null, { topic, partition, offset })
    if (error.code === 'OFFSET_OUT_OF_RANGE') {
      const reset = await this.#outOfRange({ topic, partition, offset }, isolation, error)
      if (this.#isStillWanted(assigned, offset)) assigned.offset = reset
      return
    }
    if (remedyFor(errorCode) === 'fail') throw error
    if (remedyFor(errorCode) === 'refresh-metadata') this.#cluster.forgetLeadersOf(topic)
    this.#backOff(assigned)
  }

  #backOff(assigned: AssignedPartition): void {
    assigned.resumeAt = this.#cluster.clock.monotonic() + retryDelayMs(assigned.failures++, this.#cluster.random)
  }

  /** Finds leaders; a topic or partition that stays unknown for a while does not exist. */
  async #lookUp(leaderless: readonly AssignedPartition[]): Promise<void> {
    try {
      await this.#cluster.refresh([...new Set(leaderless.map(({ topic }) => topic))])
      for (const assigned of leaderless) {
        if (this.#cluster.cachedLeader(assigned) !== undefined) continue
        const exists = this.#cluster.cachedTopic(assigned.topic)?.partitions.some(({ partitionIndex }) => partitionIndex === assigned.partition) ?? false
        if (!exists && assigned.failures >= unknownTopicPatience) throw unknownTopic(`${assigned.topic} (partition ${assigned.partition})`)
        this.#backOff(assigned)
      }
    } catch (error) {
      const failure = asStreamError(error)
      if (!failure.retriable) this.#failure ??= failure
      for (const assigned of leaderless) this.#backOff(assigned)
    }
    this.#wake()
  }
}

/** Batches while they fit; null when not even the first one does, unless it must. */
function takeFrom(assigned: AssignedPartition, fetched: Fetched, maxBytes: number, mustTakeOne: boolean): { readonly partition: PartitionRecords; readonly sizeBytes: number } | null {
  let sizeBytes = 0
  let count = 0
  for (const { batch } of fetched.batches) {
    if (sizeBytes + batch.sizeBytes > maxBytes && !(mustTakeOne && count === 0)) break
    sizeBytes += batch.sizeBytes
    count++
  }
  if (count === 0) return null
  const taken = fetched.batches.splice(0, count)
  fetched.leftBytes -= sizeBytes
  assigned.offset = Math.max(assigned.offset, taken[count - 1]!.batch.nextOffset)
  if (fetched.batches.length === 0) assigned.fetched = null
  const { logStartOffset, highWatermark, lastStableOffset } = fetched
  const batches = taken.filter(({ isVisible }) => isVisible).map(({ batch }) => batch)
  return { partition: { topic: assigned.topic, partition: assigned.partition, batches, nextOffset: assigned.offset, logStartOffset, highWatermark, lastStableOffset }, sizeBytes }
}
