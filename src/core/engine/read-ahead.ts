import type { EngineApi, FetchRequest, FetchedPartition } from './engine-api.ts'
import { partitionKey } from '../record.ts'
import type { TopicPartition } from '../record.ts'

/** So often nothing of it may be wanted, as of a partition that is paused; then it was for nothing. */
const maxMisses = 16

interface Fetched {
  readonly request: FetchRequest
  readonly answer: Promise<readonly FetchedPartition[]>
}

/**
 * For a reader whose engine is in another thread: what it will want next is asked for while it works on what it has, so that it does
 * not wait for the other thread each time. One fetch at most, no larger than the last read.
 */
export class ReadAhead {
  readonly #engine: EngineApi
  readonly #signal: AbortSignal
  #fetched: Fetched | null = null
  #misses = 0

  /** `signal` fires when the reader closes. */
  constructor(engine: EngineApi, signal: AbortSignal) {
    this.#engine = engine
    this.#signal = signal
  }

  /** After a read with this outcome: where it came to as much as was asked for, there is probably more. */
  start(request: FetchRequest, partitions: readonly FetchedPartition[]): void {
    if (this.#fetched !== null || bytesOf(partitions) * 2 < request.maxBytes) return
    const next = new Map(partitions.map((partition) => [keyOf(partition), partition.nextOffset]))
    const positions = request.positions.map(({ topic, partition, offset }) => ({ topic, partition, offset: next.get(partitionKey(topic, partition)) ?? offset }))
    // Whose turn it was comes last.
    const ahead: FetchRequest = { ...request, positions: [...positions.slice(1), ...positions.slice(0, 1)], minBytes: 1, maxWaitMs: 0 }
    this.#misses = 0
    // Whatever is wrong is found by the read that asks for it.
    this.#fetched = { request: ahead, answer: this.#engine.fetch(ahead, this.#signal).catch(() => []) }
  }

  /** What is there already of what is asked for; nothing: it must be fetched. */
  async take(request: FetchRequest): Promise<readonly FetchedPartition[]> {
    const fetched = this.#fetched
    if (fetched === null) return []
    const partitions = await fetched.answer
    const offsets = new Map(request.positions.map((position) => [keyOf(position), position.offset]))
    const isWanted = (partition: FetchedPartition) => offsets.get(keyOf(partition)) === offsetIn(fetched.request, partition)
    const isUntouched = partitions.length > 0 && partitions.every((partition) => !offsets.has(keyOf(partition)))
    if (isUntouched && ++this.#misses <= maxMisses) return []
    this.#fetched = null
    const fits = request.isolation === fetched.request.isolation && request.maxBytes >= fetched.request.maxBytes
    const wanted = fits ? partitions.filter(isWanted) : []
    return bytesOf(wanted) >= request.minBytes ? wanted : []
  }
}

function offsetIn({ positions }: FetchRequest, { topic, partition }: TopicPartition): number | undefined {
  return positions.find((position) => position.topic === topic && position.partition === partition)?.offset
}

function bytesOf(partitions: readonly FetchedPartition[]): number {
  let bytes = 0
  for (const { batches } of partitions) for (const batch of batches) bytes += batch.sizeBytes
  return bytes
}

function keyOf({ topic, partition }: TopicPartition): string {
  return partitionKey(topic, partition)
}
