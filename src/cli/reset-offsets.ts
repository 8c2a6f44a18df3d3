import { StreamError } from '../core/index.ts'
import type { Broker, OffsetQuery, PartitionPosition } from '../core/index.ts'

/** One of these says where a group goes on reading. */
export interface ResetTarget {
  readonly toEarliest?: boolean
  readonly toLatest?: boolean
  readonly toOffset?: number
  /** ISO 8601: the first record with at least this timestamp, or the end where there is none. */
  readonly toDatetime?: string
}

type Place = { readonly at: OffsetQuery['at'] } | { readonly offset: number }

/**
 * The offsets that a reset would set for every partition of the topic.
 * @throws INVALID_ARGUMENT unless exactly one target is given, OFFSET_OUT_OF_RANGE for one outside of a partition
 */
export async function plannedOffsets(broker: Broker, topic: string, target: ResetTarget): Promise<readonly PartitionPosition[]> {
  const place = placeOf(target)
  const [description] = await broker.topics.describe([topic])
  const partitions = description!.partitions
  if ('offset' in place) {
    const outside = partitions.find(({ logStartOffset, highWatermark }) => place.offset < logStartOffset || place.offset > highWatermark)
    if (outside !== undefined) {
      const { partition, logStartOffset, highWatermark } = outside
      throw new StreamError('OFFSET_OUT_OF_RANGE', `${topic}-${partition} has the offsets ${logStartOffset} to ${highWatermark}, so ${place.offset} cannot be set`, { details: { topic, partition, offset: place.offset } })
    }
    return partitions.map(({ partition }) => ({ topic, partition, offset: place.offset }))
  }
  const answers = await broker.topics.listOffsets(partitions.map(({ partition }) => ({ topic, partition, at: place.at })), { isolation: 'read-uncommitted' })
  return answers.map(({ partition, offset }, index) => ({ topic, partition, offset: offset === -1 ? partitions[index]!.highWatermark : offset }))
}

function placeOf({ toEarliest, toLatest, toOffset, toDatetime }: ResetTarget): Place {
  const places: readonly Place[] = [
    ...(toEarliest === true ? [{ at: 'earliest' as const }] : []),
    ...(toLatest === true ? [{ at: 'latest' as const }] : []),
    ...(toOffset === undefined ? [] : [{ offset: toOffset }]),
    ...(toDatetime === undefined ? [] : [{ at: timestampOf(toDatetime) }]),
  ]
  if (places.length === 1) return places[0]!
  throw new StreamError('INVALID_ARGUMENT', '--reset-offsets needs exactly one of --to-earliest, --to-latest, --to-offset, --to-datetime')
}

function timestampOf(text: string): number {
  const timestamp = Date.parse(text)
  if (Number.isNaN(timestamp)) throw new StreamError('INVALID_ARGUMENT', `--to-datetime: ${JSON.stringify(text)} is not a time such as 2026-01-31T08:00:00Z`)
  return timestamp
}
