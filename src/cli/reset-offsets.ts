import { durationMs, StreamError, systemClock } from '../core/index.ts'
import type { Broker, CommittedOffset, Duration, OffsetQuery, PartitionPosition, TopicPartition } from '../core/index.ts'
import { readTextFile } from './files.ts'

/** One of these says where a group goes on reading. */
export interface ResetTarget {
  readonly toEarliest?: boolean
  readonly toLatest?: boolean
  /** Where it is now: for a file of offsets, or to look. */
  readonly toCurrent?: boolean
  readonly toOffset?: number
  /** ISO 8601: the first record with at least this timestamp, or the end where there is none. */
  readonly toDatetime?: string
  /** The first record that is at most so old, such as `24h`. */
  readonly byDuration?: string
  /** So many records on, or back when negative; not beyond what is there. */
  readonly shiftBy?: number
  /** A file of offsets, as `--export` prints it. */
  readonly fromFile?: string
}

/** Which partitions: topics as `hits` or `hits:0,2`, or all that the group has committed. */
export interface ResetScope {
  readonly topic?: readonly string[]
  readonly allTopics?: boolean
}

type Place =
  | { readonly kind: 'at'; readonly at: OffsetQuery['at'] }
  | { readonly kind: 'offset'; readonly offset: number }
  | { readonly kind: 'shift'; readonly by: number }
  | { readonly kind: 'file'; readonly file: string }

interface Bounded extends TopicPartition {
  readonly logStartOffset: number
  readonly highWatermark: number
}

/**
 * The offsets that a reset would set.
 * @throws INVALID_ARGUMENT unless exactly one target is given, OFFSET_OUT_OF_RANGE for an offset outside of a partition
 */
export async function plannedOffsets(broker: Broker, groupId: string, target: ResetTarget, scope: ResetScope): Promise<readonly PartitionPosition[]> {
  const place = placeOf(target)
  if (place.kind === 'file') return offsetsIn(broker, groupId, place.file, scope)
  const { offsets: committed } = await broker.groups.describe(groupId)
  const partitions = await partitionsIn(broker, scope, committed)
  switch (place.kind) {
    case 'at': return offsetsAt(broker, partitions, place.at)
    case 'offset': return partitions.map((partition) => within(partition, place.offset))
    case 'shift': return partitions.map((partition) => shifted(partition, committedOf(committed, partition), place.by))
  }
}

async function offsetsAt(broker: Broker, partitions: readonly Bounded[], at: OffsetQuery['at']): Promise<readonly PartitionPosition[]> {
  const answers = await broker.topics.listOffsets(partitions.map(({ topic, partition }) => ({ topic, partition, at })), { isolation: 'read-uncommitted' })
  return answers.map(({ topic, partition, offset }, index) => ({ topic, partition, offset: offset === -1 ? partitions[index]!.highWatermark : offset }))
}

function within({ topic, partition, logStartOffset, highWatermark }: Bounded, offset: number): PartitionPosition {
  if (offset >= logStartOffset && offset <= highWatermark) return { topic, partition, offset }
  throw new StreamError('OFFSET_OUT_OF_RANGE', `${topic}-${partition} has the offsets ${logStartOffset} to ${highWatermark}, so ${offset} cannot be set`, { details: { topic, partition, offset } })
}

function shifted({ topic, partition, logStartOffset, highWatermark }: Bounded, from: number, by: number): PartitionPosition {
  return { topic, partition, offset: Math.min(Math.max(from + by, logStartOffset), highWatermark) }
}

function committedOf(committed: readonly CommittedOffset[], { topic, partition }: TopicPartition): number {
  const found = committed.find((offset) => offset.topic === topic && offset.partition === partition)
  if (found !== undefined) return found.offset
  throw new StreamError('INVALID_ARGUMENT', `the group has no committed offset of ${topic}-${partition} to go on from; use --to-earliest, --to-latest or --to-offset`, { details: { topic, partition } })
}

// ---------------------------------------------------------------------------------------------------- what was asked for

/** Topics as `hits` or `hits:0,2`. @throws UNKNOWN_TOPIC_OR_PARTITION */
export function partitionsNamed(broker: Broker, topics: readonly string[]): Promise<readonly TopicPartition[]> {
  return describedPartitions(broker, topics.map(topicAndNumbers))
}

/** Those of the file that are of this group: lines without a group are of every one. @throws INVALID_ARGUMENT, OFFSET_OUT_OF_RANGE */
async function offsetsIn(broker: Broker, groupId: string, file: string, { topic: topics = [], allTopics = false }: ResetScope): Promise<readonly PartitionPosition[]> {
  if (allTopics || topics.length > 0) throw new StreamError('INVALID_ARGUMENT', '--from-file says which partitions to set; leave out --topic and --all-topics')
  const rows = parseOffsets(file, readTextFile(file)).filter((row) => row.groupId === null || row.groupId === groupId)
  const bounds = await describedPartitions(broker, rows.map(({ topic, partition }) => ({ topic, numbers: [partition] })))
  return rows.map(({ offset }, index) => within(bounds[index]!, offset))
}

