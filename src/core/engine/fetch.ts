import type { PartitionPosition } from '../broker.ts'
import type { Clock } from '../clock.ts'
import { StreamError } from '../errors.ts'
import { visibleBatches } from '../log/visible-batches.ts'
import type { EngineApi, FetchRequest, FetchedPartition } from './engine-api.ts'
import type { LogEngine } from './log-engine.ts'
import type { Partition } from './partition.ts'

interface Collected {
  readonly partitions: readonly FetchedPartition[]
  readonly bytes: number
}

/**
 * Reads from each position in turn until `maxBytes` are full, and waits for more when it came to less than `minBytes`.
 * The first batch always fits, so that a large one cannot stop a reader. Nothing runs while it waits: partitions call back.
 */
export async function fetch(engine: LogEngine, request: FetchRequest, signal?: AbortSignal): ReturnType<EngineApi['fetch']> {
  const deadline = engine.clock.monotonic() + request.maxWaitMs
  for (;;) {
    if (signal?.aborted) return []
    const watched = request.positions.map((position) => engine.partition(position))
    const before = progressOf(watched)
    const collected = collect(engine, request)
    const waitMs = deadline - engine.clock.monotonic()
    if (collected.bytes >= request.minBytes || waitMs <= 0) return collected.partitions
    const missingBytes = request.minBytes - collected.bytes
    const isEnough = () => {
      const now = progressOf(watched)
      return now.turns > before.turns || now.visibleBytes - before.visibleBytes >= missingBytes
    }
    await news(watched, { clock: engine.clock, waitMs, isEnough }, signal)
  }
}

function collect(engine: LogEngine, request: FetchRequest): Collected {
  const partitions: FetchedPartition[] = []
  let bytes = 0
  for (const position of request.positions) {
    if (bytes > 0 && bytes >= request.maxBytes) break
    const partition = checkedPartition(engine, position)
    const { log } = partition
    const read = log.read({ offset: position.offset, maxBytes: request.maxBytes - bytes, isolation: request.isolation, memory: request.memory })
    if (read.nextOffset === position.offset) continue
    const size = read.batches.reduce((sum, batch) => sum + batch.sizeBytes, 0)
    if (bytes > 0 && bytes + size > request.maxBytes) break
    bytes += size
    partition.traffic.bytesOut += size
    const { nextOffset, logStartOffset, highWatermark, lastStableOffset } = read
    const batches = visibleBatches(read, request.isolation)
    partitions.push({ topic: position.topic, partition: position.partition, batches, nextOffset, logStartOffset, highWatermark, lastStableOffset })
  }
  return { partitions, bytes }
}

/** @throws UNKNOWN_TOPIC_OR_PARTITION, OFFSET_OUT_OF_RANGE: both name the partition, so that a reader of many knows which to move */
function checkedPartition(engine: LogEngine, position: PartitionPosition): Partition {
  const partition = engine.partition(position)
  const { logStartOffset, logEndOffset } = partition.log
  const { topic, offset } = position
  if (offset >= logStartOffset && offset <= logEndOffset) return partition
  const message = `${topic}-${position.partition} has offsets ${logStartOffset} to ${logEndOffset}; ${offset} is not among them`
  throw new StreamError('OFFSET_OUT_OF_RANGE', message, { details: { topic, partition: position.partition, offset, logStartOffset, logEndOffset } })
}

function progressOf(partitions: readonly Partition[]): { readonly visibleBytes: number; readonly turns: number } {
  let visibleBytes = 0
  let turns = 0
  for (const partition of partitions) {
    visibleBytes += partition.visibleBytes
    turns += partition.turns
  }
  return { visibleBytes, turns }
}

/** Resolves when enough has become visible, the time is up or the signal fires. */
function news(partitions: readonly Partition[], until: { clock: Clock; waitMs: number; isEnough: () => boolean }, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const finish = () => {
      timer.cancel()
      signal?.removeEventListener('abort', finish)
      for (const stop of stops) stop()
      resolve()
    }
    const timer = until.clock.setTimer(until.waitMs, finish)
    signal?.addEventListener('abort', finish, { once: true })
    const stops = partitions.map((partition) => partition.onNews(() => {
      if (until.isEnough()) finish()
    }))
  })
}