interface OffsetRow extends PartitionPosition {
  readonly groupId: string | null
}

function parseOffsets(file: string, text: string): readonly OffsetRow[] {
  return text.split(/\r?\n/).flatMap((line, index): OffsetRow[] => {
    if (line.trim() === '') return []
    const cells = line.split(',').map((cell) => cell.trim().replace(/^"(.*)"$/, '$1'))
    const numbers = cells.splice(-2).filter((cell) => /^\d{1,15}$/.test(cell)).map(Number)
    const [topic = '', groupId = null] = cells.toReversed()
    if (topic === '' || cells.length > 2 || numbers.length !== 2) throw new StreamError('INVALID_ARGUMENT', `${file}, line ${index + 1}: ${JSON.stringify(line)} is not topic,partition,offset, or group,topic,partition,offset`, { details: { file, line: index + 1 } })
    return [{ groupId, topic, partition: numbers[0]!, offset: numbers[1]! }]
  })
}

async function partitionsIn(broker: Broker, { topic: topics = [], allTopics = false }: ResetScope, committed: readonly CommittedOffset[]): Promise<readonly Bounded[]> {
  if (allTopics === topics.length > 0) throw new StreamError('INVALID_ARGUMENT', '--reset-offsets needs --topic (as in hits, or hits:0,2), or --all-topics')
  return describedPartitions(broker, allTopics ? [...new Set(committed.map(({ topic }) => topic))].map((topic) => ({ topic, numbers: committedNumbers(committed, topic) })) : topics.map(topicAndNumbers))
}

interface TopicPartitions {
  readonly topic: string
  /** null: all. */
  readonly numbers: readonly number[] | null
}

async function describedPartitions(broker: Broker, wanted: readonly TopicPartitions[]): Promise<readonly Bounded[]> {
  const descriptions = await broker.topics.describe(wanted.map(({ topic }) => topic))
  return descriptions.flatMap(({ topic, partitions }, index) => {
    const { numbers } = wanted[index]!
    const missing = numbers?.find((number) => number >= partitions.length)
    if (missing !== undefined) throw new StreamError('UNKNOWN_TOPIC_OR_PARTITION', `topic ${topic} has no partition ${missing}; it has ${partitions.length}, counted from 0`, { details: { topic } })
    return partitions.filter(({ partition }) => numbers?.includes(partition) ?? true).map((partition) => ({ topic, ...partition }))
  })
}

function committedNumbers(committed: readonly CommittedOffset[], topic: string): readonly number[] {
  return committed.filter((offset) => offset.topic === topic).map(({ partition }) => partition)
}

/** Topic names have no colon. */
function topicAndNumbers(text: string): TopicPartitions {
  const [topic, list] = text.split(':')
  if (list === undefined) return { topic: topic!, numbers: null }
  const numbers = list.split(',').map(Number)
  if (list === '' || !numbers.every((number) => Number.isInteger(number) && number >= 0)) throw new StreamError('INVALID_ARGUMENT', `--topic: ${JSON.stringify(text)} is not a topic with partitions such as hits:0,2`)
  return { topic: topic!, numbers }
}

function placeOf({ toEarliest, toLatest, toCurrent, toOffset, toDatetime, byDuration, shiftBy, fromFile }: ResetTarget): Place {
  const places: readonly Place[] = [
    ...(toEarliest === true ? [{ kind: 'at' as const, at: 'earliest' as const }] : []),
    ...(toLatest === true ? [{ kind: 'at' as const, at: 'latest' as const }] : []),
    ...(toCurrent === true ? [{ kind: 'shift' as const, by: 0 }] : []),
    ...(toOffset === undefined ? [] : [{ kind: 'offset' as const, offset: toOffset }]),
    ...(toDatetime === undefined ? [] : [{ kind: 'at' as const, at: timestampOf(toDatetime) }]),
    ...(byDuration === undefined ? [] : [{ kind: 'at' as const, at: systemClock.now() - durationMs(byDuration as Duration, '--by-duration') }]),
    ...(shiftBy === undefined ? [] : [{ kind: 'shift' as const, by: shiftBy }]),
    ...(fromFile === undefined ? [] : [{ kind: 'file' as const, file: fromFile }]),
  ]
  if (places.length === 1) return places[0]!
  throw new StreamError('INVALID_ARGUMENT', '--reset-offsets needs exactly one of --to-earliest, --to-latest, --to-current, --to-offset, --to-datetime, --by-duration, --shift-by, --from-file')
}

function timestampOf(text: string): number {
  const timestamp = Date.parse(text)
  if (Number.isNaN(timestamp)) throw new StreamError('INVALID_ARGUMENT', `--to-datetime: ${JSON.stringify(text)} is not a time such as 2026-01-31T08:00:00Z`)
  return timestamp
}
